"""KvWriter: quantises keys and values once, on their way into whatever cache a model uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from plena_cosim.golden import FormatError

if TYPE_CHECKING:
    from .core import AttentionCore


class KvWriter:
    """Stands before a cache (or none) for one call of one attention module.

    Everything but `update` goes to the cache itself, so that any cache of transformers will do.

    Attributes:
        core: brings them to the format of the cache, along head_dim.
        turned: width of the keys that were quantised already, before they were turned; 0: none.
    """

    def __init__(self, cache: Any, core: AttentionCore) -> None:
        self._cache, self.core, self.turned = cache, core, 0

    def update(
        self, keys: Tensor, values: Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Quantise what is written, and return what the cache then holds.

        Args:
            keys, values: new ones, (batch, heads, tokens, head_dim).
            layer_idx: which layer of the cache they belong to.
            *args, **kwargs: for the cache's own `update`.

        Raises:
            FormatError: only a part of each key was quantised.
        """
        if self.turned not in (0, keys.shape[-1]):
            raise FormatError(
                f"the rotary embedding turns {self.turned} of the {keys.shape[-1]} elements of a "
                'key, and blocks run along all of them; use position = "post_rope"'
            )
        keys = keys if self.turned else self.core.cached_keys(keys)
        values = self.core.cached_values(values)
        if self._cache is None:
            return keys, values
        layer = self._layer(layer_idx)
        if layer is not None:
            self.core.hand_over(layer)
        updated: tuple[Tensor, Tensor] = self._cache.update(
            keys, values, layer_idx, *args, **kwargs
        )
        layer = self._layer(layer_idx)  # some caches make it just then
        if layer is not None:
            self.core.mark(layer)
        return updated

    def _layer(self, index: int) -> Any:
        layers = getattr(self._cache, "layers", ())
        return layers[index] if index < len(layers) else None

    def __getattr__(self, name: str) -> Any:
        if self._cache is None:
            raise AttributeError(
                f"quantised attention asks its cache for {name!r} and was given none; call the "
                "model with use_cache=True"
            )
        return getattr(self._cache, name)
