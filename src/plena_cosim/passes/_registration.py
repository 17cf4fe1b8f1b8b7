"""Registration of the quantisation method with transformers, as soon as it can read models.

Whoever reads a saved model need not know of plena: torch calls `register` when it is imported (its
entry point is in pyproject.toml), and so does `plena_cosim.passes`. That is cheap, and imports
nothing: where transformers has not been imported yet, it is waited for; what reads a saved model is
imported when one is met.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

METHODS = "transformers.quantizers.auto"
"""The module that knows quantisation methods."""

LOADS_MODELS = "transformers.modeling_utils"
"""A module that every model needs, and that imports METHODS."""


def register() -> None:
    """Register now where transformers can be told, or when it can."""
    if not _tell() and not any(isinstance(finder, _Waiting) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Waiting())


def _tell() -> bool:
    """Name the method to transformers; return whether that was possible, or was done before."""
    methods = sys.modules.get(METHODS)
    known = getattr(methods, "AUTO_QUANTIZATION_CONFIG_MAPPING", None)
    if known is None:
        return False  # not imported yet, or only half
    known.setdefault("plena", _Config)
    getattr(methods, "AUTO_QUANTIZER_MAPPING", {}).setdefault("plena", _quantizer)
    return True


def _reader() -> Any:
    """Import what reads models; it takes the places of what stands here for it."""
    return importlib.import_module("plena_cosim.passes.hf_quantizer")


class _Config:
    """Stands for PlenaConfig until a saved model is met."""

    @staticmethod
    def from_dict(*args: Any, **kwargs: Any) -> Any:
        """Return what the fields in a config.json say."""
        return _reader().PlenaConfig.from_dict(*args, **kwargs)


def _quantizer(*args: Any, **kwargs: Any) -> Any:
    """Stand for PlenaQuantizer until a saved model is met."""
    return _reader().PlenaQuantizer(*args, **kwargs)


class _Waiting(MetaPathFinder):
    """Finds nothing itself; sees to it that registration follows the import it waits for."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the module's own spec with a loader that registers afterwards."""
        if fullname not in (METHODS, LOADS_MODELS):
            return None
        others = [finder for finder in sys.meta_path if finder is not self]
        specs = (finder.find_spec(fullname, path, target) for finder in others)
        spec = next(filter(None, specs), None)
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
        if _tell():
            for finder in [each for each in sys.meta_path if isinstance(each, _Waiting)]:
                with suppress(ValueError):  # another thread was here
                    sys.meta_path.remove(finder)
