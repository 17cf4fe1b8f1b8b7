"""The tables of a quantisation recipe, key by key as PLENA's TOML files have them.

A field's description and example are its line in docs/recipe.md and in the JSON schema. Ranges here
are hints for editors: what a format allows is golden's business, and a test holds the two together.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from plena_cosim.golden import Rounding, ScaleRule

from .calibration_tables import GptqTable, RotationSearchTable
from .distill_table import DistillTable
from .ranges_table import RangesTable
from .read_table import Table
from .rotation_table import RotationTable
from .scaling_table import ScalingTable
from .selector_tables import DefaultsTable, MinifloatTable, MxTable, SpecSelectorTable
from .token_collector_table import TokenCollectorTable


class NumericsTable(Table):
    """[numerics]: what every format of the recipe shares; golden's defaults where left out."""

    profile: Literal["ocp", "mase"] = Field(
        "ocp",
        description='A preset: `"ocp"` is `scale_rule = "floor"`, `symmetric = true`; `"mase"`, '
        'as the reference computes, is `scale_rule = "mase"`, `symmetric = false`. The keys below '
        "win.",
        examples=["mase"],
    )
    scale_rule: str | None = Field(
        None,
        description="How the scale of a block follows from its largest magnitude.",
        examples=["even"],
        json_schema_extra={"enum": [rule.value for rule in ScaleRule]},
    )
    rounding: str | None = Field(
        None,
        description='How elements are rounded; `"rne"` where nothing says otherwise.',
        examples=["rna"],
        json_schema_extra={"enum": [mode.value for mode in Rounding]},
    )
    symmetric: bool | None = Field(
        None,
        description="MXINT never has the code -2^(W-1), so that Q(-x) = -Q(x).",
        examples=[False],
    )
    scale_bits: int | None = Field(
        None,
        description="Width of a scale code; 8 where nothing says otherwise.",
        examples=[6],
        json_schema_extra={"minimum": 2, "maximum": 8},
    )
    seed: int = Field(
        0,
        description='With `rounding = "stochastic"`: other seeds, other draws.',
        examples=[1],
    )
    strict: bool = Field(
        False,
        description="A NaN or Inf that a format cannot hold is an error.",
        examples=[True],
    )

    def fields(self) -> dict[str, Any]:
        """Return what the profile and the keys say, as fields of Mx."""
        given = self.model_dump(exclude_none=True, exclude={"profile", "seed", "strict"})
        return {**PROFILES[self.profile], **given}


PROFILES: dict[str, dict[str, Any]] = {
    "ocp": {"scale_rule": "floor", "symmetric": True},
    "mase": {"scale_rule": "mase", "symmetric": False},
}
"""The presets of [numerics]."""


class HardwareTable(Table):
    """[hardware]: the machine of exact numerics."""

    config: str | None = Field(
        None,
        description=(
            "A machine, relative to the recipe: a file of configs/hw, or PLENA's own settings."
        ),
        examples=["../hw/plena.toml"],
    )
    dimensions: dict[str, Any] | None = Field(
        None,
        description=(
            "Without `config`: what the table `[dimensions]` of such a file holds; only `vlen` "
            "decides bits; `mlen`, `blen` and `hlen` size the matrix unit of co-simulation."
        ),
        examples=[{"vlen": 64}],
    )
    formats: dict[str, Any] | None = Field(
        None,
        description="Without `config`: what the table `[formats]` of such a file holds.",
        examples=[{"vector": "bf16"}],
    )
    transfer: dict[str, Any] | None = Field(
        None,
        description="Without `config`: what the table `[transfer]` of such a file holds; no bits.",
        examples=[{"v_writeback": 4}],
    )


_Selector = MxTable | MinifloatTable | SpecSelectorTable


class SelectorsTable(Table):
    """[phase.prefill] or [phase.decode]: selectors that come before those of the file."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, _Selector | list[_Selector]] = Field(init=False)  # type: ignore[valid-type]


class PhaseTable(Table):
    """[phase]: other formats for the prompt than for the tokens that follow."""

    kv_handover: Literal["keep", "requantize"] = Field(
        "keep",
        description='What decode makes of the cache that prefill wrote: `"keep"` reads the codes '
        'as they are, `"requantize"` brings them to the format of decode.',
        examples=["requantize"],
    )
    prefill: SelectorsTable | None = Field(
        None,
        description="Selectors that come first while a prompt is read.",
        examples=[{"lm_head": {"name": "mxint", "bypass": True}}],
    )
    decode: SelectorsTable | None = Field(
        None,
        description="Selectors that come first while tokens are written.",
        examples=[{"lm_head": {"name": "mxint", "bypass": True}}],
    )


class RecipeFile(SelectorsTable):
    """A quantisation recipe: every other table is a selector."""

    by: Literal["regex_name", "name", "type", "glob", "glob_or_type"] = Field(
        "regex_name",
        description="What selectors are compared with, see below.",
        examples=["glob"],
    )
    exclude: list[str] = Field(
        [],
        description="Patterns like those of selectors: these modules, and all inside them, stay as "
        "they are.",
        examples=[["lm_head"]],
    )
    defaults: DefaultsTable | None = Field(  # type: ignore[valid-type]
        None,
        description="Keys that every selector has unless it gives them itself.",
        examples=[{"weight_block_size": 32}],
    )
    numerics: NumericsTable | None = Field(
        None, description="What all formats share.", examples=[{"profile": "mase"}]
    )
    hardware: HardwareTable | None = Field(
        None,
        description="The machine of exact numerics.",
        examples=[{"config": "../hw/plena.toml"}],
    )
    gptq: GptqTable | None = Field(
        None,
        description="Calibration of weights, see below.",
        examples=[
            {
                "model_name": "meta-llama/Meta-Llama-3-8B",
                "format": "mxint",
                "weight_config": {"weight_block_size": 16, "weight_width": 4},
            }
        ],
    )
    rotation_search: RotationSearchTable | None = Field(
        None, description="Search for rotations, see below.", examples=[{"calib_nsamples": 32}]
    )
    rotation: RotationTable | None = Field(
        None,
        description="Rotations by Hadamard matrices, see below.",
        examples=[{"r3": True, "r4": True}],
    )
    scaling: ScalingTable | None = Field(
        None,
        description="Scales folded into the weights before they are rounded, see below.",
        examples=[{"method": "awq"}],
    )
    distill: DistillTable | None = Field(
        None,
        description="Training of the weights against the float model, see below.",
        examples=[{"steps": 48}],
    )
    ranges: RangesTable | None = Field(
        None,
        description="Calibration data of static ranges, see below.",
        examples=[{"nsamples": 16, "seqlen": 512}],
    )
    token_collector: TokenCollectorTable | None = Field(
        None,
        description="What the model is given goes to a file of calibration samples, see below.",
        examples=[{"target_nsamples": 64, "seqlen": 1024, "save_path": "calib/gsm8k.pt"}],
    )
    phase: PhaseTable | None = Field(
        None,
        description="Formats that differ between prefill and decode.",
        examples=[{"kv_handover": "keep"}],
    )
