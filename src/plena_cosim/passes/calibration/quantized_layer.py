"""A quantised copy of one layer, beside the layer itself."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

from torch import nn

from ..plan.plan import Plan
from ..plan.plan_model import plans_in, plans_inside
from ..recipe.recipe import Recipe
from ..replace.replace import replace_modules
from ..weights.spec_tensor import CalibratedWeight


def quantized_layer(
    layer: nn.Module,
    name: str,
    plans: Sequence[Plan],
    recipe: Recipe,
    calibrated: Mapping[str, CalibratedWeight] | None = None,
) -> nn.Module:
    """Return a copy of a layer with the quantised modules of a recipe, in fake numerics.

    Args:
        layer: of a model; it stays as it is.
        name: its name in the model.
        plans: of the whole model, from `plans_of`.
        recipe: theirs.
        calibrated: weights by the modules' names in the model; all others round to nearest.

    Raises:
        FormatError: a weight has another shape or format than its plan.
    """
    quantized, prefix = copy.deepcopy(layer), f"{name}."
    mine = plans_in(quantized, plans_inside(plans, name))
    weights = {key.removeprefix(prefix): value for key, value in (calibrated or {}).items()}
    replace_modules(quantized, mine, recipe, None, calibrated=weights)
    return quantized
