"""quantize_affine and dequantize_affine: groups of reals to codes with a scale, and back.

Each step is one fp32 operation, rounded to nearest even, in the order that docs/numerics.md states.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from plena_cosim.golden.codec import decode, encode
from plena_cosim.golden.float_environment import in_default_environment
from plena_cosim.golden.formats import FormatError, Rounding

from .format import AffineFormat, AffineInt, Quotient, ScaledFp, ScaleFormat, ZeroPoint, as_affine
from .scale import Single, affine_scale, as_single, integers

LEAST_DIVISOR = np.finfo(np.float32).tiny
"""The least scale whose reciprocal is taken: that of a smaller one would be Inf."""


class Quantized(NamedTuple):
    """Groups of codes.

    Attributes:
        codes: (…, n). Integers: int8, or uint8 where unsigned. Minifloats: bit patterns in uint8.
        scale: (…,) float32.
        zero_point: (…,) int32, or float32 where the format's zero point is.
    """

    codes: npt.NDArray[Any]
    scale: Single
    zero_point: npt.NDArray[Any]


@in_default_environment
def quantize_affine(
    x: npt.ArrayLike,
    fmt: AffineFormat,
    *,
    scale: npt.ArrayLike | None = None,
    zero_point: npt.ArrayLike | None = None,
) -> Quantized:
    """Quantise groups, each with the scale of its own range, or with given ones.

    Args:
        x: (…, n) real numbers, a group along the last axis; rounded to fp32 first, which changes
            nothing of float32, float16 and bfloat16. `to_groups` makes groups of any array.
        fmt: AffineInt or ScaledFp.
        scale: (…,) for static quantisation: positive, or NaN; rounded to fp32. None: by the range.
        zero_point: (…,) with a scale, where the format has a zero point: integers within the codes,
            or fp32 numbers.

    Returns:
        Quantized. A group whose scale is NaN, as of a range with a NaN or Inf, has codes 0. Under a
        given scale Inf saturates, and NaN becomes NaN where the element has one, else the largest.

    Raises:
        FormatError: `fmt` is neither, a group without values, a scale that is not positive, a zero
            point that the format does not have, or needs and is not given.

    >>> q = quantize_affine([[-1.0, 0.3, 2.0]], AffineInt(bits=4, zero_point="int32"))
    >>> q.codes.tolist(), q.scale.tolist(), q.zero_point.tolist()
    ([[-8, -1, 7]], [0.20000000298023224], [-3])
    """
    fmt = as_affine(fmt)
    values = as_single(x)
    if values.ndim == 0 or values.shape[-1] == 0:
        raise FormatError(
            f"quantize_affine: need at least one value in a group, got shape {values.shape}"
        )
    if scale is None and zero_point is None:
        scales, zeros = affine_scale(values.min(-1), values.max(-1), fmt)
    else:
        scales, zeros = _given(scale, zero_point, fmt, values.shape[:-1])
    with np.errstate(all="ignore"):
        if isinstance(fmt, ScaledFp):
            codes = _minifloats(values / scales[..., None], fmt)
        else:
            codes = _integers(_quotients(values, scales[..., None], fmt), zeros[..., None], fmt)
    return Quantized(
        np.where(np.isnan(scales)[..., None], codes.dtype.type(0), codes), scales, zeros
    )


@in_default_environment
def dequantize_affine(
    quantized: tuple[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike], fmt: AffineFormat
) -> Single:
    """Return the values that codes stand for, each rounded to fp32 once per operation.

    Args:
        quantized: codes (…, n), scales (…,) and zero points (…,), as of `quantize_affine`.
        fmt: AffineInt or ScaledFp.

    Returns:
        (…, n) float32: RN32((code - zero point) * scale), where a float32 zero point is a rounded
        difference; RN32(element * scale). Beyond fp32 it is Inf, as in IEEE 754; NaN for a NaN
        scale.

    Raises:
        FormatError: `fmt` is neither, or a code that it does not have.

    >>> fmt = AffineInt(bits=4, zero_point="int32")
    >>> dequantize_affine(quantize_affine([[-1.0, 0.3, 2.0]], fmt), fmt).tolist()
    [[-1.0, 0.4000000059604645, 2.0]]
    """
    fmt = as_affine(fmt)
    codes, scales, zeros = (np.asarray(part) for part in quantized)
    if not scales.shape == zeros.shape == codes.shape[:-1]:
        raise FormatError(
            "dequantize_affine: scales and zero points are one a group, of shape "
            f"{codes.shape[:-1]}; got shapes {scales.shape} and {zeros.shape}"
        )
    with np.errstate(all="ignore"):
        if isinstance(fmt, ScaledFp):
            return decode(codes, fmt.minifloat).astype(np.float32) * as_single(scales)[..., None]
        inside = (codes >= fmt.lowest) & (codes <= fmt.highest)
        if codes.dtype.kind not in "ui" or not bool(inside.all()):
            raise FormatError(
                f"{fmt.name}: codes are integers in {fmt.lowest}..{fmt.highest}, "
                f"got {codes.dtype} in {codes.min(initial=0)}..{codes.max(initial=0)}"
            )
        steps = codes.astype(np.float32) - zeros.astype(np.float32)[..., None]
        return np.asarray(steps * as_single(scales)[..., None])


def _quotients(values: Single, scales: Single, fmt: AffineInt) -> Single:
    if fmt.quotient is Quotient.DIVIDE or fmt.scale in (ScaleFormat.E8M0, ScaleFormat.POW2):
        return values / scales
    divisors: Single = np.maximum(scales, LEAST_DIVISOR)
    return values * (np.float32(1) / divisors)


def _integers(quotients: Single, zeros: npt.NDArray[Any], fmt: AffineInt) -> npt.NDArray[Any]:
    rounding = Rounding(fmt.rounding)
    shifted = quotients + zeros if fmt.zero_point is ZeroPoint.FLOAT32 else quotients
    lost = np.isnan(shifted)
    whole = integers(np.where(lost, np.float32(0), shifted), rounding)
    if fmt.zero_point is ZeroPoint.INT32:
        whole = whole + zeros
    inside = np.where(lost, fmt.highest, np.clip(whole, fmt.lowest, fmt.highest))
    return inside.astype(np.int8 if fmt.signed else np.uint8)


def _minifloats(quotients: Single, fmt: ScaledFp) -> npt.NDArray[Any]:
    element = fmt.minifloat
    largest = np.float32(element.max_value)
    nan = np.float32(np.nan) if element.has_nan else largest
    inside = np.where(np.isnan(quotients), nan, np.clip(quotients, -largest, largest))
    return encode(inside, element)


def _given(
    scale: npt.ArrayLike | None,
    zero_point: npt.ArrayLike | None,
    fmt: AffineFormat,
    shape: tuple[int, ...],
) -> tuple[Single, npt.NDArray[Any]]:
    """Return the scales and zero points of static quantisation, in the shape of the groups."""
    kind = ZeroPoint(fmt.zero_point) if isinstance(fmt, AffineInt) else ZeroPoint.NONE
    if scale is None:
        raise FormatError("quantize_affine: a zero point needs its scale; give both")
    if (zero_point is None) is not (kind is ZeroPoint.NONE):
        says = "has no" if kind is ZeroPoint.NONE else "needs, beside its scale, a"
        raise FormatError(f"quantize_affine: {fmt.name} {says} zero point")
    scales = as_single(scale)
    zeros = np.zeros(shape, np.int32) if zero_point is None else np.asarray(zero_point)
    if not scales.shape == zeros.shape == shape:
        raise FormatError(
            f"quantize_affine: scales and zero points are one a group, of shape {shape}; "
            f"got shapes {scales.shape} and {zeros.shape}"
        )
    if bool((scales <= 0).any()) or bool(np.isinf(scales).any()):
        raise FormatError("quantize_affine: scales are positive and finite, or NaN")
    if kind is ZeroPoint.FLOAT32:
        return scales, as_single(zeros)
    if isinstance(fmt, AffineInt):
        inside = (zeros >= fmt.lowest) & (zeros <= fmt.highest)
        if zeros.dtype.kind not in "ui" or not bool(inside.all()):
            raise FormatError(
                f"quantize_affine: zero points of {fmt.name} are integers in "
                f"{fmt.lowest}..{fmt.highest}"
            )
    return scales, zeros.astype(np.int32)
