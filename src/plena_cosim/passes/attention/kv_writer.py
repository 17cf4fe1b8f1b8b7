"""KvWriter: quantises keys and values once, on their way into whatever cache a model uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from plena_cosim.golden import FormatError


class KvWriter:
    """Stands before a cache (or none) for one call of one attention module.

    Everything but `update` goes to the cache itself, so that any cache of transformers will do.

    Attributes:
        write_keys, write_values: bring them to the format of the cache, along head_dim.
        turned: width of the keys that were quantised already, before they were turned; 0: none.
    """

    def __init__(
        self,
        cache: Any,
        write_keys: Callable[[Tensor], Tensor],
        write_values: Callable[[Tensor], Tensor],
    ) -> None:
        self._cache, self.turned = cache, 0
        self.write_keys, self.write_values = write_keys, write_values

    def update(
        self, keys: Tensor, values: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Quantise what is written, and return what the cache then holds.

        Args:
            keys, values: new ones, (batch, heads, tokens, head_dim).
            *args, **kwargs: for the cache's own `update`.

        Raises:
            FormatError: only a part of each key was quantised.
        """
        if self.turned not in (0, keys.shape[-1]):
            raise FormatError(
                f"the rotary embedding turns {self.turned} of the {keys.shape[-1]} elements of a "
                'key, and blocks run along all of them; use position = "post_rope"'
            )
        keys, values = keys if self.turned else self.write_keys(keys), self.write_values(values)
        if self._cache is None:
            return keys, values
        updated: tuple[Tensor, Tensor] = self._cache.update(keys, values, *args, **kwargs)
        return updated

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)
