"""Prefill and decode: which of the two a forward pass is, shared by all modules of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from plena_cosim.golden import FormatError

from ..recipe.formats import Format
from ..recipe.recipe import Phase
from ..weights.plain_state import plain_state


class PhaseClock:
    """What the model is doing now. One object for all modules of a model.

    A pass over one new token with something in the cache is decode; everything else is prefill.

    Attributes:
        now: the phase of the pass that runs, or of the last one.
    """

    def __init__(self) -> None:
        self.now = Phase.PREFILL

    def before_forward(
        self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        """Tell the phase of a pass from its arguments: a forward pre-hook of the whole model.

        Args:
            model: the whole model.
            args, kwargs: of its forward; tokens or embeddings, (batch, seqlen, …), come first.
        """
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


class PhasedInput:
    """A forward pre-hook of a linear layer whose input alone changes its format between phases."""

    def __init__(self, formats: Mapping[Phase, Format | None], clock: PhaseClock) -> None:
        self.formats, self.clock = dict(formats), clock

    def __call__(self, module: Any, args: tuple[Any, ...]) -> None:
        """Give the layer the format of the phase that the model is in."""
        module.data_in = self.formats[self.clock.now]


class PhaseSwitch(nn.Module):
    """Two quantised modules in the place of one, one for each phase."""

    def __init__(self, prefill: nn.Module, decode: nn.Module, clock: PhaseClock) -> None:
        super().__init__()
        self.prefill, self.decode, self.clock = prefill, decode, clock

    @property
    def weight(self) -> Any:
        """The weight of the phase that the model is in."""
        return self.active().weight

    def active(self) -> nn.Module:
        """Return the module of the phase that the model is in."""
        return self.decode if self.clock.now is Phase.DECODE else self.prefill

    def plain_state(self) -> dict[str, Tensor]:
        """Return the weights that both modules have; FormatError where they differ."""
        prefill, decode = plain_state(self.prefill), plain_state(self.decode)
        if any(not torch.equal(tensor, decode[name]) for name, tensor in prefill.items()):
            raise FormatError(
                "has other weights in prefill than in decode, which a plain checkpoint cannot "
                "hold; give both phases the same weight formats"
            )
        return prefill

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the module of the phase that the model is in."""
        return self.active()(*args, **kwargs)
