"""KvWriter: quantises keys and values once, on their way into whatever cache a model uses."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from torch import Tensor

from plena_cosim.golden import FormatError

from ..recipe.recipe import KvHandover

if TYPE_CHECKING:
    from .core import AttentionCore


def before_cache(cache: Any, core: AttentionCore, *, of_encoder: bool) -> tuple[Any, KvWriter]:
    """Return what a module's forward is given as its cache, and the way into it of own tokens.

    The cache of a decoder that attends an encoder is a pair; each of its parts gets a writer, and
    the forward chooses one.

    Args:
        cache: of transformers, or None.
        core: brings keys and values to the format of the cache.
        of_encoder: whether it is the tokens of an encoder that are attended.

    Raises:
        FormatError: decode would have to quantise again what is cached of an encoder.
    """
    own = KvWriter(getattr(cache, "self_attention_cache", cache), core)
    if not hasattr(cache, "cross_attention_cache"):
        return own, own
    if of_encoder and core.clock.handover is KvHandover.REQUANTIZE:
        raise FormatError(
            f"{core.where}: keys and values of an encoder are written once and only read in "
            'decode, so that they cannot be quantised again there; use kv_handover = "keep", or '
            "bypass = true for attention of an encoder"
        )
    pair = copy.copy(cache)  # what it notes of its layers stays common
    pair.self_attention_cache = own
    pair.cross_attention_cache = KvWriter(cache.cross_attention_cache, core)
    return pair, own


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
            FormatError: only a part of each key was quantised, or the cache would quantise again.
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
            self._require_faithful(layer)
            self.core.hand_over(layer)
        updated: tuple[Tensor, Tensor] = self._cache.update(
            keys, values, layer_idx, *args, **kwargs
        )
        layer = self._layer(layer_idx)  # some caches make it just then
        if layer is not None:
            self.core.mark(layer)
        return updated

    def _require_faithful(self, layer: Any) -> None:
        """Raise FormatError where a layer of the cache rounds what it is given."""
        quantises = self.core.now.kv_cache is not None or self.core.hw is not None
        if quantises and hasattr(layer, "_quantized_keys"):
            raise FormatError(
                f"{self.core.where}: keys and values are as the recipe says, and "
                f"{type(layer).__name__} would quantise them again; give the model a DynamicCache "
                "or a StaticCache, or remove the kv_cache table"
            )

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
