"""Engine: the perplexity of a model under one recipe after another, each from where it differs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from ..layers.run import run_all
from ..layers.stack import Stack
from ..recipe.recipe import Recipe
from ..replace.build import Plan
from .backbone import Backbone
from .quantized_layers import QuantizedLayers


class Engine:
    """A model, calibration tokens, and hidden states in front of the layers that will be changed.

    Args:
        model: as it was; it stays so.
        stack: of the model.
        recipe: what quantises it.
        plans: the recipe's; what they say outside of the layers holds for all later plans.
        tokens: (samples, seqlen) int64.
        device: where to compute; hidden states wait on the CPU.
    """

    def __init__(
        self,
        model: nn.Module,
        stack: Stack,
        recipe: Recipe,
        plans: Sequence[Plan],
        tokens: Tensor,
        device: torch.device,
    ) -> None:
        self.backbone = Backbone(model, stack, plans, recipe, sample=tokens[0], device=device)
        self.layers = QuantizedLayers(stack, recipe, device)
        self.count, self.tokens, self.plans = len(stack.layers), tokens, plans
        self.kept: dict[int, list[Tensor]] = {}

    def prepare(self, places: Iterable[int], after_layer: Callable[[], None] | None = None) -> None:
        """Keep the hidden states in front of these layers, and of no others.

        Args:
            places: indices of layers.
            after_layer: called after each layer that ran over all samples.
        """
        wanted = sorted(set(places))
        for place in wanted:
            if place not in self.kept:
                self.kept[place] = self._run(self.plans, place, after_layer=after_layer)
        self.kept = {place: self.kept[place] for place in wanted}
        for index in range(wanted[0] if wanted else 0):
            self.layers.drop(index)

    def perplexity(
        self,
        plans: Sequence[Plan] | None = None,
        first: int | None = None,
        after_layer: Callable[[], None] | None = None,
    ) -> float:
        """Return the perplexity with other plans, which change nothing in front of layer `first`.

        Args:
            plans: of all modules; None: those of the model as it is now.
            first: index of a layer; None where the plans are those of the model as it is now, so
                that any hidden states that are kept hold for them.
            after_layer: called after each layer that ran over all samples.

        Returns:
            exp of the nats a token, over all tokens but each sample's first; inf where that is
            beyond float64.
        """
        hidden = self._run(plans or self.plans, self.count, first=first, after_layer=after_layer)
        total = sum(
            self.backbone.loss(sample, each)
            for sample, each in zip(self.tokens, hidden, strict=True)
        )
        return _exp(total / (self.tokens.numel() - len(self.tokens)))

    def commit(self, plans: Sequence[Plan], first: int) -> None:
        """Go on from these plans, which change nothing in front of layer `first`.

        Args:
            plans: of all modules.
            first: index of a layer; hidden states kept behind it are forgotten.
        """
        self.plans = plans
        self.kept = {place: hidden for place, hidden in self.kept.items() if place <= first}

    def cost(self, places: Sequence[int], *, baseline: bool) -> int:
        """Return how many layers `prepare` and `perplexity` will run, at most.

        Args:
            places: for each perplexity, the first layer that its plans change.
            baseline: the perplexity of the model as it is now is measured, too.
        """
        last = max(places, default=0)
        first = self.start(min(places, default=0))
        return (last - first) + (self.count - last) * baseline + sum(self.count - p for p in places)

    def start(self, first: int) -> int:
        """Return the layer from which a run goes that changes nothing in front of `first`."""
        return max((place for place in self.kept if place <= first), default=0)

    def _run(
        self,
        plans: Sequence[Plan],
        end: int,
        *,
        first: int | None = None,
        after_layer: Callable[[], None] | None = None,
    ) -> list[Tensor]:
        """Return the hidden states in front of layer `end`."""
        start = self.start(end if first is None else min(first, end))
        hidden = self.kept[start] if start in self.kept else self.backbone.begin(self.tokens)
        for index in range(start, end):
            self.layers.keep(index, self.plans)  # what is tried shares its modules
            hidden = run_all(
                self.layers.layer(index, plans), hidden, self.backbone.arguments[index]
            )
            if after_layer is not None:
                after_layer()
        return hidden


def _exp(nats: float) -> float:
    return math.exp(nats) if nats < 709 else math.inf
