"""LayerTwins: quantised copies of a model's layers, of which as little as possible is made anew."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from ..layers.stack import Stack
from ..plan.module_kind import Kind
from ..plan.plan_model import plans_inside
from ..recipe.load import PassArgs
from ..replace.build import Plan
from ..replace.replace import install_twins

_WHOLE = (Kind.LINEAR, Kind.EMBEDDING, Kind.NORM, Kind.EXPERTS)
"""Kinds whose twin is one module that another copy of the layer can use as it is."""


@dataclass(frozen=True, kw_only=True)
class _Made:
    plans: Sequence[Plan]
    twin: nn.Module


class LayerTwins:
    """The twins of a model's layers under one recipe, and under what is tried on top of it."""

    def __init__(self, stack: Stack, recipe: PassArgs, device: torch.device) -> None:
        self.stack, self.recipe, self.device = stack, recipe, device
        self.kept: dict[int, _Made] = {}

    def twin(self, index: int, plans: Sequence[Plan]) -> nn.Module:
        """Return the twin of a layer: the kept one if the plans are its own, else a new one."""
        return self._made(index, plans).twin

    def keep(self, index: int, plans: Sequence[Plan]) -> None:
        """Have the twin of a layer for plans to come."""
        self.kept[index] = self._made(index, plans)

    def drop(self, index: int) -> None:
        """Forget the twin of a layer that will not be run again."""
        self.kept.pop(index, None)

    def _made(self, index: int, plans: Sequence[Plan]) -> _Made:
        mine = plans_inside(plans, self.stack.layer_name(index))
        kept = self.kept.get(index)
        if kept is not None and _selectors(kept.plans) == _selectors(mine):
            return kept
        layer = self.stack.layers[index]
        shared: dict[int, Any] = {id(each): each for each in layer.parameters()}
        same = _unchanged(mine, kept)
        for plan in mine:
            if plan.name in same:
                assert kept is not None
                shared[id(plan.module)] = kept.twin.get_submodule(plan.name)
        twin = copy.deepcopy(layer, shared)
        anew = [
            replace(plan, module=twin.get_submodule(plan.name))
            for plan in mine
            if plan.name not in same
        ]
        install_twins(twin, anew, self.recipe, None)
        return _Made(plans=mine, twin=twin.to(self.device))


def _unchanged(plans: Sequence[Plan], kept: _Made | None) -> set[str]:
    if kept is None:
        return set()
    before = _selectors(kept.plans)
    return {
        plan.name for plan in plans if plan.kind in _WHOLE and plan.selectors == before[plan.name]
    }


def _selectors(plans: Sequence[Plan]) -> dict[str, Any]:
    return {plan.name: plan.selectors for plan in plans}
