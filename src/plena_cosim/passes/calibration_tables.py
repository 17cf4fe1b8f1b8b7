"""The tables [gptq] and [rotation_search] of a recipe: what a calibration is to do."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from plena_cosim.golden import FormatError, Mx

from .read_table import Table

MatmulType = Literal[
    "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj",
    "qk_matmul", "av_matmul", "kv_cache",
]  # fmt: skip
"""The matmuls that a rotation search can rotate, by the reference's names."""

_DATASETS = ("wikitext2", "c4", "ptb")


def _dataset(given: str) -> str:
    if given not in _DATASETS and not given.removeprefix("file:"):
        raise ValueError("file:PATH with a path")
    if given not in _DATASETS and not given.startswith("file:"):
        raise ValueError(f"{', '.join(map(repr, _DATASETS))} or 'file:PATH'")
    return given


Dataset = Annotated[str, AfterValidator(_dataset)]


class GptqWeightTable(Table):
    """[gptq.weight_config]: the format of calibrated weights."""

    weight_block_size: int = Field(
        description="Elements that share a scale.",
        json_schema_extra={"minimum": 1, "maximum": 4096},
    )
    weight_width: int | None = Field(
        None,
        description='Bits of an element; for `format = "mxint"`.',
        json_schema_extra={"minimum": 2, "maximum": 16},
    )
    weight_exponent_width: int | None = Field(
        None,
        description='Exponent bits; for `format = "mxfp"`.',
        json_schema_extra={"minimum": 1, "maximum": 5},
    )
    weight_frac_width: int | None = Field(
        None,
        description='Fraction bits; for `format = "mxfp"`.',
        json_schema_extra={"minimum": 0, "maximum": 10},
    )


class GptqTable(Table):
    """[gptq]: weights are calibrated with second-order statistics before modules are replaced."""

    model_name: str = Field(
        description="The model to calibrate: a Hugging Face id or a folder.",
        examples=["meta-llama/Meta-Llama-3-8B"],
    )
    format: Literal["mxint", "mxfp"] = Field(description="Family of the weight format.")
    device: str = Field("cuda:0", description="Where calibration runs.")
    dataset: Dataset = Field(
        "wikitext2",
        description='Calibration text: `"wikitext2"`, `"c4"`, `"ptb"` or `"file:PATH"`.',
    )
    nsamples: int = Field(128, ge=1, description="Calibration samples.")
    seqlen: int = Field(2048, ge=1, description="Tokens of a sample.")
    cali_batch_size: int = Field(32, ge=1, description="Samples that run together.")
    quantile_search: bool = Field(True, description="Search a clipping quantile for each block.")
    clip_search_y: bool = Field(
        False, description="Judge a clip by the error of the layer's output, not of the weight."
    )
    checkpoint_dir: str | None = Field(
        None, description="Folder of finished layers; a later run goes on from there."
    )
    max_layers: int | None = Field(
        None, ge=1, description="Calibrate only the first layers (for debugging)."
    )
    weight_config: GptqWeightTable = Field(description="The weight format, see below.")


class RotationSearchTable(Table):
    """[rotation_search]: a greedy search for the matmuls that an online rotation helps."""

    calib_nsamples: int = Field(32, ge=1, description="Calibration samples of the perplexity.")
    calib_seqlen: int = Field(1024, ge=2, description="Tokens of a sample.")
    improvement_eps: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="Smallest drop of perplexity for which a rotation is kept.",
    )
    matmul_types: list[MatmulType] | None = Field(
        None, min_length=1, description="The matmuls to try; all ten by default."
    )
    cache_path: str | None = Field(
        None,
        description="Where decisions are kept; by default `rotation_decisions.json` in "
        "`gptq.checkpoint_dir`.",
    )
    cache_winners: bool = Field(True, description="`false` forces a fresh search.")
    device: str = Field("cuda:0", description="Where the search runs.")
    model_name: str | None = Field(None, description="The model; by default that of `[gptq]`.")
    calib_data: Dataset | None = Field(
        None, description="Calibration text, as `gptq.dataset`; by default that of `[gptq]`."
    )


def inherit_from_gptq(search: RotationSearchTable, gptq: GptqTable | None) -> RotationSearchTable:
    """Return the search with what it leaves to [gptq] filled in."""
    if gptq is None:
        return search
    found: dict[str, Any] = {"model_name": gptq.model_name, "calib_data": gptq.dataset}
    if gptq.checkpoint_dir is not None:
        folder = PurePosixPath(gptq.checkpoint_dir)
        found["cache_path"] = str(folder / "rotation_decisions.json")
    missing = {key: value for key, value in found.items() if getattr(search, key) is None}
    return search.model_copy(update=missing)


def require_same_weight(weight: Mx, calibrated: Mx) -> None:
    """Raise FormatError unless a selector's weight is what GPTQ calibrates."""
    if (weight.element, weight.block_size) != (calibrated.element, calibrated.block_size):
        raise FormatError(
            f"gptq = true, but the weight is {weight.name}/{weight.block_size} and "
            f"[gptq.weight_config] calibrates {calibrated.name}/{calibrated.block_size}; "
            "give both the same format"
        )
