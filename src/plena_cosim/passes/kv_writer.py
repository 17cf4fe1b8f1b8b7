"""KvWriter: quantises keys and values once, on their way into whatever cache a model uses."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .module_formats import Format
from .operand import narrow


class KvWriter:
    """Stands before a cache (or none) for one call of one attention module.

    Everything but `update` goes to the cache itself, so that any cache of transformers will do.
    """

    def __init__(self, cache: Any, *, keys: Format | None, values: Format | None) -> None:
        self._cache, self._keys, self._values = cache, keys, values

    def update(
        self, keys: Tensor, values: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Quantise what is written, along head_dim, and return what the cache then holds."""
        keys, values = narrow(keys, self._keys), narrow(values, self._values)
        if self._cache is None:
            return keys, values
        updated: tuple[Tensor, Tensor] = self._cache.update(keys, values, *args, **kwargs)
        return updated

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)
