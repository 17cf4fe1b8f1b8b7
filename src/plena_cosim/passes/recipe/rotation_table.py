"""The table [rotation] of a recipe: which operands are rotated by Hadamard matrices, and how."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from plena_cosim.golden.hadamard_sizes import HADAMARD_SIZES, hadamard_order, nearest_hadamard_sizes

from .read_table import Table


def _size(given: int) -> int:
    if given < 2 or hadamard_order(given) is None:
        raise ValueError(f"{HADAMARD_SIZES} from 2 ({nearest_hadamard_sizes(given)})")
    return given


class RotationTable(Table):
    """[rotation]: rotations that spread outliers, folded into weights or done while the model runs.

    `r1` … `r4` are the names of QuaRot and SpinQuant.
    """

    @model_validator(mode="after")
    def _matrices_are_of_r1_and_r2(self) -> Self:
        if self.matrices is not None and (self.random or not (self.r1 or self.r2)):
            raise ValueError("matrices goes with r1 or r2, and without random")
        return self

    r1: bool = Field(
        False,
        description="Rotate the hidden states, folded into the weights around them; norms are "
        "folded into the projections that follow them first.",
        examples=[True],
    )
    r2: bool = Field(
        False,
        description="Rotate the values of each head, folded into `v_proj` and `o_proj`.",
        examples=[True],
    )
    r3: bool = Field(
        False,
        description='Rotate queries and keys online: `"qk_matmul"` in `online`, where an operand '
        "is quantised.",
        examples=[True],
    )
    r4: bool = Field(
        False,
        description='Rotate the input of `down_proj` online: `"down_proj"` in `online`, where an '
        "operand is quantised.",
        examples=[True],
    )
    online_rotate: bool = Field(
        False,
        description="Rotate both operands of all linear layers online that a selector quantises; "
        "its own `online_rotate` wins.",
        examples=[True],
    )
    online: list[str] = Field(
        [],
        description="What is rotated online: matmul types (in all layers), or one place by its "
        "full name.",
        examples=[["o_proj", "kv_cache", "model.layers.3.self_attn.qk_matmul"]],
    )
    size: Annotated[int, AfterValidator(_size)] | None = Field(
        None,
        description="Size of the Hadamard blocks, a power of two or K * 2^r (K = 12, 20 … 172); "
        "without the key the largest power of two that fits.",
        examples=[64],
        json_schema_extra={"minimum": 2},
    )
    random: bool = Field(
        False, description="R1 and R2: Hadamard matrices with random signs.", examples=[True]
    )
    seed: int = Field(0, ge=0, description="Of the random signs.", examples=[1])
    matrices: str | None = Field(
        None,
        description="R1 and R2: a file of trained matrices, as SpinQuant writes it: `R1`, and `R2` "
        "by layer; from the working directory.",
        examples=["R.bin"],
    )
    semantics: Literal["fused", "dequant"] = Field(
        "fused",
        description='Online rotations: `"fused"` quantises rotated operands and multiplies them; '
        '`"dequant"` rotates back after quantising, for fake numerics only.',
        examples=["dequant"],
    )
