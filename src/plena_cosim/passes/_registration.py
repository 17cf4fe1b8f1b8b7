"""Registration of the quantisation method with transformers, as soon as models can be loaded.

Without it, transformers would load a saved model with random weights and a mere warning. Where
transformers has not been imported yet, it is waited for: recipes are read without it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

LOADS_MODELS = "transformers.modeling_utils"
"""The module that from_pretrained is in."""


def register() -> None:
    """Register now where transformers can load models, or when it can."""
    if LOADS_MODELS in sys.modules:
        _register()
    elif not any(isinstance(finder, _Waiting) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Waiting())


def _register() -> None:
    importlib.import_module("plena_cosim.passes.hf_quantizer")


class _Waiting(MetaPathFinder):
    """Finds nothing itself; sees to it that registration follows the import it waits for."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the module's own spec with a loader that registers afterwards."""
        if fullname != LOADS_MODELS:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _ThenRegister(spec.loader)
        return spec


class _ThenRegister(Loader):
    """A loader, and registration once it is through."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        """Be the loader in all else, such as where its source is."""
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Leave it to the loader."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, then register."""
        self._loader.exec_module(module)
        _register()
