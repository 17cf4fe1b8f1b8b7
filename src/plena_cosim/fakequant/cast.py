"""cast: values to the nearest values of a scalar format, and the rounding behind it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from plena_cosim.golden import FixedPoint, FormatError, Minifloat, Overflow, Rounding, Scalar
from plena_cosim.golden.formats import as_enum, as_scalar

from .backend import operation
from .carrier import DOUBLE, SINGLE, Carrier, is_finite
from .element import round_units
from .kernels import compiled
from .pieces import in_pieces
from .platform_check import require_subnormals


@operation
def cast(
    x: Tensor,
    fmt: Scalar | str,
    *,
    rounding: Rounding | str = Rounding.RNE,
    overflow: Overflow | str = Overflow.SATURATE,
) -> Tensor:
    """Return each value rounded once to a value of `fmt`.

    Args:
        x: floating-point tensor, any shape.
        fmt: Minifloat or FixedPoint.
        rounding: any mode but the stochastic one.
        overflow: as in golden.encode.

    Returns:
        The values of golden.encode(x, fmt): float32 where it holds every value of `fmt`, else
        float64. -0 and the sign of what underflows are kept where `fmt` has -0, Inf stays Inf where
        `fmt` has it and by default saturates elsewhere, NaN becomes the largest value where `fmt`
        has none.

    Raises:
        FormatError: `x` is not a floating-point tensor, `fmt` not a scalar format, or the rounding
            stochastic.
        ExactnessError: this thread flushes subnormals to zero.

    >>> from plena_cosim import golden
    >>> e2m1 = golden.get_format("e2m1")
    >>> cast(torch.tensor([2.5, 10.0, -0.5]), e2m1)
    tensor([ 2.0000,  6.0000, -0.5000])
    >>> cast(torch.tensor([2.5, 10.0, -0.6]), e2m1, rounding="rup")
    tensor([ 3.0000,  6.0000, -0.5000])
    """
    fmt = as_scalar(fmt)
    if not isinstance(x, Tensor) or not x.is_floating_point():
        raise FormatError(f"cast: need a floating-point tensor, got {getattr(x, 'dtype', type(x))}")
    mode = as_enum(Rounding, rounding, "rounding mode")
    limit = as_enum(Overflow, overflow, "overflow mode")
    if mode is Rounding.STOCHASTIC:
        raise FormatError("cast: rounding is rne, rna, rtz, rup or rdown, got stochastic")
    require_subnormals(x.device)
    values = x.detach()
    nearest = mode is Rounding.RNE and limit is Overflow.SATURATE
    if nearest and isinstance(fmt, Minifloat) and compiled(values):
        from .kernels import calls

        done = calls.cast(values, fmt)
        if done is not None:
            return done
    return in_pieces(lambda part: _cast(part, fmt, mode, limit), values)


def _cast(values: Tensor, fmt: Scalar, mode: Rounding, limit: Overflow) -> Tensor:
    if mode is Rounding.RNE and limit is Overflow.SATURATE:
        rounded = cast_finite(values, fmt)
    else:
        rounded = _cast_by_mode(values, fmt, mode, limit)
    if is_finite(values):
        return rounded
    infinite = values.isinf()
    if isinstance(fmt, FixedPoint):
        lowest, highest = fixed_limits(fmt)
    else:
        highest = _infinity(fmt, limit)
        lowest = -highest
    return rounded.masked_fill(infinite & (values > 0), highest).masked_fill(
        infinite & (values < 0), lowest
    )


def cast_finite(x: Tensor, fmt: Scalar) -> Tensor:
    """As `cast` to nearest for values that are finite or NaN, without its checks."""
    if isinstance(fmt, Minifloat) and x.dtype != torch.float64:
        native = native_dtype(fmt)
        if native is not None:
            # Values beyond the largest become Inf here, and the largest again in the clamp.
            return x.to(native).float().clamp(-fmt.max_value, fmt.max_value)
        if rounds_in_single(fmt):
            single = x.float()
            rounded = single.clamp(-fmt.max_value, fmt.max_value)
            round_minifloat(rounded, fmt, SINGLE)
            if fmt.has_negative_zero:
                rounded.copysign_(single)
            return rounded if fmt.has_nan else rounded.nan_to_num_(nan=fmt.max_value)
    exact = x.double()
    rounded = round_values(exact.clone(), fmt, DOUBLE)
    if fmt.has_negative_zero:
        rounded = torch.where(exact.isnan(), rounded, torch.copysign(rounded, exact))
    return rounded.to(value_dtype(fmt))


def _cast_by_mode(x: Tensor, fmt: Scalar, mode: Rounding, limit: Overflow) -> Tensor:
    """As `cast_finite` for any deterministic mode and overflow, in float64."""
    exact = x.double()
    if isinstance(fmt, FixedPoint):
        return _round_fixed(exact.clone(), fmt, mode).to(value_dtype(fmt))
    bound = math.ldexp(1.0, fmt.emax + 2)  # rounds to beyond the largest value in every mode
    inside = exact.clamp(-bound, bound)
    if mode is Rounding.RNE:
        rounded = round_minifloat(inside.clone(), fmt, DOUBLE)
    else:
        # A quarter of a unit rounds as everything below it does, and a division keeps it.
        least = math.ldexp(1.0, fmt.lsb_exp - 2)
        inside = torch.where(inside == 0, inside, torch.copysign(inside.abs().clamp(least), inside))
        smallest = (fmt.emin + DOUBLE.bias) << DOUBLE.man_bits
        binades = DOUBLE.binade_bits(inside).clamp_(min=smallest)
        unit = (binades - (fmt.man_bits << DOUBLE.man_bits)).view(DOUBLE.dtype)
        rounded = round_units(inside / unit, mode) * unit
    rounded = torch.copysign(rounded, exact) if fmt.has_negative_zero else rounded + 0.0
    beyond = _infinity(fmt, limit) if limit is Overflow.IEEE else fmt.max_value
    high = fmt.max_value if mode in (Rounding.RTZ, Rounding.RDOWN) else beyond
    low = -fmt.max_value if mode in (Rounding.RTZ, Rounding.RUP) else -beyond
    rounded = torch.where(
        rounded > fmt.max_value, high, torch.where(rounded < -fmt.max_value, low, rounded)
    )
    rounded = rounded if fmt.has_nan else torch.where(exact.isnan(), fmt.max_value, rounded)
    return rounded.to(value_dtype(fmt))


def _infinity(fmt: Minifloat, overflow: Overflow) -> float:
    """Return what stands for +Inf."""
    if fmt.has_inf:
        return math.inf
    return math.nan if overflow is Overflow.IEEE and fmt.has_nan else fmt.max_value


_NATIVE = {
    (7, SINGLE.bias): torch.bfloat16,
    (10, 15): torch.float16,
    (23, SINGLE.bias): torch.float32,
}


def native_dtype(fmt: Minifloat) -> torch.dtype | None:
    """Return torch's own type of this format, to which it rounds as IEEE 754."""
    return _NATIVE.get((fmt.man_bits, fmt.bias_value)) if fmt.has_inf else None


def rounds_in_single(fmt: Minifloat) -> bool:
    """Whether `round_values` may run in float32."""
    up = SINGLE.man_bits - fmt.man_bits
    return up > 0 and fmt.lsb_exp >= SINGLE.min_exp and fmt.emax + up + 2 <= SINGLE.bias


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
        values: in the carrier's dtype. A zero result is +0; Inf saturates.
        fmt: the format; its precision is at most the carrier's.
        carrier: in float32 the caller sees to it that `fmt`'s units and the largest value times
            2^(man_bits - fraction bits + 1) are normal numbers.
    """
    if isinstance(fmt, FixedPoint):
        return _round_fixed(values, fmt)
    values.clamp_(-fmt.max_value, fmt.max_value)
    round_minifloat(values, fmt, carrier)
    return values if fmt.has_nan else values.nan_to_num_(nan=fmt.max_value)


def round_minifloat(values: Tensor, fmt: Minifloat, carrier: Carrier) -> Tensor:
    """Round `values` in place (RNE) to the last place that `fmt` has for each, and return them.

    Args:
        values: in the carrier's dtype, no Inf; those beyond the largest of `fmt` round as if its
            exponents went on. NaN stays NaN, a zero result is +0.
        fmt, carrier: as in `round_values`.

    Returns:
        `values`, as they were where the carrier has no more fraction bits than `fmt`.
    """
    if carrier.man_bits > fmt.man_bits:
        smallest = (fmt.emin + carrier.bias) << carrier.man_bits
        binades = carrier.binade_bits(values).clamp_(min=smallest)
        constants = carrier.rounding_constants(binades, fmt.man_bits, smallest)
        values.add_(constants).sub_(constants)
    return values


def _round_fixed(values: Tensor, fmt: FixedPoint, mode: Rounding = Rounding.RNE) -> Tensor:
    values.nan_to_num_(nan=fmt.max_value, posinf=math.inf, neginf=-math.inf)
    unit = math.ldexp(1.0, fmt.lsb_exp)
    if fmt.wrap:
        # fmod is exact. The range is an even number of units, so that rounding commutes with it.
        modulus = math.ldexp(1.0, fmt.width_bits)
        values = round_units(values.fmod_(modulus * unit).div_(unit), mode).remainder_(modulus)
        values.sub_((values > fmt.max_code).to(values.dtype), alpha=modulus)
    else:
        lowest = -fmt.max_code - (0 if fmt.symmetric else 1)
        values = round_units(values.div_(unit), mode).clamp_(lowest, fmt.max_code)
    return values.mul_(unit).add_(0.0)
