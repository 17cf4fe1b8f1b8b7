"""Shell: a model without its layers, which are run apart from it."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .. import attention
from ..calibration.decoder import Decoder
from ..install import install_twins
from ..kinds import Kind
from ..quant_config import PassArgs
from ..twins import Plan
from .trial import decoder_index


class _Stop(Exception):  # noqa: N818  (it is no error)
    """Raised by the first layer's stand-in once it has seen its input."""


class _StandIn(nn.Module):
    """Stands where a layer was; learns how it is called, later returns what it is told to."""

    layer: nn.Module

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        for key, value in vars(layer).items():  # what a model may ask of its layers
            if key not in vars(self) and isinstance(value, str | int | float | None):
                setattr(self, key, value)
        self.__dict__["layer"] = layer  # no submodule
        self.arguments: dict[str, Any] | None = None
        self.rest: tuple[Any, ...] | None = None
        self.stops = False
        self.seen: Tensor | None = None
        self.told: Tensor | None = None

    def forward(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Any:
        """Return `told`, or the input; the first time what the layer returns."""
        if self.stops:
            self.seen = hidden_states
            raise _Stop
        if self.arguments is None:
            names = list(inspect.signature(self.layer.forward).parameters)[1:]
            self.arguments = kwargs | dict(zip(names, args, strict=False))
            found = self.layer(hidden_states, **self.arguments)
            self.rest = None if isinstance(found, Tensor) else tuple(found[1:])
            return found
        output = hidden_states if self.told is None else self.told
        return output if self.rest is None else (output, *self.rest)


class Shell:
    """All of a model but its layers, quantised by a recipe, in fake numerics.

    The model's own forward runs, so that nothing about its family needs to be known. The model
    stays as it was, and shares its weights.

    Args:
        model: as it was.
        decoder: of the model.
        plans: of the whole model.
        recipe: theirs.
        sample: (seqlen,) int64: tokens to see how the layers are called.
        device: where to compute.

    Attributes:
        arguments: what each layer is called with besides hidden states, good for any sample.
    """

    def __init__(
        self,
        model: nn.Module,
        decoder: Decoder,
        plans: Sequence[Plan],
        recipe: PassArgs,
        *,
        sample: Tensor,
        device: torch.device,
    ) -> None:
        self.stand_ins = [_StandIn(layer) for layer in decoder.layers]
        shared: dict[int, Any] = {id(each): each for each in model.parameters()}
        for layer, stand_in in zip(decoder.layers, self.stand_ins, strict=True):
            shared[id(layer)] = stand_in
        self.model = copy.deepcopy(model, shared)
        self.device = next(model.parameters()).device
        outside = [plan for plan in plans if decoder_index(decoder, plan.name) is None]
        mine = [replace(plan, module=self.model.get_submodule(plan.name)) for plan in outside]
        install_twins(self.model, mine, recipe, None)
        if any(plan.kind is Kind.ATTENTION for plan in plans):
            attention.use_in(self.model)  # decides in which form layers are given masks
        with torch.no_grad():
            self._forward(sample)
        self.arguments = [_moved(each.arguments, device) for each in self.stand_ins]
        self.model.to(device)
        self.device = device

    @torch.no_grad()
    def begin(self, tokens: Tensor) -> list[Tensor]:
        """Return what enters the first layer for each sample, on the CPU.

        Args:
            tokens: (samples, seqlen) int64.
        """
        first, hidden = self.stand_ins[0], []
        first.stops = True
        try:
            for sample in tokens:
                try:
                    self._forward(sample)
                except _Stop:
                    assert first.seen is not None
                    hidden.append(first.seen.cpu())
        finally:
            first.stops, first.seen = False, None
        return hidden

    @torch.no_grad()
    def loss(self, sample: Tensor, hidden: Tensor) -> float:
        """Return the negative log likelihood of a sample, in nats: all tokens but the first.

        Args:
            sample: (seqlen,) int64.
            hidden: what leaves the last layer.
        """
        last = self.stand_ins[-1]
        last.told = hidden.to(self.device)
        try:
            logits = self._forward(sample).logits[0, :-1].float()
        finally:
            last.told = None
        losses = functional.cross_entropy(logits, sample[1:].to(self.device), reduction="none")
        return float(losses.double().sum())

    def _forward(self, sample: Tensor) -> Any:
        return self.model(sample[None].to(self.device), use_cache=False)


def _moved(value: Any, device: torch.device) -> Any:
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, dict):
        return {key: _moved(item, device) for key, item in value.items()}
    return tuple(_moved(item, device) for item in value) if isinstance(value, tuple) else value
