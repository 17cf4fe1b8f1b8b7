"""affine_scale: the range of a group to its scale and zero point.

Each step is one fp32 operation, rounded to nearest even, in the order that docs/numerics.md states.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from plena_cosim.golden.codec import decode, encode
from plena_cosim.golden.float_environment import in_default_environment
from plena_cosim.golden.formats import (
    FixedPoint,
    FormatError,
    Mx,
    Rounding,
    ScaleRule,
    as_minifloat,
    as_mx,
)
from plena_cosim.golden.rounding import Int64

from .format import AffineFormat, AffineInt, ScaledFp, ScaleFormat, ZeroPoint, as_affine

Single = npt.NDArray[np.float32]

LEAST_SCALE = 2.0**-23
"""The least scale of an integer, and what stands for a scale of 0: the epsilon of fp32."""

INTEGERS = FixedPoint(int_bits=16, frac_bits=0)
"""Integers far beyond all codes and zero points: what saturates here is clamped afterwards."""


@in_default_environment
def affine_scale(
    low: npt.ArrayLike, high: npt.ArrayLike, fmt: AffineFormat
) -> tuple[Single, npt.NDArray[Any]]:
    """Return the scale and the zero point of groups whose values lie in low … high.

    Args:
        low, high: smallest and largest value of each group, of one shape; rounded to fp32 first.
        fmt: AffineInt or ScaledFp. With scales in e4m3 they are those of all groups of a tensor.

    Returns:
        Scales in float32, in the shape of `low`, and zero points: float32 for a float32 zero point,
        else int32, 0 where the format has none. A range that holds a NaN or Inf, or is wider than
        fp32 can say, has scale NaN and zero point 0; with scales in e4m3 so has the whole tensor.
        A range of nothing but zeros has the least scale: 2^-23 (fp32, fp16, bf16, e4m3), the
        smallest power (e8m0), or 1 with a float32 zero point and in pow2.

    Raises:
        FormatError: `fmt` is neither, or some low is above its high.

    >>> affine_scale([-1.0], [2.0], AffineInt(bits=8, zero_point="int32"))
    (array([0.01176471], dtype=float32), array([-43], dtype=int32))
    """
    fmt = as_affine(fmt)
    bottom, top = as_single(low), as_single(high)
    if bottom.shape != top.shape or bool((bottom > top).any()):
        raise FormatError(
            "affine_scale: low and high need one shape, and no low above its high; "
            f"got shapes {bottom.shape} and {top.shape}"
        )
    with np.errstate(all="ignore"):
        if isinstance(fmt, ScaledFp):
            scale, zero_point = _of_minifloat(_amax(bottom, top), fmt), np.zeros(bottom.shape)
        elif fmt.zero_point is ZeroPoint.FLOAT32:
            scale, zero_point = _of_real_zero(bottom, top, fmt)
        elif fmt.zero_point is ZeroPoint.INT32:
            scale, zero_point = _of_integer_zero(bottom, top, fmt)
        else:
            scale, zero_point = _of_symmetric(_amax(bottom, top), fmt), np.zeros(bottom.shape)
        special = ~(np.isfinite(bottom) & np.isfinite(top) & np.isfinite(scale))
        if isinstance(fmt, AffineInt):
            scale = _cast(scale, ScaleFormat(fmt.scale))
    real = isinstance(fmt, AffineInt) and fmt.zero_point is ZeroPoint.FLOAT32
    kind = np.float32 if real else np.int32
    return (
        np.where(special, np.float32(np.nan), scale),
        np.where(special, 0, zero_point).astype(kind),
    )


def as_single(values: npt.ArrayLike) -> Single:
    """Return real numbers rounded to fp32 (RNE, IEEE overflow); fp16 and bf16 are exact in it."""
    array = np.asarray(values)
    if array.dtype.kind not in "iufb" and array.dtype.name != "bfloat16":
        raise FormatError(f"need real numbers, got dtype {array.dtype}")
    with np.errstate(over="ignore", invalid="ignore"):
        return array.astype(np.float32)


def integers(values: Single, rounding: Rounding) -> npt.NDArray[np.float64]:
    """Return numbers rounded to integers; beyond 16 bits they saturate."""
    return decode(encode(values, INTEGERS, rounding=rounding), INTEGERS)


def _amax(low: Single, high: Single) -> Single:
    """The largest magnitude of a range that includes 0."""
    return np.maximum(-np.minimum(low, np.float32(0)), np.maximum(high, np.float32(0)))


def _of_symmetric(amax: Single, fmt: AffineInt) -> Single:
    if fmt.scale is ScaleFormat.E8M0:
        exp = power_of_two(amax, ScaleRule(fmt.scale_rule), fraction_bits=fmt.bits, e_max=0)
        power: Single = np.ldexp(np.float32(1), exp + fmt.lsb_exp)
        return power
    return _at_least(amax / np.float32(fmt.half_range), fmt)


def _of_integer_zero(low: Single, high: Single, fmt: AffineInt) -> tuple[Single, Any]:
    bottom, top = np.minimum(low, np.float32(0)), np.maximum(high, np.float32(0))
    scale = _at_least((top - bottom) / np.float32(fmt.highest - fmt.lowest), fmt)
    if fmt.scale is ScaleFormat.POW2:
        zero: Single = np.nan_to_num(np.float32(fmt.lowest) - bottom / scale, nan=0.0)
        return scale, np.clip(integers(zero, Rounding.RTZ), fmt.lowest, fmt.highest)
    steps = integers(np.nan_to_num(bottom / scale, nan=0.0), Rounding.RNE)
    return scale, np.clip(fmt.lowest - steps, fmt.lowest, fmt.highest)


def _of_real_zero(low: Single, high: Single, fmt: AffineInt) -> tuple[Single, Any]:
    scale: Single = (high - low) / np.float32(fmt.highest - fmt.lowest)
    scale = np.where(scale <= np.float32(LEAST_SCALE), np.float32(1), scale)
    return scale, np.float32(0) - low / scale  # a difference, so that it is no -0


def _at_least(scale: npt.NDArray[Any], fmt: AffineInt) -> Single:
    """Return the scale, or what stands for one that is too small; for pow2 only 0 is."""
    if fmt.scale is ScaleFormat.POW2:
        return np.where(scale == 0, np.float32(1), scale)
    least: Single = np.maximum(scale, np.float32(LEAST_SCALE))
    return least


def _cast(scale: Single, fmt: ScaleFormat) -> Single:
    if fmt is ScaleFormat.POW2:
        return nearest_power(scale)
    if fmt in (ScaleFormat.FP32, ScaleFormat.E8M0):
        return scale
    return decode(encode(scale, fmt.value), fmt.value).astype(np.float32)


def nearest_power(scale: Single) -> Single:
    """Return 2^round(log2 scale), clamped to 2^-127 … 2^127: the nearest exponent, no ties.

    Args:
        scale: positive; others give any power.
    """
    fraction, exponent = np.frexp(scale.astype(np.float64))
    # log2 of the significand is above 1/2 where its square, exact in float64, is above 2
    exp = exponent.astype(np.int64) - 1 + ((2.0 * fraction) ** 2 > 2.0)
    clamped = np.clip(exp, _E8M0.min_scale_exp, _E8M0.max_scale_exp)
    power: Single = np.ldexp(np.float32(1), clamped)
    return power


def _of_minifloat(amax: Single, fmt: ScaledFp) -> Single:
    element = fmt.minifloat
    if fmt.scale is ScaleFormat.E8M0:
        rule = ScaleRule(fmt.scale_rule)
        exp = power_of_two(amax, rule, fraction_bits=element.man_bits, e_max=element.emax)
        power: Single = np.ldexp(np.float32(1), exp)
        return power
    largest = np.float32(element.max_value)
    if fmt.scale is ScaleFormat.FP32:
        scale = amax / largest
    else:
        scale_format = as_minifloat(ScaleFormat.E4M3.value)
        of_tensor = amax.max(initial=np.float32(0))
        unit = np.float32(scale_format.max_value) * (largest / of_tensor)
        codes = encode((amax / largest) * unit, scale_format)
        scale = decode(codes, scale_format).astype(np.float32) / unit
        scale = np.where(np.isinf(unit), np.float32(0), scale)
    return np.where(scale == 0, np.float32(LEAST_SCALE), scale)


_E8M0: Mx = as_mx("mxint8")
"""A format with such a scale: its range."""


def power_of_two(amax: Single, rule: ScaleRule, *, fraction_bits: int, e_max: int) -> Int64:
    """Return the exponent that a rule gives the largest magnitude of each group.

    Args:
        amax: finite and not negative; others give any exponent.
        rule: floor, ceil or even.
        fraction_bits: for `even`: what amax is rounded to first, half up.
        e_max: exponent of the element's largest binade.

    Returns:
        int64, clamped to the range of e8m0, -127 … 127; the smallest for zero.
    """
    fraction, exponent = np.frexp(np.where(np.isfinite(amax), amax, 0).astype(np.float64))
    significand, floor_log2 = fraction * 2.0, exponent.astype(np.int64) - 1  # in [1, 2)
    if rule is ScaleRule.CEIL:
        exp = floor_log2 + (significand > 1.0)
    elif rule is ScaleRule.EVEN:
        exp = floor_log2 + (significand >= 2.0 - np.ldexp(1.0, -fraction_bits - 1))
    else:
        exp = floor_log2
    exp = np.where(amax > 0, exp - e_max, _E8M0.min_scale_exp)
    clamped: Int64 = np.clip(exp, _E8M0.min_scale_exp, _E8M0.max_scale_exp)
    return clamped
