"""Which modules of a model become what, by a recipe."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from torch import nn

from ..recipe.load import PassArgs, Phase, Selector
from ..replace.build import Plan
from .match import choose
from .module_kind import kind_of


def plans_of(model: nn.Module, recipe: PassArgs) -> list[Plan]:
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
                Plan(name=name, module=module, kind=kind, selectors=selectors, source=recipe.source)
            )
    return plans


def plans_inside(plans: Iterable[Plan], name: str) -> list[Plan]:
    """Return the plans of what is inside of a module, with the names that it has there."""
    prefix = f"{name}."
    return [
        replace(plan, name=plan.name.removeprefix(prefix))
        for plan in plans
        if plan.name.startswith(prefix)
    ]
