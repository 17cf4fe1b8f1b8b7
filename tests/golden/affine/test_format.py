"""AffineInt and ScaledFp: what they derive, what they refuse."""

from __future__ import annotations

import itertools
from dataclasses import FrozenInstanceError

import pytest

from plena_cosim.golden import FormatError, get_format
from plena_cosim.golden.affine import AffineInt, Quotient, ScaledFp, ScaleFormat, ZeroPoint
from plena_cosim.golden.formats import Rounding, ScaleRule

from .cases import FORMATS, label


def test_ranges_and_names() -> None:
    for bits in range(2, 9):
        signed, unsigned = AffineInt(bits=bits), AffineInt(bits=bits, signed=False)
        assert (signed.lowest, signed.highest) == (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        assert (unsigned.lowest, unsigned.highest) == (0, 2**bits - 1)
        assert signed.half_range == unsigned.half_range == (2**bits - 1) / 2
        narrow = AffineInt(bits=bits, symmetric_codes=True)
        assert (narrow.lowest, narrow.highest) == (1 - 2 ** (bits - 1), 2 ** (bits - 1) - 1)
        assert narrow.half_range == 2 ** (bits - 1) - 1
        assert narrow != signed
        assert (signed.name, unsigned.name) == (f"int{bits}", f"uint{bits}")
    assert ScaledFp(element="e2m1", scale="e4m3").name == "e2m1 with scales in e4m3"


def test_names_and_members_are_the_same_format() -> None:
    by_name = AffineInt(bits=4, zero_point="int32", scale="bf16", rounding="rna")
    by_member = AffineInt(
        bits=4,
        zero_point=ZeroPoint.INT32,
        scale=ScaleFormat.BF16,
        rounding=Rounding.RNA,
        quotient=Quotient.DIVIDE,
        scale_rule=ScaleRule.EVEN,
        name="mine",
    )
    assert by_name == by_member
    assert hash(by_name) == hash(by_member)
    assert ScaledFp(element="e4m3") == ScaledFp(element=get_format("e4m3"), scale="fp32")
    with pytest.raises(FrozenInstanceError):
        by_name.bits = 5  # type: ignore[misc]


def test_every_combination_is_a_format_of_its_own() -> None:
    assert len(set(FORMATS)) == len(FORMATS) == 14 * 84 + 7 * 5 + 5 * 5
    assert len(set(map(label, FORMATS))) == len(FORMATS)


@pytest.mark.parametrize("zero_point", ["int32", "float32"])
def test_powers_of_two_have_no_zero_point(zero_point: str) -> None:
    with pytest.raises(FormatError, match=f"goes with zero_point 'none', got '{zero_point}'"):
        AffineInt(bits=4, scale="e8m0", zero_point=zero_point)


def test_nearest_powers_have_no_real_zero_point() -> None:
    with pytest.raises(FormatError, match="pow2 goes with zero_point 'none' or 'int32', got 'fl"):
        AffineInt(bits=4, scale="pow2", zero_point="float32")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"bits": 9}, r"AffineInt: bits must be an integer in 2\.\.8, got 9"),
        ({"bits": 1}, r"bits must be an integer in 2\.\.8, got 1"),
        ({"bits": 4.0}, "bits must be an integer"),
        ({"signed": 1}, "signed must be true or false, got 1"),
        ({"symmetric_codes": 1}, "symmetric_codes must be true or false, got 1"),
        (
            {"symmetric_codes": True, "signed": False},
            "symmetric_codes goes with signed integers and zero_point 'none', got signed=False",
        ),
        (
            {"symmetric_codes": True, "zero_point": "int32"},
            "symmetric_codes goes with signed.*got signed=True and 'int32'",
        ),
        ({"zero_point": "int8"}, "unknown zero point 'int8'; known: none, int32, float32"),
        ({"scale": "e4m3"}, "scale must be one of fp32, fp16, bf16, e8m0, pow2; got 'e4m3'"),
        (
            {"scale": "float32"},
            "unknown scale 'float32'; known: fp32, fp16, bf16, e8m0, pow2, e4m3",
        ),
        ({"scale_rule": "clip"}, "scale_rule must be one of floor, ceil, even; got 'clip'"),
        ({"rounding": "rtz"}, "rounding must be one of rne, rna, rdown; got 'rtz'"),
        ({"rounding": "nearest"}, "unknown rounding 'nearest'"),
        ({"quotient": "divided"}, "unknown quotient 'divided'.*Did you mean 'divide'"),
    ],
)
def test_bad_integers_are_named(fields: dict, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        AffineInt(**{"bits": 4, **fields})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"element": "bf16"}, r"ScaledFp: an element has up to 8 bits.*got bf16 \(bias 127\)"),
        ({"element": "e6m1"}, "got e6m1"),
        ({"element": get_format("e4m3", bias=-3)}, r"bias of 0\.\.32.*bias -3"),
        ({"element": "mxint8"}, "need a Minifloat"),
        ({"scale": "fp16"}, "scale must be one of fp32, e8m0, e4m3; got 'fp16'"),
        ({"scale_rule": "mase"}, "scale_rule must be one of floor, ceil, even; got 'mase'"),
    ],
)
def test_bad_minifloats_are_named(fields: dict, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        ScaledFp(**{"element": "e4m3", **fields})


def test_every_member_is_tried() -> None:
    integers = [fmt for fmt in FORMATS if isinstance(fmt, AffineInt)]
    for scale, zero in itertools.product(ScaleFormat, ZeroPoint):
        takes = scale is not ScaleFormat.E4M3
        takes = takes and not (scale is ScaleFormat.E8M0 and zero is not ZeroPoint.NONE)
        takes = takes and not (scale is ScaleFormat.POW2 and zero is ZeroPoint.FLOAT32)
        assert any((fmt.scale, fmt.zero_point) == (scale, zero) for fmt in integers) is takes
    assert {fmt.quotient for fmt in integers} == set(Quotient)
