"""Which modules of a model become what, by a recipe."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from torch import nn

from ..kinds import kind_of
from ..recipe.recipe import Phase, Recipe
from ..recipe.selector import Selector
from .match import choose
from .plan import Plan
from .taken_weight import takes_weights


def plans_of(model: nn.Module, recipe: Recipe) -> list[Plan]:
    """Return what becomes of each module that is chosen in some phase, in the model's order."""
    chosen: dict[Phase, dict[str, Selector]] = {
        phase: choose(model, recipe, phase) for phase in Phase
    }
    plans = []
    for name, module in model.named_modules():
        selectors = {phase: chosen[phase].get(name) for phase in Phase}
        kind = kind_of(module)
        if kind is not None and any(selector is not None for selector in selectors.values()):
            plans.append(
                Plan(
                    name=name,
                    module=module,
                    kind=kind,
                    selectors=selectors,
                    source=recipe.source,
                    taken_by=_taker(model, name) if kind.matmuls(name) == [name] else "",
                )
            )
    return plans


def _taker(model: nn.Module, name: str) -> str:
    """Return the class around a module that takes its weight and does not call it, or nothing."""
    around, _, child = name.rpartition(".")
    owner: type = type(model.get_submodule(around))
    return owner.__name__ if child in takes_weights(owner) else ""


def plans_inside(plans: Iterable[Plan], name: str) -> list[Plan]:
    """Return the plans of what is inside of a module, with the names that it has there."""
    prefix = f"{name}."
    return [
        replace(plan, name=plan.name.removeprefix(prefix))
        for plan in plans
        if plan.name.startswith(prefix)
    ]


def plans_in(root: nn.Module, plans: Iterable[Plan]) -> list[Plan]:
    """Return the same plans for a copy of the module that they were made for.

    Args:
        root: the copy.
        plans: with the names that modules have in it.
    """
    return [replace(plan, module=root.get_submodule(plan.name)) for plan in plans]
