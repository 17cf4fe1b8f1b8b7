"""Prefill and decode: which of the two a forward pass is, shared by all modules of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from plena_cosim.golden import FormatError

from ..recipe.formats import Format
from ..recipe.load import KvHandover, Phase


class PhaseClock:
    """What the model is doing now. One object for all modules of a model.

    A pass over one new token with something in the cache is decode; everything else is prefill.

    Attributes:
        now: the phase of the pass that runs, or of the last one.
        handover: what happens to the keys and values of the prefill when decoding begins.
    """

    def __init__(self, handover: KvHandover = KvHandover.KEEP) -> None:
        self.now, self.handover = Phase.PREFILL, handover

    def before_forward(
        self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        """Tell the phase of a pass from its arguments: a forward pre-hook of the whole model."""
        cache = kwargs.get("past_key_values")
        tokens = next(
            (
                given
                for given in (kwargs.get("input_ids"), kwargs.get("inputs_embeds"), *args[:1])
                if given is not None
            ),
            None,
        )
        seen = 0 if cache is None else int(cache.get_seq_length())
        one = tokens is not None and tokens.shape[1] == 1
        self.now = Phase.DECODE if seen > 0 and one else Phase.PREFILL
        if cache is None or self.handover is KvHandover.KEEP:
            return
        if self.now is Phase.DECODE and getattr(cache, "plena_phase", None) is Phase.PREFILL:
            _requantize(model, cache)
        cache.plena_phase = self.now

    def after_forward(
        self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
    ) -> None:
        """Mark the cache that a prefill has made: a forward hook of the whole model."""
        cache = getattr(output, "past_key_values", None)
        if cache is not None and self.handover is KvHandover.REQUANTIZE:
            cache.plena_phase = self.now


def _requantize(model: nn.Module, cache: Any) -> None:
    """Bring what a prefill wrote to the formats of decode."""
    from ..attention.hooks import core_of

    for module in model.modules():
        core = core_of(module)
        if core is None:
            continue
        layer = cache.layers[module.layer_idx]
        layer.keys = core.cached_again(layer.keys)
        layer.values = core.cached_again(layer.values)


class PhasedInput:
    """A forward pre-hook of a linear layer whose input alone changes its format between phases."""

    def __init__(self, formats: Mapping[Phase, Format | None], clock: PhaseClock) -> None:
        self.formats, self.clock = dict(formats), clock

    def __call__(self, module: Any, args: tuple[Any, ...]) -> None:
        """Give the layer the format of the phase that the model is in."""
        module.data_in = self.formats[self.clock.now]


class PhaseSwitch(nn.Module):
    """Two twins of one module, one for each phase."""

    def __init__(self, prefill: nn.Module, decode: nn.Module, clock: PhaseClock) -> None:
        super().__init__()
        self.prefill, self.decode, self.clock = prefill, decode, clock

    @property
    def weight(self) -> Any:
        """The weight of the phase that the model is in."""
        return self.active().weight

    def active(self) -> nn.Module:
        """Return the twin of the phase that the model is in."""
        return self.decode if self.clock.now is Phase.DECODE else self.prefill

    def plain_state(self) -> dict[str, Tensor]:
        """Return the weights that both twins have; FormatError where they differ."""
        from ..saving.export import dequantized_state_dict

        prefill, decode = (dequantized_state_dict(twin) for twin in (self.prefill, self.decode))
        if any(not torch.equal(tensor, decode[name]) for name, tensor in prefill.items()):
            raise FormatError(
                "has other weights in prefill than in decode, which a plain checkpoint cannot "
                "hold; give both phases the same weight formats"
            )
        return prefill

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the twin of the phase that the model is in."""
        return self.active()(*args, **kwargs)
