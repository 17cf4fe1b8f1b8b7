"""DataTable: the keys with which a table of a recipe names its own calibration text."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field

from .calibration_tables import Dataset, GptqTable
from .read_table import Table

_KEYS = ("dataset", "nsamples", "seqlen", "seed")


class DataTable(Table):
    """Calibration text; what is not given is that of [gptq]."""

    model_name: str | None = Field(
        None,
        description="Whose tokenizer reads the text; without the key the `model_name` of `[gptq]`, "
        "or where the model was loaded from.",
        examples=["meta-llama/Meta-Llama-3-8B"],
    )
    dataset: Dataset | None = Field(
        None,
        description='Calibration text; without the key that of `[gptq]`, or `"wikitext2"`.',
        examples=["c4"],
    )
    nsamples: int | None = Field(
        None,
        ge=1,
        description="Calibration samples; without the key those of `[gptq]`, or 128.",
        examples=[32],
    )
    seqlen: int | None = Field(
        None,
        ge=1,
        description="Tokens of a sample; without the key those of `[gptq]`, or 2048.",
        examples=[512],
    )
    seed: int | None = Field(
        None,
        ge=0,
        description="Seed of the places in the text; without the key that of `[gptq]`, or 0.",
        examples=[1],
    )

    def with_data_of(self, gptq: GptqTable | None) -> Self:
        """Return the table with its text filled in, from [gptq] or as [gptq] would have it."""
        found: dict[str, Any] = {}
        if self.model_name is None and gptq is not None:
            found["model_name"] = gptq.model_name
        for key in _KEYS:
            if getattr(self, key) is None:
                default = GptqTable.model_fields[key].default
                found[key] = default if gptq is None else getattr(gptq, key)
        return self.model_copy(update=found)
