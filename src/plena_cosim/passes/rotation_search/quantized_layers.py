"""QuantizedLayers: quantised copies of layers, of which as little as possible is made anew."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..layers.stack import Stack
from ..plan.plan import Plan
from ..plan.plan_model import plans_in, plans_inside
from ..recipe.recipe import Recipe
from ..replace.replace import replace_modules


@dataclass(frozen=True, kw_only=True)
class _Made:
    plans: Sequence[Plan]
    layer: nn.Module


class QuantizedLayers:
    """A model's layers quantised by one recipe, and by what is tried on top of it.

    Args:
        stack: of the model, whose own layers stay as they are.
        recipe: what quantises it, in fake numerics.
        device: where the copies live.
    """

    def __init__(self, stack: Stack, recipe: Recipe, device: torch.device) -> None:
        self.stack, self.recipe, self.device = stack, recipe, device
        self.kept: dict[int, _Made] = {}

    def layer(self, index: int, plans: Sequence[Plan]) -> nn.Module:
        """Return a quantised layer: the kept one if the plans are its own, else a new one.

        Args:
            index: of the layer.
            plans: of the whole model. Modules whose plans are those of the kept layer are shared.
        """
        return self._made(index, plans).layer

    def keep(self, index: int, plans: Sequence[Plan]) -> None:
        """Keep a quantised layer for plans to come.

        Args:
            index: of the layer.
            plans: of the whole model.
        """
        self.kept[index] = self._made(index, plans)

    def drop(self, index: int) -> None:
        """Forget a layer that will not be run again."""
        self.kept.pop(index, None)

    def _made(self, index: int, plans: Sequence[Plan]) -> _Made:
        mine = plans_inside(plans, self.stack.layer_name(index))
        kept = self.kept.get(index)
        if kept is not None and _selectors(kept.plans) == _selectors(mine):
            return kept
        source = self.stack.layers[index]
        shared: dict[int, Any] = {id(each): each for each in source.parameters()}
        same = _unchanged(mine, kept)
        for plan in mine:
            if plan.name in same:
                assert kept is not None
                shared[id(plan.module)] = kept.layer.get_submodule(plan.name)
        layer = copy.deepcopy(source, shared)
        anew = plans_in(layer, [plan for plan in mine if plan.name not in same])
        replace_modules(layer, anew, self.recipe, None)
        return _Made(plans=mine, layer=layer.to(self.device))


def _unchanged(plans: Sequence[Plan], kept: _Made | None) -> set[str]:
    """Return the modules that another copy of the layer can use as they are."""
    if kept is None:
        return set()
    before = _selectors(kept.plans)
    return {
        plan.name
        for plan in plans
        if plan.kind.owns_weights and plan.selectors == before[plan.name]
    }


def _selectors(plans: Sequence[Plan]) -> dict[str, Any]:
    return {plan.name: plan.selectors for plan in plans}
