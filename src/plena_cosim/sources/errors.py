"""The one error for things outside the program."""

from __future__ import annotations

import importlib
from types import ModuleType

from plena_cosim.ground.errors import PlenaError


class TextSourceError(PlenaError, RuntimeError):
    """A model, text or file that cannot be had; the message says what to do."""


def need(module: str, *, extra: str = "torch") -> ModuleType:
    """Import an optional package, or say which extra of plena-cosim installs it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise TextSourceError(
            f"{module} is not installed ({error}); install plena-cosim[{extra}]: "
            f"pip install 'plena-cosim[{extra}]'"
        ) from None


SourceError = TextSourceError
"""The name that it had before RTL had a `SourceError` of its own."""
