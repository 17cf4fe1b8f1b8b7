"""Which golden format each specification is, and what has none."""

from __future__ import annotations

from typing import Any

import pytest

from plena_cosim.golden import FormatError, get_format
from plena_cosim.golden.affine import AffineInt, Granularity, ScaledFp
from plena_cosim.golden.blocks import get_block_format
from plena_cosim.interop.quark.golden_format import GoldenFormat, golden_formats
from plena_cosim.interop.quark.quantization.config import config as quark
from plena_cosim.interop.quark.quantization.config.config import QuantizationSpec

TENSOR = Granularity()
ROWS = Granularity(kind="channel", ch_axis=0)


def blocks(size: int, axis: int = -1) -> Granularity:
    return Granularity(kind="group", ch_axis=axis, group_size=size)


def integer(bits: int, **fields: Any) -> AffineInt:
    return AffineInt(bits=bits, quotient="reciprocal", **fields)


FORMATS: list[tuple[Any, Any, Granularity]] = [
    (quark.Int8PerTensorSpec(), integer(8), TENSOR),
    (quark.Int4PerTensorSpec(symmetric=False), integer(4, zero_point="int32"), TENSOR),
    (quark.Uint8PerTensorSpec(symmetric=True), integer(8, signed=False), TENSOR),
    (
        quark.Uint4PerChannelSpec(ch_axis=1, zero_point_type="float32"),
        integer(4, signed=False, zero_point="float32"),
        Granularity(kind="channel", ch_axis=1),
    ),
    (quark.Int4PerChannelSpec(round_method="round"), integer(4, rounding="rna"), ROWS),
    (quark.Int4PerChannelSpec(round_method="floor"), integer(4, rounding="rdown"), ROWS),
    (
        quark.Int3PerGroupSpec(group_size=8, scale_type="float16"),
        integer(3, scale="fp16"),
        blocks(8),
    ),
    (
        quark.Int2PerGroupSpec(group_size=8, ch_axis=0, scale_type="bfloat16"),
        integer(2, scale="bf16"),
        blocks(8, 0),
    ),
    (quark.Int4PerGroupSpec(group_size=8, scale_type="float32"), integer(4), blocks(8)),
    (
        QuantizationSpec(
            "int8",
            qscheme="per_group",
            group_size=32,
            symmetric=True,
            scale_format="e8m0",
            scale_calculation_mode="ceil",
        ),
        integer(8, scale="e8m0", scale_rule="ceil"),
        blocks(32),
    ),
    (quark.FP8E4M3PerTensorSpec(), ScaledFp(element="e4m3"), TENSOR),
    (quark.FP8E5M2PerChannelSpec(), ScaledFp(element="e5m2"), ROWS),
    (quark.FP6E2M3PerGroupSpec(group_size=8), ScaledFp(element="e2m3"), blocks(8)),
    (
        quark.FP6E3M2PerGroupSpec("e4m3", group_size=8),
        ScaledFp(element="e3m2", scale="e4m3"),
        blocks(8),
    ),
    (quark.FP4PerGroupSpec(group_size=8), ScaledFp(element="e2m1"), blocks(8)),
    (quark.FP4PerGroupSpec("e4m3", group_size=16), get_block_format("nvfp4"), blocks(16)),
    (
        quark.FP4PerGroupSpec("e8m0", "floor", group_size=64),
        get_format("mxfp4_e2m1", block_size=64, scale_rule="floor"),
        blocks(64),
    ),
    (
        quark.OCP_MXFP8E4M3Spec(scale_calculation_mode="ceil", ch_axis=0),
        get_format("mxfp8_e4m3", scale_rule="ceil"),
        blocks(32, 0),
    ),
    (quark.OCP_MXFP8E5M2Spec(), get_format("mxfp8_e5m2", scale_rule="even"), blocks(32)),
    (quark.OCP_MXFP6E3M2Spec(), get_format("mxfp6_e3m2", scale_rule="even"), blocks(32)),
    (quark.OCP_MXFP6E2M3Spec(), get_format("mxfp6_e2m3", scale_rule="even"), blocks(32)),
    (quark.OCP_MXFP4Spec(), get_format("mxfp4_e2m1", scale_rule="even"), blocks(32)),
    (quark.OCP_MXINT8Spec(), get_format("mxint8", scale_rule="even"), blocks(32)),
    (
        quark.OCP_MXINT8Spec(scale_calculation_mode="floor"),
        get_format("mxint8", scale_rule="floor"),
        blocks(32),
    ),
    (
        quark.OCP_MXINT8Spec(scale_calculation_mode="ceil"),
        get_format("mxint8", scale_rule="ceil"),
        blocks(32),
    ),
    (
        QuantizationSpec("mx", mx_element_dtype="fp4", group_size=32),
        get_format("mxfp4_e2m1", scale_rule="even"),
        blocks(32),
    ),
    (
        QuantizationSpec("mx", mx_element_dtype="int4", group_size=16),
        get_format("mxint4", block_size=16, scale_rule="even"),
        blocks(16),
    ),
    (quark.OCP_MXFP4DiffsSpec(is_dynamic=True), get_block_format("mxfp4_diffs"), blocks(32)),
    (quark.MX6Spec(), get_block_format("mx6"), blocks(32)),
    (
        quark.MX9Spec(block_size=16, ch_axis=0),
        get_block_format("mx9", block_size=16),
        blocks(16, 0),
    ),
    (quark.BFP16Spec(), get_block_format("bfp16"), blocks(8)),
    (quark.Float16Spec(), get_format("fp16"), TENSOR),
    (quark.Bfloat16Spec(), get_format("bf16"), TENSOR),
]


@pytest.mark.parametrize(
    ("spec", "fmt", "granularity"), FORMATS, ids=[type(row[0]).__name__ for row in FORMATS]
)
def test_the_format_and_the_granularity(spec: Any, fmt: Any, granularity: Granularity) -> None:
    (found,) = golden_formats(spec, dynamic=True)
    assert found == GoldenFormat(fmt=fmt, granularity=granularity)


def test_static_formats_want_a_range() -> None:
    (found,) = golden_formats(quark.Int8PerTensorSpec("histogram"))
    assert found.needs_range
    (found,) = golden_formats(quark.OCP_MXFP4Spec(is_dynamic=False))
    assert found.needs_range
    assert found.fmt == ScaledFp(element="e2m1", scale="e8m0", scale_rule="even")
    (found,) = golden_formats(quark.FP4PerGroupSpec("e4m3", group_size=16, is_dynamic=False))
    assert found.fmt == ScaledFp(element="e2m1", scale="e4m3")
    never = (quark.MX6Spec, quark.MX9Spec, quark.BFP16Spec, quark.OCP_MXINT8Spec)
    assert not any(golden_formats(kind(is_dynamic=False))[0].needs_range for kind in never)


def test_powers_of_two_are_named_by_the_type_or_the_observer() -> None:
    by_type = quark.Int8PerTensorSpec(scale_type="power_of_2", symmetric=False)
    by_observer = QuantizationSpec(
        "uint8",
        observer_cls="PerChannelPowOf2MinMaxObserver",
        qscheme="per_channel",
        ch_axis=0,
        symmetric=False,
        is_dynamic=True,
    )
    assert golden_formats(by_type)[0].fmt == integer(8, scale="pow2", zero_point="int32")
    assert golden_formats(by_observer)[0].fmt == integer(
        8, signed=False, scale="pow2", zero_point="int32"
    )


def test_chains_have_a_format_a_stage() -> None:
    fp8, int4 = quark.FP8E4M3PerTensorSpec(is_dynamic=True), quark.Int4PerChannelSpec(ch_axis=0)
    chain = golden_formats(quark.ProgressiveSpec(fp8, int4))
    assert [each.needs_range for each in chain] == [False, True]
    assert golden_formats([fp8, int4]) == golden_formats((fp8, int4)) == chain
    group = quark.FP4PerGroupSpec(group_size=8)
    (found,) = golden_formats(quark.ScaleQuantSpec(group, fp8))
    assert found.fmt == get_block_format("nvfp4_two_stage", block_size=8)
    both = golden_formats([fp8, quark.ScaleQuantSpec(group, fp8)])
    assert [each.fmt for each in both] == [ScaledFp(element="e4m3"), found.fmt]


def test_a_group_may_be_the_whole_axis() -> None:
    spec = quark.Int8PerGroupSpec(group_size=-1, ch_axis=0)
    assert golden_formats(spec, shape=(5, 7))[0].granularity == blocks(5, 0)
    with pytest.raises(FormatError, match=r"^int8 per_group: a group_size of -1 needs the shape"):
        golden_formats(spec)
    with pytest.raises(FormatError, match=r"^ch_axis 0 does not exist in shape \(\)"):
        golden_formats(spec, shape=())


FP8 = quark.FP8E4M3PerTensorSpec(is_dynamic=True)
INT8 = {"qscheme": "per_tensor", "is_dynamic": True, "symmetric": True}
REFUSED: list[tuple[Any, str]] = [
    (QuantizationSpec("int16", **INT8), "no golden format is int16 per_tensor: missing is the el"),
    (QuantizationSpec("fp8_e5m3", **INT8), "missing is the element fp8_e5m3"),
    (QuantizationSpec("mx", mx_element_dtype="mx6", group_size=32),
     "no golden format is mx of mx6: missing is the element mx6"),
    (QuantizationSpec("int8", **INT8 | {"qscheme": "per_block"}),
     "missing is the granularity per_block"),
    (QuantizationSpec("int8", **INT8 | {"qscheme": None}),
     "int8: qscheme is not given; known: per_tensor, per_channel, per_group, per_block"),
    (QuantizationSpec("int8", **INT8 | {"symmetric": None}),
     "int8 per_tensor: symmetric is not given; say True or False"),
    (QuantizationSpec("int8", **INT8 | {"symmetric": False}, zero_point_type=None),
     "int8 per_tensor: zero_point_type is not given; say int32 or float32"),
    (QuantizationSpec("int8", **INT8, scale_format="e4m3"), "missing is a scale in e4m3"),
    (QuantizationSpec("int8", **INT8 | {"symmetric": False}, scale_format="e8m0"),
     "missing is a zero point beside a scale in e8m0"),
    (QuantizationSpec("int8", **INT8, qat_spec=quark.TQTSpec()),
     "missing is training of its thresholds"),
    (quark.Int8PerGroupSpec(), "int8 per_group: group_size is not given; say how many share a sc"),
    (quark.FP4PerGroupSpec(), "fp4 per_group: group_size is not given"),
    (quark.Uint8PerTensorSpec(scale_type="power_of_2", symmetric=True),
     "missing is the zero point 128 of symmetric codes without a sign"),
    (quark.Uint4PerChannelSpec(
        symmetric=False, scale_type="power_of_2", ch_axis=0, zero_point_type="float32"),
     "missing is a float32 zero point beside a scale that is a power of two"),
    (quark.FP8E5M2PerTensorSpec(scale_type="power_of_2"), "missing is a scale of type pow2"),
    (quark.Int8PerTensorSpec("MSE", is_dynamic=True),
     "missing is the range that PerTensorMSEObserver finds in each tensor"),
    (QuantizationSpec("int8", **INT8, observer_cls="PerTensorPowOf2MinMSEObserver"),
     "missing is PerTensorPowOf2MinMSEObserver, which looks at the last batch alone"),
    (quark.FP8E5M2PerTensorSpec(symmetric=False), "missing is a zero point (symmetric=False)"),
    (quark.FP8E5M2PerTensorSpec(scale_type="float16"), "missing is a scale of type fp16"),
    (quark.FP8E5M2PerTensorSpec(round_method="floor"), "missing is rounding other than half_even"),
    (quark.OCP_MXFP4DiffsSpec(), "missing is the better of two scales for anything but dynamic"),
    (quark.ScaleQuantSpec(quark.Int4PerGroupSpec(group_size=32), FP8),
     "no golden format is int4 per_group: missing is scales quantised to fp8_e4m3 per_tensor; wh"),
    (quark.ScaleQuantSpec(quark.FP4PerGroupSpec(group_size=32), quark.Int8PerTensorSpec()),
     "missing is scales quantised to int8 per_tensor"),
    (quark.ScaleQuantSpec(quark.FP4PerGroupSpec("e8m0", group_size=32), FP8),
     "missing is scales quantised to fp8_e4m3 per_tensor"),
    (quark.ScaleQuantSpec(quark.FP4PerGroupSpec(group_size=16, is_dynamic=False), FP8),
     "missing is static scales of groups; take is_dynamic=True in the first stage"),
    ([quark.ScaleQuantSpec(FP8, FP8).to_quantization_spec()[1]],
     "a specification of scales follows one whose scales they are"),
    ([], "need a specification such as Int8PerTensorSpec(), got []"),
    ("int8", "need a specification such as Int8PerTensorSpec(), got 'int8'"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "message"), REFUSED, ids=[row[-1][:40] for row in REFUSED])
def test_what_has_no_golden_format_says_what_is_missing(spec: Any, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        golden_formats(spec)
    assert message in str(caught.value)
