"""affine_scale against an oracle of fractions, for every format."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from plena_cosim.golden import FormatError
from plena_cosim.golden.affine import AffineInt, ScaledFp, affine_scale
from plena_cosim.golden.affine.scale import nearest_power, power_of_two
from plena_cosim.golden.formats import ScaleRule

from .affine_oracle import amax_of, extremes, nearest, power, scale_of
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


def check(rows: np.ndarray, fmt: AffineInt | ScaledFp) -> None:
    bounds = [extremes(row) for row in rows.tolist()]
    low, high = np.float32(bounds).T
    scale, zero = affine_scale(low, high, fmt)
    assert scale.dtype == np.float32
    real = isinstance(fmt, AffineInt) and fmt.zero_point.value == "float32"
    assert zero.dtype == (np.float32 if real else np.int32)
    of_tensor = amax_of(rows.tolist())
    for index, (bottom, top) in enumerate(bounds):
        want = scale_of(bottom, top, fmt, of_tensor)
        got = (float(scale[index]), float(zero[index]))
        assert repr(got) == repr((want[0], float(want[1]))), f"{label(fmt)}: {rows[index]}"


@pytest.mark.parametrize(("bits", "signed"), WIDTHS)
def test_integers(bits: int, signed: bool) -> None:
    formats = {
        (fmt.zero_point, fmt.scale, fmt.scale_rule): fmt
        for fmt in integer_formats(bits, signed=signed)
    }
    assert len(formats) == 14
    for fmt in formats.values():
        check(finite_groups(bits), fmt)
        check(special_groups(), fmt)


@pytest.mark.parametrize("element", ELEMENTS)
def test_minifloats(element: str) -> None:
    for fmt in minifloat_formats(element):
        check(finite_groups(1), fmt)
        check(special_groups(), fmt)
        check(special_groups()[-1:], fmt)
        # amax_tensor from where the largest scale underflows to where it overflows
        for exp in (-149, -127, -118, -116, -100, -1, 0, 60, 127):
            rows = np.ldexp(np.float32([[1.0, -1.5], [0.7, 0.0], [1e-4, 0.0], [0.0, 0.0]]), exp)
            check(rows, fmt)


@pytest.mark.parametrize("rule", ["floor", "ceil", "even"])
def test_the_exponent_of_every_binade_and_what_is_beside(rule: str) -> None:
    for fraction_bits in (1, 2, 3, 4, 8):
        edges = [1.0, 1.5, 2.0 - 2.0 ** (-fraction_bits - 1)]
        around = [np.nextafter(np.float32(e), np.float32(t)) for e in edges for t in (0, 4)]
        significands = np.float32([*edges, *around])
        amax = np.ldexp(significands[:, None], np.arange(-149, 128)).ravel()
        amax = amax[np.isfinite(amax)]
        for e_max in (0, 2, 15):
            got = power_of_two(amax, ScaleRule(rule), fraction_bits=fraction_bits, e_max=e_max)
            want = [power(x, rule, fraction_bits, e_max) for x in amax.tolist()]
            assert got.tolist() == want


def test_the_nearest_power_of_every_binade_and_what_is_beside() -> None:
    root = np.float32(2.0**0.5)
    around = [np.nextafter(root, np.float32(t)) for t in (0, 4)]
    significands = np.float32([1.0, 1.25, *around, root, 1.5, np.nextafter(np.float32(2), 0)])
    scales = np.ldexp(significands[:, None], np.arange(-149, 128)).ravel()
    scales = scales[np.isfinite(scales) & (scales > 0)]
    want = [float(nearest(Fraction(float(each)))) for each in scales]
    assert nearest_power(scales).tolist() == want


def test_powers_of_two_in_words_of_the_tables() -> None:
    pow2 = AffineInt(bits=8, scale="pow2")
    for amax, scale in ((127.5, 1.0), (180.0, 1.0), (181.0, 2.0), (1e-20, 2.0**-73), (0.0, 1.0)):
        assert affine_scale([-amax], [0.0], pow2)[0].tolist() == [scale]
    whole = AffineInt(bits=8, signed=False, zero_point="int32", scale="pow2")
    scale, zero = affine_scale([-1.0], [2.01], whole)  # 1 / (3.01 / 255) = 84.7
    assert (scale.tolist(), zero.tolist()) == ([2.0**-6], [84])


@pytest.mark.parametrize("element", ELEMENTS)
def test_ties_of_scales_in_e4m3(element: str) -> None:
    """Where the order of the two fp32 operations before the rounding shows."""
    rng = np.random.default_rng(10)
    fmt = ScaledFp(element=element, scale="e4m3")
    for of_tensor in rng.uniform(1, 64, 12).astype(np.float32):
        ties = (rng.integers(8, 16, 20) + 0.5) * 2.0 ** rng.integers(-3, 5, 20)
        near = (ties / 448 * of_tensor).astype(np.float32)
        around = [np.nextafter(near, np.float32(to)) for to in (0, 1e9)]
        amax = np.concatenate([near, *around, [of_tensor]])
        check(amax[amax <= of_tensor][:, None], fmt)


def test_scales_in_words_of_the_tables() -> None:
    amax = np.float32([255.0])
    for bits, half in ((8, 127.5), (4, 7.5), (3, 3.5), (2, 1.5)):
        expected = np.float32(255.0) / np.float32(half)
        assert affine_scale(-amax, amax * 0, AffineInt(bits=bits))[0] == expected
    assert affine_scale(-amax, amax, AffineInt(bits=8, signed=False))[0] == 2.0
    assert affine_scale(-amax, amax, ScaledFp(element="e4m3"))[0] == np.float32(255 / 448)
    assert affine_scale(-amax, amax, ScaledFp(element="e5m2"))[0] == np.float32(255 / 57344)


def test_degenerate_ranges() -> None:
    zero = np.zeros(1, dtype=np.float32)
    for fmt, scale in (
        (AffineInt(bits=8), 2.0**-23),
        (AffineInt(bits=8, zero_point="int32", scale="fp16"), 2.0**-23),
        (AffineInt(bits=8, zero_point="float32"), 1.0),
        (AffineInt(bits=8, scale="e8m0"), 2.0 ** (-127 - 6)),
        (ScaledFp(element="e4m3"), 2.0**-23),
        (ScaledFp(element="e2m1", scale="e4m3"), 2.0**-23),
        (ScaledFp(element="e2m1", scale="e8m0"), 2.0**-127),
    ):
        assert affine_scale(zero, zero, fmt)[0].tolist() == [scale]
    real = AffineInt(bits=8, zero_point="float32")
    for units, scale in ((255, 1.0), (255.5, float(np.float32(255.5 / 255) * 2.0**-23))):
        assert affine_scale(zero, zero + np.float32(units * 2.0**-23), real)[0].tolist() == [scale]
    wide = AffineInt(bits=8, zero_point="int32")
    assert np.isnan(affine_scale([-MOST], [MOST], wide)[0])
    assert affine_scale([-MOST], [MOST], AffineInt(bits=8, scale="fp16"))[0] == 65504.0


def test_no_group_is_no_error() -> None:
    for fmt in (AffineInt(bits=4), ScaledFp(element="e2m1", scale="e4m3")):
        scale, zero = affine_scale(np.zeros((0, 3)), np.zeros((0, 3)), fmt)
        assert (scale.shape, zero.shape) == ((0, 3), (0, 3))


def test_bad_input_is_named() -> None:
    with pytest.raises(FormatError, match=r"no low above its high; got shapes \(1,\) and \(1,\)"):
        affine_scale([1.0], [0.0], AffineInt(bits=8))
    with pytest.raises(FormatError, match=r"got shapes \(1,\) and \(2,\)"):
        affine_scale([1.0], [2.0, 3.0], AffineInt(bits=8))
    with pytest.raises(FormatError, match="need an AffineInt or a ScaledFp such as"):
        affine_scale([1.0], [2.0], "int8")  # type: ignore[arg-type]
    with pytest.raises(FormatError, match="need real numbers, got dtype complex128"):
        affine_scale([1j], [2.0], AffineInt(bits=8))
