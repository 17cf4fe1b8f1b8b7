"""The table [scaling] of a recipe: which scales are folded into weights before they are rounded."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from plena_cosim.golden import FormatError

from .calibration_tables import Dataset, GptqTable
from .read_table import Table


class ScalingTable(Table):
    """[scaling]: channels are scaled so that they quantise better, and the function stays."""

    method: Literal["balance", "smoothquant", "awq"] = Field(
        description="How scales are found: from the energies of activations and weights, from "
        "their largest magnitudes, or by the least error of the outputs.",
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
    grid: int = Field(
        20,
        ge=1,
        description="AWQ: steps between the exponents 0 and 1 that are tried.",
        examples=[10],
    )
    dataset: Dataset | None = Field(
        None,
        description="Calibration text; without the key the `dataset` of `[gptq]`.",
        examples=["c4"],
    )
    nsamples: int | None = Field(
        None,
        ge=1,
        description="Calibration samples; without the key those of `[gptq]`.",
        examples=[32],
    )
    seqlen: int | None = Field(
        None,
        ge=1,
        description="Tokens of a sample; without the key those of `[gptq]`.",
        examples=[512],
    )
    seed: int | None = Field(
        None,
        ge=0,
        description="Seed of the places in the text; without the key that of `[gptq]`.",
        examples=[1],
    )


def complete_scaling(scaling: ScalingTable, gptq: GptqTable | None, where: str) -> ScalingTable:
    """Return the table with its data filled in, from [gptq] or as [gptq] would have it.

    Raises:
        FormatError: a key of the other method is given.
    """
    owners = {"grid": "awq", "alpha": "smoothquant"}
    for other, owner in owners.items():
        if owner == scaling.method or other not in scaling.model_fields_set:
            continue
        raise FormatError(
            f'{where}: {other} belongs to method = "{owner}", got method = "{scaling.method}"; '
            "remove one of the two"
        )
    found: dict[str, Any] = {}
    for key in ("dataset", "nsamples", "seqlen", "seed"):
        if getattr(scaling, key) is None:
            default = GptqTable.model_fields[key].default
            found[key] = default if gptq is None else getattr(gptq, key)
    return scaling.model_copy(update=found)
