"""A quantised copy of one layer, beside the layer itself."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import nn

from plena_cosim.fakequant import MxTensor

from ..plan.plan_model import plans_inside
from ..recipe.load import PassArgs
from ..replace.build import Plan
from ..replace.replace import install_twins


def layer_twin(
    layer: nn.Module,
    name: str,
    plans: Sequence[Plan],
    recipe: PassArgs,
    calibrated: Mapping[str, MxTensor] | None = None,
) -> nn.Module:
    """Return a copy of a layer with the twins of a recipe, in fake numerics; the layer stays.

    Args:
        layer: of a model.
        name: its name in the model.
        plans: of the whole model, from `plans_of`.
        recipe: theirs.
        calibrated: weights by the modules' names in the model.
    """
    twin, prefix = copy.deepcopy(layer), f"{name}."
    mine = [
        replace(plan, module=twin.get_submodule(plan.name)) for plan in plans_inside(plans, name)
    ]
    weights = {key.removeprefix(prefix): value for key, value in (calibrated or {}).items()}
    install_twins(twin, mine, recipe, None, calibrated=weights)
    return twin
