"""Backbone: a model without its layers, which are run apart from it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..layers.run import moved
from ..layers.stack import Stack
from ..layers.stream import answering, calls, entering, read
from ..plan.plan import Plan
from ..plan.plan_model import plans_in
from ..recipe.recipe import Recipe
from ..replace.replace import replace_modules


class Backbone:
    """All of a model but its layers, quantised by a recipe, in fake numerics.

    The model's own forward runs, so that nothing about its family needs to be known. The model
    stays as it was, and shares its weights.

    Args:
        model: as it was.
        stack: of the model.
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
        stack: Stack,
        plans: Sequence[Plan],
        recipe: Recipe,
        *,
        sample: Tensor,
        device: torch.device,
    ) -> None:
        shared: dict[int, Any] = {id(each): each for each in model.parameters()}
        for layer in stack.layers:
            shared[id(layer._modules)] = {}  # a hollow copy: a model may ask what its layers are
        self.model = copy.deepcopy(model, shared)
        outside = [plan for plan in plans if stack.index_of(plan.name) is None]
        replace_modules(self.model, plans_in(self.model, outside), recipe, None)
        for kind in {plan.kind for plan in plans}:
            kind.finish(self.model)  # attention decides in which form layers are given masks
        self.layers = list(self.model.get_submodule(stack.name).children())
        arguments, found = calls(self.model, self.layers, sample[None], first=stack.layers[0])
        self.arguments = moved(tuple(arguments), device)
        self.rest = None if isinstance(found, Tensor) else tuple(found[1:])
        self.model.to(device)

    def begin(self, tokens: Tensor) -> list[Tensor]:
        """Return what enters the first layer for each sample, on the CPU.

        Args:
            tokens: (samples, seqlen) int64.

        Returns:
            A tensor (1, seqlen, width) for each sample, in the model's dtype.
        """
        return entering(self.model, self.layers, tokens)

    def loss(self, sample: Tensor, hidden: Tensor) -> float:
        """Return the negative log likelihood of a sample, in nats: all tokens but the first.

        Args:
            sample: (seqlen,) int64.
            hidden: (1, seqlen, width), what leaves the last layer.

        Returns:
            The sum over tokens, of float32 terms in float64.
        """
        last = hidden.to(next(self.model.parameters()).device)
        answer = last if self.rest is None else (last, *self.rest)
        with answering(self.layers, lambda *_: answer):
            logits = read(self.model, sample[None]).logits[0, :-1].float()
        losses = functional.cross_entropy(logits, sample[1:].to(logits.device), reduction="none")
        return float(losses.double().sum())
