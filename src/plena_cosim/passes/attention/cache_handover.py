"""CacheHandover: what decoding makes of the keys and values that a prefill has cached."""

from __future__ import annotations

from typing import Any

from torch import nn

from ..modules.phase import PhaseClock
from ..recipe.recipe import Phase
from .hooks import core_of


class CacheHandover:
    """Brings a prefill's keys and values to the formats of decode, once, when decoding begins.

    The cache itself carries the phase that wrote it, so that one model may serve many caches.
    """

    def __init__(self, clock: PhaseClock) -> None:
        self.clock = clock

    def before_forward(
        self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        """Quantise the cache again where it is a prefill's: a forward pre-hook of the whole model.

        The clock's own pre-hook has to run before.

        Args:
            model: the whole model.
            args, kwargs: of its forward.
        """
        cache = kwargs.get("past_key_values")
        if cache is None:
            return
        decodes = self.clock.now is Phase.DECODE
        if decodes and getattr(cache, "plena_phase", None) is Phase.PREFILL:
            _requantize(model, cache)
        cache.plena_phase = self.clock.now

    def after_forward(
        self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
    ) -> None:
        """Mark the cache that a prefill has made: a forward hook of the whole model.

        Args:
            model: the whole model.
            args, kwargs: of its forward.
            output: what it returned.
        """
        cache = getattr(output, "past_key_values", None)
        if cache is not None:
            cache.plena_phase = self.clock.now


def _requantize(model: nn.Module, cache: Any) -> None:
    for module in model.modules():
        core = core_of(module)
        if core is None:
            continue
        layer = cache.layers[module.layer_idx]
        layer.keys = core.cached_again(layer.keys)
        layer.values = core.cached_again(layer.values)
