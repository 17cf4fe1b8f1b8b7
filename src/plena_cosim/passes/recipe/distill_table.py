"""The table [distill] of a recipe: how weights learn to live with quantised operands."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from plena_cosim.golden import FormatError

from .calibration_tables import GptqTable
from .data_table import DataTable
from .read_table import read_table


class DistillTable(DataTable):
    """[distill]: the model is trained, as it will be quantised, to say what it said in float."""

    steps: int = Field(48, ge=1, description="Steps of the optimiser.", examples=[96])
    batch_size: int = Field(4, ge=1, description="Samples of a step.", examples=[8])
    learning_rate: float = Field(
        1e-4,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Of AdamW: rises over the first steps, falls with a cosine to a twentieth.",
        examples=[2e-5],
    )
    weights: Literal["float", "rounded"] = Field(
        "float",
        description="What products take while it trains: `float` weights, to be quantised "
        "afterwards, or weights that are `rounded` to nearest in each step.",
        examples=["rounded"],
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="Of products while it trains, in student and teacher; the trained weights "
        "themselves are always float32.",
        examples=["bfloat16"],
    )
    device: str = Field(
        "cuda:0",
        description="Where it trains; without the key the CPU if there is no GPU.",
        examples=["cpu"],
    )
    checkpoint_dir: str | None = Field(
        None,
        description="Folder of its state; a later run goes on from there.",
        examples=["checkpoints/distill"],
    )


def read_distill(given: Any, gptq: GptqTable | None, where: str) -> DistillTable:
    """Return the table with its text filled in.

    Raises:
        FormatError: it is wrong in itself, or a step needs more samples than there are.
    """
    table = read_table(DistillTable, given, where).with_data_of(gptq)
    assert table.nsamples is not None
    if table.batch_size > table.nsamples:
        raise FormatError(
            f"{where}: batch_size {table.batch_size} is more than nsamples {table.nsamples}; a "
            "step reads each sample once"
        )
    return table
