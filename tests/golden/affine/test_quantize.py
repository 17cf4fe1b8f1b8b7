"""quantize_affine and dequantize_affine against an oracle of fractions, for every format."""

from __future__ import annotations

import itertools

import ml_dtypes
import numpy as np
import pytest

from plena_cosim import golden
from plena_cosim.golden import FormatError
from plena_cosim.golden.affine import AffineInt, ScaledFp, dequantize_affine, quantize_affine

from .affine_oracle import code_of, ranges, value_of
from .cases import (
    ELEMENTS,
    MOST,
    WIDTHS,
    finite_groups,
    integer_formats,
    label,
    minifloat_formats,
    special_groups,
)

Format = AffineInt | ScaledFp


def check(rows: np.ndarray, fmt: Format, static: tuple[np.ndarray, np.ndarray] | None = None):
    """Compare every code and value; scales are compared in test_scale.py."""
    given = {} if static is None else {"scale": static[0]}
    if static is not None and getattr(fmt, "zero_point", None) not in (None, NONE):
        given["zero_point"] = static[1]
    found = quantize_affine(rows, fmt, **given)
    values = dequantize_affine(found, fmt)
    assert (found.codes.shape, values.shape, values.dtype) == (rows.shape, rows.shape, np.float32)
    scales, zeros = found.scale.tolist(), found.zero_point.tolist()
    for index, row in enumerate(rows.tolist()):
        scale, zero = scales[index], zeros[index]
        codes = [code_of(x, scale, zero, fmt) for x in row]
        assert found.codes[index].tolist() == codes, f"{label(fmt)} {rows[index]} / {scale}, {zero}"
        want = [value_of(code, scale, zero, fmt) for code in codes]
        assert repr(values[index].tolist()) == repr(want), f"{label(fmt)} {rows[index]}"


NONE = AffineInt(bits=8).zero_point


@pytest.mark.parametrize(("bits", "signed"), WIDTHS)
def test_integers_of_every_combination(bits: int, signed: bool) -> None:
    formats = integer_formats(bits, signed=signed)
    assert len(formats) == 84 + 5 * signed
    rows = np.concatenate([finite_groups(bits + 10), special_groups()])
    for index, fmt in enumerate(formats):
        check(rows[(index + bits) % 7 :: 7], fmt)
    check(rows, formats[bits])


@pytest.mark.parametrize("element", ELEMENTS)
def test_minifloats_of_every_combination(element: str) -> None:
    for fmt in minifloat_formats(element):
        check(finite_groups(2), fmt)
        check(finite_groups(3)[2:9], fmt)
        check(special_groups(), fmt)


def test_a_range_that_is_given_is_the_range_that_is_found() -> None:
    for fmt in (AffineInt(bits=5, zero_point="int32"), AffineInt(bits=5, zero_point="float32")):
        rows = finite_groups(4)
        found = quantize_affine(rows, fmt)
        again = quantize_affine(rows, fmt, scale=found.scale, zero_point=found.zero_point)
        assert again.codes.tolist() == found.codes.tolist()


@pytest.mark.parametrize("kind", ["none", "int32", "float32"])
def test_static_scales_clip_and_saturate(kind: str) -> None:
    rows = np.concatenate([finite_groups(5)[::5], special_groups()])
    count = len(rows)
    for scale in (2.0**-149, 2.0**-127, 2.0**-126, 0.1, 1.0, 3.7e5, MOST, np.nan):
        for quotient, rounding in itertools.product(("divide", "reciprocal"), ("rne", "rna")):
            fmt = AffineInt(bits=6, zero_point=kind, quotient=quotient, rounding=rounding)
            zeros = np.arange(count) % 64 - 32
            zeros = zeros if kind == "int32" else np.float32(zeros) * np.float32(1.3)
            check(rows, fmt, (np.full(count, scale, dtype=np.float32), zeros))
        for element in ELEMENTS:
            full = np.full(count, scale, dtype=np.float32)
            check(rows, ScaledFp(element=element), (full, full))


def test_inf_saturates_and_nan_is_replaced_under_a_given_scale() -> None:
    row = np.float32([[np.inf, -np.inf, np.nan]])
    scale = np.float32([1.0])
    assert quantize_affine(row, AffineInt(bits=8), scale=scale).codes.tolist() == [[127, -128, 127]]
    for name, codes in (
        ("e4m3", [0x7E, 0xFE, 0x7F]),
        ("e5m2", [0x7B, 0xFB, 0x7E]),
        ("e2m1", [7, 15, 7]),
    ):
        found = quantize_affine(row, ScaledFp(element=name), scale=scale)
        assert found.codes.tolist() == [codes]


@pytest.mark.parametrize(
    "fmt",
    [
        AffineInt(bits=4, rounding="rna"),
        AffineInt(bits=3, zero_point="float32", quotient="reciprocal"),
        ScaledFp(element="e2m1"),
    ],
    ids=label,
)
def test_every_half_precision_number(fmt: Format) -> None:
    """Codes rise with the number, as the oracle's do: they agree if they do around every step."""
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    every = every[~np.isnan(every)]
    ordered = every[np.lexsort((~np.signbit(every), every))]  # -0 before +0
    scale, zero = np.float32(0.3), np.float32(2.5 if fmt.name == "int3" else 0)
    given = {"zero_point": zero} if zero else {}
    codes = quantize_affine(ordered, fmt, scale=scale, **given).codes.astype(int)
    if isinstance(fmt, ScaledFp):
        codes = np.where(codes & 8, -(codes & 7) - 1, codes)
    assert (np.diff(codes) >= 0).all()
    steps = np.flatnonzero(np.diff(codes))
    assert len(steps) == (15 if isinstance(fmt, ScaledFp) else 2**fmt.bits - 1)
    for index in (0, *steps, *(steps + 1), len(ordered) - 1):
        want = code_of(float(ordered[index]), float(scale), float(zero), fmt)
        if isinstance(fmt, ScaledFp) and want & 8:
            want = -(want & 7) - 1
        assert codes[index] == want, ordered[index]


@pytest.mark.parametrize(("bits", "signed"), WIDTHS)
def test_every_code_of_every_zero_point(bits: int, signed: bool) -> None:
    fmt = AffineInt(bits=bits, signed=signed, zero_point="int32")
    bottom, top = ranges(fmt)
    codes = np.arange(bottom, top + 1)
    zeros = codes[:: max(1, len(codes) // 16)]
    scale = np.float32(0.1)
    grid = np.broadcast_to(codes, (len(zeros), len(codes)))
    values = dequantize_affine((grid, np.full(len(zeros), scale), zeros), fmt)
    for row, zero in zip(values.tolist(), zeros.tolist(), strict=True):
        assert row == [value_of(code, float(scale), zero, fmt) for code in codes.tolist()]


@pytest.mark.parametrize("rule", ["floor", "ceil"])
@pytest.mark.parametrize("element", ELEMENTS)
def test_scales_in_e8m0_make_mx_blocks(element: str, rule: str) -> None:
    rows = finite_groups(6)[2:]  # an all-zero block of MX loses the sign
    (mx,) = [
        fmt
        for fmt in golden.FORMATS.values()
        if isinstance(fmt, golden.Mx) and fmt.element == golden.get_format(element)
    ]
    blocks = golden.quantize(rows, golden.get_format(mx.name, block_size=6, scale_rule=rule))
    fmt = ScaledFp(element=element, scale="e8m0", scale_rule=rule)
    found = quantize_affine(rows, fmt)
    assert found.codes.tolist() == blocks.codes.tolist()
    assert found.scale.tolist() == blocks.scale_values()[:, 0].tolist()


@pytest.mark.parametrize("bits", range(2, 9))
def test_integers_in_e8m0_are_mxint(bits: int) -> None:
    rows = finite_groups(7)
    mx = golden.mxint(bits, block_size=6, symmetric=False)
    blocks = golden.quantize(rows, mx)
    fmt = AffineInt(bits=bits, scale="e8m0", scale_rule="floor")
    values = dequantize_affine(quantize_affine(rows, fmt), fmt)
    assert values.tolist() == blocks.dequantize(np.float32).tolist()


@pytest.mark.parametrize("fmt", [AffineInt(bits=4), ScaledFp(element="e4m3")], ids=label)
def test_narrow_input_is_exact_and_wide_is_rounded_first(fmt: Format) -> None:
    rows = finite_groups(8)
    for kind in (np.float16, ml_dtypes.bfloat16):
        with np.errstate(over="ignore"):
            narrow = rows.astype(kind)
        found, want = quantize_affine(narrow, fmt), quantize_affine(narrow.astype(np.float32), fmt)
        assert found.codes.tolist() == want.codes.tolist()
    wide = rows.astype(np.float64) * (1 + 2.0**-30)
    with np.errstate(over="ignore"):
        want = quantize_affine(wide.astype(np.float32), fmt)
    assert quantize_affine(wide, fmt).codes.tolist() == want.codes.tolist()
    assert quantize_affine([[1, 2, 3]], fmt).codes.shape == (1, 3)


def test_the_quotients_differ_where_a_reciprocal_is_rounded() -> None:
    scales = np.random.default_rng(9).uniform(0.5, 1.0, 64).astype(np.float32)
    ties = scales[:, None] * (np.arange(-8, 8, dtype=np.float32) + np.float32(0.5))
    codes = [
        quantize_affine(ties, AffineInt(bits=5, quotient=quotient), scale=scales).codes
        for quotient in ("divide", "reciprocal")
    ]
    assert (codes[0] != codes[1]).any()
    powers = [
        quantize_affine(ties, AffineInt(bits=5, scale="e8m0", quotient=quotient)).codes
        for quotient in ("divide", "reciprocal")
    ]
    assert (powers[0] == powers[1]).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": 1.0}, r"need at least one value in a group, got shape \(\)"),
        ({"x": np.zeros((2, 0))}, r"got shape \(2, 0\)"),
        ({"x": [1j]}, "need real numbers, got dtype complex128"),
        ({"fmt": "int8"}, "need an AffineInt or a ScaledFp such as AffineInt"),
        ({"zero_point": [0]}, "a zero point needs its scale; give both"),
        ({"scale": 1.0, "zero_point": 0}, "int8 has no zero point"),
        ({"scale": 0.0}, "scales are positive and finite, or NaN"),
        ({"scale": np.inf}, "scales are positive and finite, or NaN"),
        ({"scale": [1.0]}, r"one a group, of shape \(\); got shapes \(1,\) and \(\)"),
    ],
)
def test_bad_input_is_named(arguments: dict, message: str) -> None:
    call = {"x": [1.0, 2.0], "fmt": AffineInt(bits=8), **arguments}
    with pytest.raises(FormatError, match=message):
        quantize_affine(call.pop("x"), call.pop("fmt"), **call)


def test_bad_zero_points_and_codes_are_named() -> None:
    fmt = AffineInt(bits=4, zero_point="int32")
    with pytest.raises(FormatError, match="int4 needs, beside its scale, a zero point"):
        quantize_affine([1.0], fmt, scale=1.0)
    for zero in (8, 0.5):
        with pytest.raises(FormatError, match=r"zero points of int4 are integers in -8\.\.7"):
            quantize_affine([1.0], fmt, scale=1.0, zero_point=zero)
    with pytest.raises(FormatError, match=r"int4: codes are integers in -8\.\.7, got int64 in"):
        dequantize_affine(([9], 1.0, 0), fmt)
    with pytest.raises(FormatError, match="does not fit"):
        dequantize_affine(([16], 1.0, 0), ScaledFp(element="e2m1"))
    with pytest.raises(FormatError, match=r"of shape \(2,\); got shapes \(2, 1\) and \(2,\)"):
        dequantize_affine(([[1, 2], [3, 4]], [[1.0], [1.0]], [0, 0]), AffineInt(bits=4))
