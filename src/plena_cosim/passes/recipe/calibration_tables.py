"""The tables [gptq] and [rotation_search] of a recipe: what a calibration is to do."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from plena_cosim.golden import ScaleRule
from plena_cosim.ground.dataset_name import ALLOWED, is_dataset_name

from .read_table import Table
from .spec_table import SpecTable

MatmulType = Literal[
    "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj",
    "qk_matmul", "av_matmul", "kv_cache",
]  # fmt: skip
"""The matmuls that a rotation search can rotate, by the reference's names."""


def _dataset(given: str) -> str:
    if not is_dataset_name(given):
        raise ValueError(ALLOWED)
    return given


Dataset = Annotated[str, AfterValidator(_dataset)]


_Quantile = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]

QUANTILES = (1.0, 0.995, 0.99, 0.97, 0.95, 0.93, 0.9, 0.8, 0.7, 0.6, 0.5)
"""The default grid: the eleven points of PLENA's own calibration (Mase)."""


class GptqWeightTable(Table):
    """[gptq.weight_config]: the format of calibrated weights, as selectors say it."""

    weight_block_size: int = Field(
        description="Elements that share a scale.",
        examples=[32],
        json_schema_extra={"minimum": 1, "maximum": 4096},
    )
    weight_width: int | None = Field(
        None,
        description='With `format = "mxint"`: bits of an element.',
        examples=[4],
        json_schema_extra={"minimum": 2, "maximum": 16},
    )
    weight_exponent_width: int | None = Field(
        None,
        description='With `format = "mxfp"`: exponent bits of an element.',
        examples=[2],
        json_schema_extra={"minimum": 1, "maximum": 5},
    )
    weight_frac_width: int | None = Field(
        None,
        description='With `format = "mxfp"`: fraction bits of an element.',
        examples=[1],
        json_schema_extra={"minimum": 0, "maximum": 10},
    )
    weight_scale_rule: str | None = Field(
        None,
        description="How the scale follows from the largest magnitude; else as `[numerics]` says.",
        examples=["clip"],
        json_schema_extra={"enum": [rule.value for rule in ScaleRule]},
    )
    weight_symmetric: bool | None = Field(
        None,
        description="MXINT: never the code -2^(W-1); else as `[numerics]` says.",
        examples=[False],
    )


def _weight_table(given: Any) -> str:
    """Return the name of the table that says a format with such keys."""
    if isinstance(given, Table):
        return type(given).__name__
    by_axes = isinstance(given, dict) and "element" in given
    return "SpecTable" if by_axes else "GptqWeightTable"


class GptqTable(Table):
    """[gptq]: weights are calibrated with second-order statistics before modules are replaced."""

    model_name: str = Field(
        description="The model to calibrate: a Hugging Face id or a folder.",
        examples=["meta-llama/Meta-Llama-3-8B"],
    )
    format: Literal["mxint", "mxfp", "spec"] = Field(
        description="Family of the weight format; `spec`: by its axes, as selectors of that name "
        "say it.",
        examples=["mxint"],
    )
    device: str = Field("cuda:0", description="Where calibration runs.", examples=["cpu"])
    dataset: Dataset = Field(
        "wikitext2",
        description='Calibration text: `"wikitext2"`, `"c4"`, `"ptb"`, `"demo"`, `"file:PATH"` or '
        '`"tokens:PATH"`, see [calibration.md](calibration.md).',
        examples=["c4"],
    )
    nsamples: int = Field(128, ge=1, description="Calibration samples.", examples=[32])
    seqlen: int = Field(2048, ge=1, description="Tokens of a sample.", examples=[512])
    seed: int = Field(0, ge=0, description="Seed of the places in the text.", examples=[1])
    cali_batch_size: int = Field(32, ge=1, description="Samples that run together.", examples=[8])
    algorithm: Literal["gptq", "local", "gptaq", "qronos"] = Field(
        "gptq",
        description="What weights are fitted to: `gptq` to the float weights; `local` to the "
        "layer's outputs for inputs that are not rounded, so that weights make up for the rounding "
        "of their own input; `gptaq` to the float model's outputs, for that of all inputs before "
        "too; `qronos` the same, with the first column corrected before the others move.",
        examples=["gptaq"],
    )
    token_weights: Literal["unit", "uniform"] = Field(
        "unit",
        description="What a token counts in the Hessian: `unit` the same whatever the size of its "
        "activations, `uniform` by the square of their size, as in the papers.",
        examples=["uniform"],
    )
    damp_percent: float = Field(
        0.01,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Share of the mean of the Hessian's diagonal that is added to the diagonal; "
        "not with `qronos`.",
        examples=[0.1],
    )
    alpha: float = Field(
        0.001,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Qronos: share of the Hessian's largest eigenvalue that is added to the "
        "diagonal.",
        examples=[1e-06],
    )
    beta: float = Field(
        10000.0,
        gt=0,
        allow_inf_nan=False,
        description="Qronos: the Hessian is divided by this before it is factorised, and the "
        "factor by its root; only float64's rounding depends on it.",
        examples=[1.0],
    )
    desc_act: bool = Field(
        False,
        description="Quantise blocks in descending order of their activations' energy; of a spec "
        "columns, by the Hessian's diagonal.",
        examples=[True],
    )
    static_groups: bool = Field(
        False,
        description="Spec: groups have the scales of the weight as it was; else those of their "
        "columns when the first one is reached. Groups with `desc_act` need it.",
        examples=[True],
    )
    block_size: int = Field(
        128,
        ge=1,
        description="Spec: columns after which all later ones are updated; only how sums round "
        "depends on it.",
        examples=[64],
    )
    quantile_search: bool = Field(
        True, description="Search a clipping for each block, by `quantiles`.", examples=[False]
    )
    quantiles: list[_Quantile] = Field(
        list(QUANTILES),
        min_length=1,
        description="With `quantile_search`: quantiles of a block's magnitudes; each, in the "
        "place of the largest, gives a scale to try.",
        examples=[[1.0, 0.9]],
    )
    scale_neighbours: int = Field(
        1,
        ge=0,
        le=4,
        description="Besides, so many powers of two below and above the scale of the rule are "
        "tried.",
        examples=[0],
    )
    clip_search_y: bool = Field(
        False,
        description="Judge a clipping by the error of the layer's output, not of the weight.",
        examples=[True],
    )
    descent_sweeps: int = Field(
        0,
        ge=0,
        le=16,
        description="How often each block is quantised again, while all others stay, once GPTQ is "
        "through: block coordinate descent on the same loss.",
        examples=[2],
    )
    checkpoint_dir: str | None = Field(
        None,
        description="Folder of finished layers; a later run goes on from there.",
        examples=["checkpoints/mxint4_gptq"],
    )
    max_layers: int | None = Field(
        None, ge=1, description="Calibrate only the first layers, to try things.", examples=[16]
    )
    weight_config: Annotated[
        Annotated[GptqWeightTable, Tag("GptqWeightTable")] | Annotated[SpecTable, Tag("SpecTable")],
        Discriminator(_weight_table),
    ] = Field(
        description="The format of weights, see below; of a spec the "
        "[keys of a role](#selectors-with-name--spec).",
        examples=[{"weight_block_size": 16, "weight_width": 4}],
    )


class RotationSearchTable(Table):
    """[rotation_search]: a greedy search for the matmuls that an online rotation helps."""

    calib_nsamples: int = Field(
        32, ge=1, description="Calibration samples of the perplexity.", examples=[128]
    )
    calib_seqlen: int = Field(1024, ge=2, description="Tokens of a sample.", examples=[2048])
    improvement_eps: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="A rotation is kept if perplexity drops by more than this.",
        examples=[0.01],
    )
    matmul_types: list[MatmulType] | None = Field(
        None,
        min_length=1,
        description="The matmuls to try; without the key all of them.",
        examples=[["down_proj", "kv_cache"]],
    )
    per_layer: bool = Field(
        False,
        description="Search layer by layer, from the first one: a round tries matmuls of one layer "
        "only, and what earlier layers have kept stays.",
        examples=[True],
    )
    seed: int = Field(0, ge=0, description="Seed of the places in the text.", examples=[1])
    cache_path: str | None = Field(
        None,
        description="File of the decisions; without the key `rotation_decisions.json` in the "
        "`checkpoint_dir` of `[gptq]`.",
        examples=["checkpoints/rotation.json"],
    )
    cache_winners: bool = Field(
        True, description="`false` searches anew, whatever the file says.", examples=[False]
    )
    device: str = Field(
        "cuda:0",
        description="Where the search runs; without the key the CPU if there is no GPU.",
        examples=["cpu"],
    )
    model_name: str | None = Field(
        None,
        description="The model; without the key that of `[gptq]`.",
        examples=["meta-llama/Meta-Llama-3-8B"],
    )
    calib_data: Dataset | None = Field(
        None,
        description="Calibration text; without the key the `dataset` of `[gptq]`.",
        examples=["ptb"],
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
