"""cast: values to the nearest values of a scalar format, and the rounding behind it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from plena_cosim.golden import FixedPoint, FormatError, Minifloat, Scalar

from .carrier import DOUBLE, SINGLE, Carrier
from .platform_check import require_subnormals


def cast(x: Tensor, fmt: Scalar) -> Tensor:
    """Return each value rounded once (RNE, saturating) to a value of `fmt`.

    Args:
        x: floating-point tensor, any shape.
        fmt: Minifloat or FixedPoint.

    Returns:
        The values of golden.encode(x, fmt): float32 where it holds every value of `fmt`, else
        float64. -0 and the sign of what underflows are kept (fixed point has only +0), Inf stays
        Inf where `fmt` has it and saturates elsewhere, NaN becomes the largest value where `fmt`
        has none.

    Raises:
        FormatError: `x` is not a floating-point tensor or `fmt` not a scalar format.
        ExactnessError: this thread flushes subnormals to zero.

    >>> from plena_cosim import golden
    >>> cast(torch.tensor([2.5, 10.0, -0.5]), golden.get_format("e2m1"))
    tensor([ 2.0000,  6.0000, -0.5000])
    """
    if not isinstance(fmt, (Minifloat, FixedPoint)):
        raise FormatError(f"cast: need a Minifloat or FixedPoint such as bf16, got {fmt!r}")
    if not isinstance(x, Tensor) or not x.is_floating_point():
        raise FormatError(f"cast: need a floating-point tensor, got {getattr(x, 'dtype', type(x))}")
    require_subnormals(x.device)
    values = x.detach()
    rounded = cast_finite(values, fmt)
    infinite = values.isinf()
    if not bool(infinite.any()):
        return rounded
    if isinstance(fmt, FixedPoint):
        lowest, highest = fixed_limits(fmt)
    else:
        highest = math.inf if fmt.has_inf else fmt.max_value
        lowest = -highest
    return rounded.masked_fill(infinite & (values > 0), highest).masked_fill(
        infinite & (values < 0), lowest
    )


def cast_finite(x: Tensor, fmt: Scalar) -> Tensor:
    """As `cast` for values that are finite or NaN, without its checks."""
    if x.dtype != torch.float64 and _is_bfloat16(fmt):
        # Values beyond the largest become Inf here, and the largest again in the clamp.
        return x.bfloat16().float().clamp_(-fmt.max_value, fmt.max_value)
    exact = x.double()
    rounded = round_values(exact.clone(), fmt, DOUBLE)
    if isinstance(fmt, Minifloat):
        rounded = torch.where(exact.isnan(), rounded, torch.copysign(rounded, exact))
    return rounded.to(value_dtype(fmt))


def _is_bfloat16(fmt: Scalar) -> bool:
    return isinstance(fmt, Minifloat) and (
        (fmt.man_bits, fmt.bias_value, fmt.has_inf) == (7, SINGLE.bias, True)
    )


def value_dtype(fmt: Scalar) -> torch.dtype:
    """Return float32 where it holds every value of `fmt`, else float64."""
    precision = fmt.precision if isinstance(fmt, Minifloat) else fmt.width_bits
    fits = (
        precision <= SINGLE.man_bits + 1
        and fmt.emax <= SINGLE.bias
        and fmt.lsb_exp >= SINGLE.min_exp - SINGLE.man_bits
    )
    return torch.float32 if fits else torch.float64


def fixed_limits(fmt: FixedPoint) -> tuple[float, float]:
    """Return the smallest and largest value."""
    lowest = -fmt.max_code - (0 if fmt.symmetric else 1)
    return math.ldexp(lowest, fmt.lsb_exp), fmt.max_value


def round_values(values: Tensor, fmt: Scalar, carrier: Carrier) -> Tensor:
    """Round `values` in place (RNE, saturating or wrapping) and return them.

    Args:
        values: in the carrier's dtype. The sign of a zero result is not kept; Inf saturates.
        fmt: the format; its precision is at most the carrier's.
        carrier: in float32 the caller sees to it that `fmt`'s units and the largest value times
            2^(man_bits - fraction bits + 1) are normal numbers.
    """
    if isinstance(fmt, FixedPoint):
        return _round_fixed(values, fmt)
    values.clamp_(-fmt.max_value, fmt.max_value)
    if carrier.man_bits > fmt.man_bits:
        smallest = (fmt.emin + carrier.bias) << carrier.man_bits
        binades = carrier.binade_bits(values).clamp_(min=smallest)
        constants = carrier.rounding_constants(binades, fmt.man_bits, smallest)
        values.add_(constants).sub_(constants)
    return values if fmt.has_nan else values.nan_to_num_(nan=fmt.max_value)


def _round_fixed(values: Tensor, fmt: FixedPoint) -> Tensor:
    values.nan_to_num_(nan=fmt.max_value, posinf=math.inf, neginf=-math.inf)
    unit = math.ldexp(1.0, fmt.lsb_exp)
    if fmt.wrap:
        # fmod is exact. The range is an even number of units, so that rounding commutes with it.
        modulus = math.ldexp(1.0, fmt.width_bits)
        values.fmod_(modulus * unit).div_(unit).round_().remainder_(modulus)
        values.sub_((values > fmt.max_code).to(values.dtype), alpha=modulus)
    else:
        lowest = -fmt.max_code - (0 if fmt.symmetric else 1)
        values.div_(unit).round_().clamp_(lowest, fmt.max_code)
    return values.mul_(unit).add_(0.0)
