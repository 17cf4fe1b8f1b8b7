"""The table [distill] of a recipe: how weights learn to live with quantised operands."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .data_table import DataTable


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
