"""Affine integers and scaled minifloats: the values of golden.affine, bit for bit.

Each step is one operation of float32, in golden's order. Divisors are tensors: by a number, CUDA
multiplies with its reciprocal.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from plena_cosim.golden import FormatError, Rounding, ScaleRule
from plena_cosim.golden.affine import (
    AffineFormat,
    AffineInt,
    Granularity,
    Quotient,
    ScaledFp,
    ScaleFormat,
    ZeroPoint,
)
from plena_cosim.golden.affine.format import as_affine
from plena_cosim.golden.affine.quantize import LEAST_DIVISOR
from plena_cosim.golden.affine.scale import LEAST_SCALE
from plena_cosim.golden.formats import as_minifloat, as_mx

from .backend import operation
from .carrier import DOUBLE
from .cast import cast_finite
from .element import round_units
from .groups import from_groups, to_groups
from .platform_check import require_subnormals

_DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
_TENSOR = Granularity()


@operation
def affine_scale(low: Tensor, high: Tensor, fmt: AffineFormat) -> tuple[Tensor, Tensor]:
    """Return the scales and zero points of groups whose values lie in low … high.

    Args:
        low, high: smallest and largest value of each group, floating point, of one shape.
        fmt: AffineInt or ScaledFp.

    Returns:
        Scales in float32 and zero points in float32 or int32, of golden.affine.affine_scale.

    Raises:
        FormatError: `fmt` is neither, no floating-point tensors of one shape, or some low is above
            its high.
        ExactnessError: this thread flushes subnormals to zero.

    >>> affine_scale(torch.tensor(-1.0), torch.tensor(2.0), AffineInt(bits=4))
    (tensor(0.2667), tensor(0, dtype=torch.int32))
    """
    fmt = as_affine(fmt)
    for bound in (low, high):
        _check_dtype("affine_scale", bound)
    low, high = low.detach().float(), high.detach().float()
    if low.shape != high.shape or bool((low > high).any()):
        raise FormatError(
            "affine_scale: low and high need one shape, and no low above its high; "
            f"got shapes {tuple(low.shape)} and {tuple(high.shape)}"
        )
    require_subnormals(low.device)
    scale, zero_point = _affine_scale(low, high, fmt)
    return scale, zero_point if _is_real_zero(fmt) else zero_point.to(torch.int32)


@operation
def quantize_affine(
    x: Tensor,
    fmt: AffineFormat,
    granularity: Granularity = _TENSOR,
    *,
    scale: Tensor | None = None,
    zero_point: Tensor | None = None,
) -> Tensor:
    """Return the values of `x` quantised in groups, in the dtype of `x`.

    Args:
        x: float32, bfloat16, float16 or float64 tensor, on any device; float64 is rounded to
            float32 first.
        fmt: AffineInt or ScaledFp.
        granularity: which values share a scale; all of them by default.
        scale: for static quantisation, a positive float32 number (or NaN) a group, in the shape
            that golden.affine.to_groups gives without its last axis. None: by the range of each.
        zero_point: beside a scale, where the format has a zero point: integers within the codes, or
            float32.

    Returns:
        golden's dequantize_affine(quantize_affine(…)) rounded once to the dtype of `x`, bit for
        bit, in the shape of `x`. The gradient is the identity (straight through).

    Raises:
        FormatError: as golden's; `x` is not of these dtypes.
        ExactnessError: this thread flushes subnormals to zero.

    >>> quantize_affine(torch.tensor([-1.0, 0.3, 2.0]), AffineInt(bits=4, zero_point="int32"))
    tensor([-1.0000,  0.4000,  2.0000])
    """
    fmt = as_affine(fmt)
    _check_dtype("quantize_affine", x)
    granularity.axis(x.shape)
    _check_given(scale, zero_point, fmt)
    require_subnormals(x.device)
    if x.requires_grad and torch.is_grad_enabled():
        rounded: Tensor = _StraightThrough.apply(  # type: ignore[no-untyped-call]
            x, fmt, granularity, scale, zero_point
        )
        return rounded
    return _quantize(x.detach(), fmt, granularity, scale, zero_point)


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, *given: Any) -> Tensor:
        return _quantize(x, *given)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        return gradients[0], None, None, None, None


def _check_dtype(what: str, x: Tensor) -> None:
    if not isinstance(x, Tensor) or x.dtype not in _DTYPES:
        given = x.dtype if isinstance(x, Tensor) else type(x).__name__
        allowed = ", ".join(str(dtype).removeprefix("torch.") for dtype in _DTYPES)
        raise FormatError(f"{what}: need a tensor of {allowed}; got {given}")


def _check_given(scale: Tensor | None, zero_point: Tensor | None, fmt: AffineFormat) -> None:
    if scale is None and zero_point is None:
        return
    none = not (isinstance(fmt, AffineInt) and fmt.zero_point is not ZeroPoint.NONE)
    if scale is None:
        raise FormatError("quantize_affine: a zero point needs its scale; give both")
    if (zero_point is None) is not none:
        says = "has no" if none else "needs, beside its scale, a"
        raise FormatError(f"quantize_affine: {fmt.name} {says} zero point")
    for given in (scale, zero_point):
        if given is not None and not isinstance(given, Tensor):
            raise FormatError(
                "quantize_affine: scales and zero points are tensors, one number a group; got "
                f"{type(given).__name__}"
            )
    single = scale.float()
    if bool((single <= 0).any()) or bool(single.isinf().any()):
        raise FormatError("quantize_affine: scales are positive and finite, or NaN")
    if zero_point is None or _is_real_zero(fmt):
        return
    assert isinstance(fmt, AffineInt)
    inside = (zero_point >= fmt.lowest) & (zero_point <= fmt.highest)
    if zero_point.is_floating_point() or not bool(inside.all()):
        raise FormatError(
            f"quantize_affine: zero points of {fmt.name} are integers in "
            f"{fmt.lowest}..{fmt.highest}"
        )


def _is_real_zero(fmt: AffineFormat) -> bool:
    return isinstance(fmt, AffineInt) and fmt.zero_point is ZeroPoint.FLOAT32


def _quantize(
    x: Tensor,
    fmt: AffineFormat,
    granularity: Granularity,
    scale: Tensor | None,
    zero_point: Tensor | None,
) -> Tensor:
    groups = to_groups(x, granularity).float()
    if scale is None:
        scales, zeros = _affine_scale(groups.amin(-1), groups.amax(-1), fmt)
    else:
        scales = scale.detach().float()
        none = scales.new_zeros(groups.shape[:-1])
        zeros = none if zero_point is None else zero_point.detach().float()
        if not scales.shape == zeros.shape == groups.shape[:-1]:
            raise FormatError(
                "quantize_affine: scales and zero points are one a group, of shape "
                f"{tuple(groups.shape[:-1])}; got shapes {tuple(scales.shape)} and "
                f"{tuple(zeros.shape)}"
            )
    scales, zeros = scales.unsqueeze(-1), zeros.unsqueeze(-1)
    if isinstance(fmt, ScaledFp):
        largest = fmt.minifloat.max_value
        values = cast_finite((groups / scales).clamp_(-largest, largest), fmt.minifloat) * scales
    else:
        values = (_codes(groups, scales, zeros, fmt) - zeros) * scales
    return from_groups(values, x.shape, granularity).to(x.dtype).contiguous()


def _codes(groups: Tensor, scales: Tensor, zeros: Tensor, fmt: AffineInt) -> Tensor:
    """Return the codes as float32."""
    if fmt.quotient is Quotient.DIVIDE or fmt.scale in (ScaleFormat.E8M0, ScaleFormat.POW2):
        quotients = groups / scales
    else:
        quotients = groups * (torch.ones_like(scales) / scales.clamp(min=float(LEAST_DIVISOR)))
    if fmt.zero_point is ZeroPoint.FLOAT32:
        codes = round_units(quotients + zeros, Rounding(fmt.rounding)) + 0.0  # no code is -0
    else:
        codes = round_units(quotients, Rounding(fmt.rounding)) + zeros
    return codes.nan_to_num(nan=fmt.highest, posinf=math.inf, neginf=-math.inf).clamp_(
        fmt.lowest, fmt.highest
    )


def _affine_scale(low: Tensor, high: Tensor, fmt: AffineFormat) -> tuple[Tensor, Tensor]:
    """Return scales and zero points, both in float32."""
    zero_point = torch.zeros_like(low)
    if isinstance(fmt, ScaledFp):
        scale = _of_minifloat(_amax(low, high), fmt)
    elif fmt.zero_point is ZeroPoint.FLOAT32:
        scale = (high - low) / low.new_tensor(fmt.highest - fmt.lowest)
        scale = torch.where(scale <= LEAST_SCALE, torch.ones_like(scale), scale)
        zero_point = 0.0 - low / scale
    elif fmt.zero_point is ZeroPoint.INT32:
        bottom, top = low.clamp(max=0.0), high.clamp(min=0.0)
        scale = _at_least((top - bottom) / low.new_tensor(fmt.highest - fmt.lowest), fmt)
        if fmt.scale is ScaleFormat.POW2:
            zero_point = (fmt.lowest - bottom / scale).trunc()
        else:
            zero_point = fmt.lowest - (bottom / scale).round()
        zero_point = zero_point.clamp(fmt.lowest, fmt.highest)
    else:
        scale = _of_symmetric(_amax(low, high), fmt)
    special = ~(low.isfinite() & high.isfinite() & scale.isfinite())
    if fmt.scale is ScaleFormat.POW2:
        scale = _nearest_power(scale)
    elif isinstance(fmt, AffineInt) and fmt.scale is not ScaleFormat.E8M0:
        scale = cast_finite(scale, as_minifloat(ScaleFormat(fmt.scale).value))
    return scale.masked_fill(special, math.nan), zero_point.masked_fill(special, 0.0)


def _amax(low: Tensor, high: Tensor) -> Tensor:
    return torch.maximum(-low.clamp(max=0.0), high.clamp(min=0.0))


def _of_symmetric(amax: Tensor, fmt: AffineInt) -> Tensor:
    if fmt.scale is ScaleFormat.E8M0:
        exp = _power_of_two(amax, ScaleRule(fmt.scale_rule), fmt.bits, 0)
        return DOUBLE.power_of_two(exp + fmt.lsb_exp).float()
    return _at_least(amax / amax.new_tensor(fmt.half_range), fmt)


def _at_least(scale: Tensor, fmt: AffineInt) -> Tensor:
    if fmt.scale is ScaleFormat.POW2:
        return torch.where(scale == 0, torch.ones_like(scale), scale)
    return scale.clamp(min=LEAST_SCALE)


def _nearest_power(scale: Tensor) -> Tensor:
    """Return golden's nearest_power."""
    bits = scale.double().view(DOUBLE.int_dtype)
    one = 1 << DOUBLE.man_bits
    significand = ((bits & (one - 1)) | (DOUBLE.bias << DOUBLE.man_bits)).view(DOUBLE.dtype)
    exp = (bits >> DOUBLE.man_bits) - DOUBLE.bias + (significand.square() > 2.0)
    clamped = exp.clamp(_E8M0.min_scale_exp, _E8M0.max_scale_exp)
    return DOUBLE.power_of_two(clamped).float()


def _of_minifloat(amax: Tensor, fmt: ScaledFp) -> Tensor:
    element = fmt.minifloat
    if fmt.scale is ScaleFormat.E8M0:
        exp = _power_of_two(amax, ScaleRule(fmt.scale_rule), element.man_bits, element.emax)
        return DOUBLE.power_of_two(exp).float()
    largest = amax.new_tensor(element.max_value)
    if fmt.scale is ScaleFormat.FP32:
        scale = amax / largest
    else:
        scale_format = as_minifloat(ScaleFormat.E4M3.value)
        of_tensor = amax.max() if amax.numel() else amax.new_tensor(0.0)
        unit = amax.new_tensor(scale_format.max_value) * (largest / of_tensor)
        scale = cast_finite((amax / largest) * unit, scale_format) / unit
        scale = torch.where(unit.isinf(), torch.zeros_like(scale), scale)
    return torch.where(scale == 0, torch.full_like(scale, LEAST_SCALE), scale)


_E8M0 = as_mx("mxint8")
"""A format with such a scale: its range."""


def _power_of_two(amax: Tensor, rule: ScaleRule, fraction_bits: int, e_max: int) -> Tensor:
    """Return golden's power_of_two: int64 exponents."""
    wide = torch.where(amax.isfinite(), amax, torch.zeros_like(amax)).double()
    bits = wide.view(DOUBLE.int_dtype)  # float32's subnormals are normal in float64
    exp = (bits >> DOUBLE.man_bits) - (DOUBLE.bias + e_max)
    fraction, one = bits & ((1 << DOUBLE.man_bits) - 1), 1 << DOUBLE.man_bits
    if rule is ScaleRule.CEIL:
        exp = exp + (fraction > 0)
    elif rule is ScaleRule.EVEN:
        exp = exp + (fraction >= one - (one >> (fraction_bits + 1)))
    return exp.clamp(_E8M0.min_scale_exp, _E8M0.max_scale_exp)
