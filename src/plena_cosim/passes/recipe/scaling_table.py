"""The table [scaling] of a recipe: which scales are folded into weights before they are rounded."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from plena_cosim.golden import FormatError

from .calibration_tables import GptqTable
from .data_table import DataTable


class ScalingTable(DataTable):
    """[scaling]: channels are scaled so that they quantise better, and the function stays."""

    method: Literal["balance", "smoothquant", "awq", "autosmoothquant"] = Field(
        description="How scales are found: from the energies of activations and weights, from "
        "their largest magnitudes, or by the least error of the outputs, of the linear layers or "
        "of attention and MLP.",
        examples=["awq"],
    )
    alpha: float = Field(
        0.5,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="SmoothQuant: share of the difficulty that moves from activations to weights.",
        examples=[0.7],
    )
    scale_clamp_min: float = Field(
        0.0001,
        gt=0,
        le=1,
        allow_inf_nan=False,
        description="SmoothQuant: no scale is smaller than this.",
        examples=[0.001],
    )
    loss: Literal["mse", "mae"] = Field(
        "mse",
        description="AutoSmoothQuant: the mean of squared or of absolute errors is made least.",
        examples=["mae"],
    )
    grid: int = Field(
        20,
        ge=1,
        description="AWQ: steps between the exponents 0 and 1 that are tried.",
        examples=[10],
    )


def complete_scaling(scaling: ScalingTable, gptq: GptqTable | None, where: str) -> ScalingTable:
    """Return the table with its data filled in, from [gptq] or as [gptq] would have it.

    Args:
        scaling: the table, checked by itself.
        gptq: [gptq], whose data it takes where it names none.
        where: file and table, for messages.

    Raises:
        FormatError: a key of the other method is given.
    """
    owners = {
        "grid": "awq",
        "alpha": "smoothquant",
        "scale_clamp_min": "smoothquant",
        "loss": "autosmoothquant",
    }
    for other, owner in owners.items():
        if owner == scaling.method or other not in scaling.model_fields_set:
            continue
        raise FormatError(
            f'{where}: {other} belongs to method = "{owner}", got method = "{scaling.method}"; '
            "remove one of the two"
        )
    return scaling.with_data_of(gptq)
