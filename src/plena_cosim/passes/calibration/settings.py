"""How a calibration chooses scales, and what decides its outcome."""

from __future__ import annotations

from torch import Tensor, nn

from ..checkpoints.fingerprint import Fingerprint
from ..recipe.calibration_tables import GptqTable
from ..recipe.recipe import Recipe
from .block_scale import ScaleSearch

_NO_MATTER = ("checkpoint_dir", "device", "model_name", "max_layers")
_DONE = ("distill", "rotation_search")
"""Tables of what comes before; model and recipe show what it has done."""


def scale_search(table: GptqTable) -> ScaleSearch:
    """Return how a recipe chooses scales."""
    return ScaleSearch(
        quantiles=tuple(table.quantiles) if table.quantile_search else (),
        neighbours=table.scale_neighbours,
        by_output=table.clip_search_y,
    )


def fingerprint_of(model: nn.Module, recipe: Recipe, tokens: Tensor) -> Fingerprint:
    """Return everything that decides the bits of calibrated weights.

    Args:
        model: in floating point, as it goes into the calibration.
        recipe: with a [gptq] table.
        tokens: (samples, seqlen) int64.
    """
    assert recipe.gptq is not None
    tables = {key: value for key, value in recipe.tables.items() if key not in _DONE}
    tables["gptq"] = recipe.gptq.model_dump(mode="json", exclude=set(_NO_MATTER))
    return Fingerprint.of(model, tables, tokens)
