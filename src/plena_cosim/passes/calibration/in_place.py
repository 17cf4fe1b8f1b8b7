"""Calibration in place: where no selector takes calibrated weights, the model itself gets them.

That is what the reference does with [gptq]: all linear layers of the layers are calibrated and keep
the values, and what a selector quantises is rounded to nearest once more.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from plena_cosim.golden import FormatError

from ..kinds import kind_of
from ..layers.stack import stack_of
from ..modules.module_kind import BuildRequest
from ..plan.match import excluded_modules
from ..plan.plan import Plan
from ..recipe.formats import ModuleFormats
from ..recipe.recipe import Phase, Recipe
from ..recipe.selector import Selector
from ..recipe.spec_format import SpecFormat
from ..weights.spec_tensor import CalibratedWeight


def is_in_place(recipe: Recipe) -> bool:
    """Return whether a recipe calibrates weights and no selector says gptq = true."""
    groups = (recipe.selectors, *recipe.phases.values())
    return recipe.gptq is not None and not any(each.gptq for group in groups for each in group)


def calibration_plans(model: nn.Module, recipe: Recipe) -> list[Plan]:
    """Return a plan of its own for each linear layer and experts of the model's layers.

    Their weights take the format of [gptq.weight_config], and their inputs stay as they are. What
    the recipe excludes is left out.

    Args:
        model: in floating point.
        recipe: with a [gptq] table.

    Raises:
        FormatError: the model has no such modules in a stack of layers, or one that does not take
            the format.
    """
    left_out = excluded_modules(model, recipe)
    found = {
        name: (module, kind)
        for name, module in model.named_modules()
        if name not in left_out and (kind := kind_of(module)) and "gptq" in kind.accepts.options
    }
    closed = tuple(f"{name}." for name, (_, kind) in found.items() if kind.encloses)
    where = f"{recipe.source} [gptq]"
    if not found:
        raise FormatError(f"{where}: the model has no linear layers to calibrate; remove the table")
    stack = stack_of(model, list(found), where)
    fmt = recipe.calibrated
    for name, (_, kind) in found.items():
        if isinstance(fmt, SpecFormat) and "weight" not in kind.accepts.spec:
            raise FormatError(
                f"{where}: {name!r} ({kind.name}) takes no {fmt.name}; exclude it, "
                "or say gptq = true in the selectors that are calibrated"
            )
    selector = Selector(key="gptq", formats=ModuleFormats(weight=recipe.calibrated), gptq=True)
    return [
        Plan(
            name=name,
            module=module,
            kind=kind,
            selectors=dict.fromkeys(Phase, selector),
            source=recipe.source,
        )
        for name, (module, kind) in found.items()
        if stack.index_of(name) is not None and not name.startswith(closed)
    ]


@torch.no_grad()
def put_values(plans: list[Plan], weights: Mapping[str, CalibratedWeight]) -> None:
    """Give modules the values of calibrated weights, in place.

    Args:
        plans: from `calibration_plans`.
        weights: by name, as `calibrate` returns them; modules of other names stay as they are.
    """
    for plan in plans:
        (selector,) = plan.different()
        where = plan.where(selector)
        for part in plan.kind.weight_blocks(plan.module, where):
            weight = weights.get(f"{plan.name}.{part}" if part else plan.name)
            if weight is None:
                continue
            request = BuildRequest(
                module=plan.module,
                selector=selector,
                hw=None,
                where=where,
                calibrated={part: weight},
            )
            made = plan.kind.build(request).modules[part]
            (held,) = [each for each in made.held() if each.name != "bias"]  # type: ignore[operator]
            parameter = plan.module.get_parameter(part or "weight")
            parameter.copy_(held.to_plain(held.stored.values))
