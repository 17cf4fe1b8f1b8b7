"""The tables of `name = "spec"`: formats by their axes, as Quark, TAO and torchao say them."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field

from plena_cosim.golden import FormatError, Minifloat, Mx, ScaleRule, get_format
from plena_cosim.golden.affine import AffineInt, Granularity, Grouping, ScaledFp
from plena_cosim.golden.affine.format import Quotient, ScaleFormat, ZeroPoint
from plena_cosim.golden.blocks import BLOCK_FORMATS, TwoLevel, get_block_format
from plena_cosim.ground.did_you_mean import did_you_mean

from .range_rule import AS_MIN_MAX, MOST_BINS, RangeMethod, RangeRule
from .read_table import Table
from .spec_format import SpecFormat, Stage

INTEGERS = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in range(2, 9))
MINIFLOATS = {
    "fp8_e4m3": "e4m3",
    "fp8_e5m2": "e5m2",
    "fp6_e2m3": "e2m3",
    "fp6_e3m2": "e3m2",
    "fp4_e2m1": "e2m1",
}
CASTS = ("fp16", "bf16")
MX_ELEMENTS = (
    *(f"mxint{bits}" for bits in range(2, 9)),
    *(f"mx{name}" for name in MINIFLOATS),
)
ELEMENTS = (*INTEGERS, *MINIFLOATS, *CASTS, *BLOCK_FORMATS, *MX_ELEMENTS)
"""What `element` may be."""

DYNAMIC = "dynamic"
_METHODS = [method.value for method in RangeMethod]
_OF_METHODS = ("percentile", "skip_zeros", "bins", "start_bin")


class SpecTable(Table):
    """A role of a selector with `name = "spec"`: one quantisation of its tensor."""

    element: str = Field(
        description="Format of an element; with blocks of their own scale: `mx4` … `bfp16`, "
        "`nvfp4`, and `mx` before an integer or minifloat for OCP's.",
        examples=["int4"],
        json_schema_extra={"enum": list(ELEMENTS)},
    )
    granularity: Literal["tensor", "channel", "group"] | None = Field(
        None,
        description="What shares a scale; without the key a group where there is a `group_size`, "
        "else the tensor.",
        examples=["channel"],
    )
    axis: int | None = Field(
        None,
        description="Axis of channels, 0 without the key, or along which groups run, the last one.",
        examples=[1],
    )
    group_size: int | None = Field(
        None,
        ge=1,
        description="Values of a group; of a block format those of a block, without the key as it "
        "is defined.",
        examples=[128],
    )
    scale: str | None = Field(
        None,
        description="What a scale is rounded to; `fp32` without the key.",
        examples=["e8m0"],
        json_schema_extra={"enum": [member.value for member in ScaleFormat]},
    )
    scale_rule: str | None = Field(
        None,
        description='How a power of two follows from the largest magnitude; for `scale = "e8m0"` '
        "(`even` without the key) and MX.",
        examples=["floor"],
        json_schema_extra={"enum": [rule.value for rule in ScaleRule]},
    )
    zero_point: str | None = Field(
        None,
        description="Integers: which code, or real number, stands for zero; `none` without the "
        "key.",
        examples=["int32"],
        json_schema_extra={"enum": [member.value for member in ZeroPoint]},
    )
    rounding: Literal["rne", "rna", "rdown"] | None = Field(
        None,
        description="Integers: to nearest even, to nearest away from zero, down; `rne` without the "
        "key.",
        examples=["rna"],
    )
    quotient: str | None = Field(
        None,
        description="Integers: divided by the scale, or multiplied by its reciprocal, each rounded "
        "to fp32; `divide` without the key.",
        examples=["reciprocal"],
        json_schema_extra={"enum": [member.value for member in Quotient]},
    )
    symmetric_codes: bool = Field(
        False,
        description="Signed integers without a zero point: never the most negative code.",
        examples=[True],
    )
    range: str = Field(
        DYNAMIC,
        description="Whose extremes the scale follows: those of each tensor, or what calibration "
        "data showed, by a [method](calibration.md#ranges-of-static-scales). Of `nvfp4` and "
        "`nvfp4_two_stage` that of the tensor's scale, by `min_max`.",
        examples=["min_max"],
        json_schema_extra={"enum": [DYNAMIC, *_METHODS]},
    )
    percentile: float | None = Field(
        None,
        gt=0,
        le=100,
        description='`range = "percentile"`: percent of the magnitudes that are within it.',
        examples=[99.99],
    )
    skip_zeros: bool | None = Field(
        None,
        description='`range = "percentile"`: zeros do not count as magnitudes; `true` without the '
        "key.",
        examples=[False],
    )
    bins: int | None = Field(
        None,
        ge=4,
        le=MOST_BINS,
        description="Methods with a histogram: its bins.",
        examples=[2048],
    )
    start_bin: int | None = Field(
        None,
        ge=1,
        description='`range = "mse"` and `"entropy"`: the first bin at which a range may end.',
        examples=[128],
    )
    min_scale: float = Field(
        0.0, ge=0, description="No scale is smaller than this.", examples=[0.001]
    )
    shared_by: str = Field(
        "",
        description="Activations with a static range: modules beside each other with the same word "
        "have one range, that of them together.",
        examples=["kv"],
    )


def spec_format(tables: list[SpecTable]) -> SpecFormat | Mx:
    """Return the format that tables say, one after the other.

    An MX format along the last axis, alone, is what it is in any other recipe.

    Args:
        tables: of one role, one at least.

    Raises:
        FormatError: keys that an element does not take, or values that it does not have.
    """
    if not tables:
        raise FormatError("an empty list; give one table at least, or leave the role out")
    stages = tuple(map(_stage, tables))
    shared = {table.shared_by for table in tables}
    if len(shared) > 1:
        raise FormatError(f"shared_by differs between the stages: {', '.join(sorted(shared))}")
    made = SpecFormat(stages=stages, shared_by=shared.pop())
    if made.shared_by and not made.is_static:
        raise FormatError(f"shared_by needs a static range; known: {', '.join(_METHODS)}")
    first = stages[0]
    if len(stages) == 1 and isinstance(first.fmt, Mx) and first.granularity.ch_axis == -1:
        return first.fmt
    return made


def _stage(table: SpecTable) -> Stage:
    element = table.element
    if element not in ELEMENTS:
        raise FormatError(
            f"element = {element!r} is unknown; known: {', '.join(ELEMENTS)}"
            f"{did_you_mean(element, ELEMENTS)}"
        )
    given = set(table.given()) - {"element", "shared_by"}
    if element in CASTS:
        _require(element, given, set())
        cast = get_format(element)
        assert isinstance(cast, Minifloat)
        return Stage(fmt=cast, granularity=Granularity())
    if element in BLOCK_FORMATS or element in MX_ELEMENTS:
        return _blocks(table, given)
    shared = {"granularity", "axis", "group_size", "scale", "scale_rule", "range", "min_scale"}
    shared |= set(_OF_METHODS)
    rule = {} if table.scale_rule is None else {"scale_rule": table.scale_rule}
    if rule and table.scale != ScaleFormat.E8M0.value:
        raise FormatError('scale_rule goes with scale = "e8m0"')
    scale = table.scale or ScaleFormat.FP32.value
    fmt: AffineInt | ScaledFp
    if element in MINIFLOATS:
        _require(element, given, shared)
        fmt = ScaledFp(element=MINIFLOATS[element], scale=scale, **rule)
    else:
        own = {"zero_point", "rounding", "quotient", "symmetric_codes"}
        _require(element, given, shared | own)
        found = re.fullmatch(r"(u?)int(\d)", element)
        assert found is not None
        fmt = AffineInt(
            bits=int(found[2]),
            signed=not found[1],
            symmetric_codes=table.symmetric_codes,
            zero_point=table.zero_point or ZeroPoint.NONE,
            scale=scale,
            rounding=table.rounding or "rne",
            quotient=table.quotient or Quotient.DIVIDE,
            **rule,
        )
    return Stage(
        fmt=fmt,
        granularity=_granularity(table),
        range=_range(table),
        min_scale=table.min_scale,
    )


def _blocks(table: SpecTable, given: set[str]) -> Stage:
    element, mx = table.element, table.element in MX_ELEMENTS
    two_levels = not mx and isinstance(get_block_format(element), TwoLevel)
    keys = {"axis", "group_size", "granularity"}
    keys |= {"scale_rule"} if mx else {"range"} if two_levels else set()
    _require(element, given, keys)
    if table.granularity not in (None, "group"):
        raise FormatError(
            f"{element} has blocks; granularity must be group or left out, got {table.granularity}"
        )
    size = {} if table.group_size is None else {"block_size": table.group_size}
    axis = -1 if table.axis is None else table.axis
    fmt: Any
    if mx:
        rule = {} if table.scale_rule is None else {"scale_rule": table.scale_rule}
        fmt = get_format(element, **size, **rule)
    else:
        fmt = get_block_format(element, **size)
    along = Granularity(kind=Grouping.GROUP, ch_axis=axis, group_size=fmt.block_size)
    rule_of_range = _range(table)
    if rule_of_range is not None and RangeMethod(rule_of_range.method) not in AS_MIN_MAX:
        known = ", ".join(each.value for each in AS_MIN_MAX)
        raise FormatError(
            f"{element} has a static range by {known}: it is that of the tensor's scale; got "
            f"{table.range}"
        )
    return Stage(fmt=fmt, granularity=along, range=rule_of_range)


def _granularity(table: SpecTable) -> Granularity:
    kind = table.granularity or ("group" if table.group_size is not None else "tensor")
    if kind == "tensor":
        return Granularity(ch_axis=table.axis, group_size=table.group_size)
    usual = 0 if kind == "channel" else -1
    axis = usual if table.axis is None else table.axis
    return Granularity(kind=kind, ch_axis=axis, group_size=table.group_size)


def _range(table: SpecTable) -> RangeRule | None:
    own = {key: given for key in _OF_METHODS if (given := getattr(table, key)) is not None}
    if table.range != DYNAMIC:
        return RangeRule(table.range, **own)
    if own:
        raise FormatError(
            f"{', '.join(own)} goes with a static range; known: {', '.join(_METHODS)}"
        )
    return None


def _require(element: str, given: set[str], taken: set[str]) -> None:
    """FormatError where keys are given that an element does not take."""
    if foreign := sorted(given - taken):
        words = ", ".join(sorted(taken)) or "no other key"
        raise FormatError(f"{element} does not take {', '.join(foreign)}; it takes {words}")
