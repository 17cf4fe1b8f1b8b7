"""Bins that no input can reach, by the definition of an operation: never by a list of cases.

Where every input is tried nothing has to be argued; these rules are for the wide formats. They only
ever claim too little: a bin that is called impossible and is hit all the same is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from plena_cosim.golden import (
    FixedPoint,
    Minifloat,
    Mx,
    Overflow,
    Rounding,
    Scalar,
    ScaleRule,
    decode,
    encode,
)
from plena_cosim.golden.formats import CLIP_BELOW, as_enum
from plena_cosim.golden.mx import scale_exponent
from plena_cosim.golden.ops import exp
from plena_cosim.golden.ops.op import Family, Op

from ..stimuli.products import is_product
from .bins import magnitudes, probe_codes, scalar_partition

UPWARD = {"up into the next binade", "up to the smallest normal"}
INEXACT = {"below half", "tie above even", "tie above odd", "above half", *UPWARD}
TINY = {"underflow to zero", "subnormal, exact", "subnormal, inexact", "up to the smallest normal"}
LARGE = {"overflow", "beyond the largest by less than a step"}

ROUNDED_ONCE = (Family.BINARY, Family.CAST, Family.QUANTISE, Family.DEQUANTISE)
"""Families whose result is one rounding of an exact value."""
SUMS = ("fp_add", "fp_sub")
SOFTMAX = ("softmax", "online_softmax")


def is_lanewise(op: Op) -> bool:
    """Whether the result in a lane of the op's one vector depends on nothing but its code."""
    return op.family is Family.ACTIVATION and len(op.inputs) == 1


@dataclass(frozen=True, kw_only=True)
class Range:
    """The finite nonzero magnitudes that come to an op's one rounding."""

    unit_exp: int
    """All are multiples of 2^unit_exp, and that is the smallest."""
    largest: float
    """Of the negative ones, which in two's complement go further."""
    largest_positive: float
    precision: int
    """Significant bits."""


def rounded_format(op: Op, formats: Mapping[str, Any]) -> Scalar | Mx | None:
    """Return the format whose values the op's last step rounds, if that is all that it does."""
    # Products of matrices leave the accumulator through one cast.
    sources = {Family.CAST: "src", Family.DEQUANTISE: "mx", Family.MATRIX: "acc"}
    given: Scalar | Mx | None = formats.get(sources.get(op.family, ""))
    return given


def source_range(op: Op, formats: Mapping[str, Any]) -> Range | None:
    """Return the values that an op rounds once; None where that is not known."""
    given = rounded_format(op, formats)
    if given is not None:
        return _range(given)
    if op.family is Family.QUANTISE:
        src, mx = (formats[argument] for argument in op.formats)
        if isinstance(src, Mx):
            return _requantized(src, mx)
        whole = _scalar_range(src)
        clamped = float(np.ldexp(whole.largest, -mx.max_scale_exp))
        largest = max(_largest_scaled(mx), clamped)
        return Range(
            unit_exp=whole.unit_exp - _top_scale(src, mx),
            largest=largest,
            largest_positive=largest,
            precision=whole.precision,
        )
    return None


def _requantized(src: Mx, dst: Mx) -> Range:
    """Return the range of element / new scale: the old scale cancels, but for clamped new ones."""
    element = _scalar_range(src.element)
    scale = int(ideal_exponents(_top_exp(src.element), dst)[1])
    clamped = src.min_scale_exp - dst.min_scale_exp
    largest = float(np.ldexp(_range(src).largest, -dst.max_scale_exp))
    largest = max(_largest_scaled(dst), largest)
    return Range(
        unit_exp=element.unit_exp + min(-scale, clamped),
        largest=largest,
        largest_positive=largest,
        precision=element.precision,
    )


def _range(fmt: Scalar | Mx) -> Range:
    if not isinstance(fmt, Mx):
        return _scalar_range(fmt)
    element = _scalar_range(fmt.element)
    return Range(
        unit_exp=element.unit_exp + fmt.min_scale_exp,
        largest=float(np.ldexp(element.largest, fmt.max_scale_exp)),
        largest_positive=float(np.ldexp(element.largest_positive, fmt.max_scale_exp)),
        precision=element.precision,
    )


def _scalar_range(fmt: Scalar) -> Range:
    if isinstance(fmt, Minifloat):
        lowest, precision = fmt.max_value, fmt.precision
    else:  # an input can be any code, also of a symmetric format
        lowest, precision = float(np.ldexp(1.0, fmt.int_bits - 1)), fmt.width_bits - 1
    return Range(
        unit_exp=fmt.lsb_exp,
        largest=lowest,
        largest_positive=fmt.max_value,
        precision=precision,
    )


def _largest_scaled(mx: Mx) -> float:
    """Return a bound of |x| / scale, reached or nearly, where the scale's range does not limit."""
    top = float(np.ldexp(1.0, mx.element.emax))
    rule = ScaleRule(mx.scale_rule)
    if rule is ScaleRule.CEIL:
        return top
    if rule is ScaleRule.RCEIL:
        return mx.element.max_value
    if rule is ScaleRule.EVEN:
        return _below(top * (2 - float(np.ldexp(1.0, -mx.even_bits - 1))))
    if rule is ScaleRule.MASE and isinstance(mx.element, FixedPoint):
        return 2 * top
    if rule is ScaleRule.CLIP:
        return _below(2 * top * (1 + CLIP_BELOW))
    return _below(2 * top)


def _below(bound: float) -> float:
    return float(np.nextafter(bound, 0.0))


def impossible_events(op: Op, formats: Mapping[str, Any], modes: Mapping[str, Any]) -> set[str]:
    """Return the events of rounding that cannot happen.

    Args:
        op: of the registry.
        formats: its arguments by name: formats and sizes.
        modes: golden's further arguments, such as a rounding.
    """
    port = op.outputs[0]
    fmt = formats[port.fmt]
    rounding = fmt.rounding if isinstance(fmt, Mx) else modes.get("rounding", Rounding.RNE)
    dst: Scalar = fmt.element if isinstance(fmt, Mx) else fmt
    gone: set[str] = set()
    if as_enum(Rounding, rounding, "rounding mode") is Rounding.RTZ:
        gone |= UPWARD
    if isinstance(dst, FixedPoint):
        gone |= UPWARD | {"subnormal, exact", "subnormal, inexact"}
    elif dst.man_bits == 0:
        gone |= UPWARD | {"subnormal, exact"}
    if dst.max_code <= 1:
        gone |= {"tie above odd"}  # above the only odd code nothing is in range
    if op.name in SUMS:  # a sum of multiples of the smallest subnormal is one
        gone |= {"up to the smallest normal", "underflow to zero", "subnormal, inexact"}
    source = source_range(op, formats)
    return gone | (_out_of_range(source, dst) if source else set())


def _out_of_range(source: Range, dst: Scalar) -> set[str]:
    gone: set[str] = set()
    is_float = isinstance(dst, Minifloat)
    if source.largest <= dst.max_value:
        gone |= LARGE
    step = float(np.ldexp(1.0, dst.emax - dst.man_bits if is_float else dst.lsb_exp))
    if source.largest < dst.max_value + step:
        gone |= {"overflow"}
    if _top_is_exact(source, dst):
        gone |= {"beyond the largest by less than a step"}
    on_grid = source.unit_exp >= dst.lsb_exp
    if on_grid:
        gone |= TINY - {"subnormal, exact"}
    if isinstance(dst, Minifloat):
        if source.unit_exp >= dst.emin:
            gone |= TINY
        if source.precision <= dst.precision:  # normal results are exact
            gone |= {"up into the next binade"}
        if source.precision <= dst.man_bits:  # and so are those of the largest subnormal binade
            gone |= {"up to the smallest normal"}
    if on_grid and (not isinstance(dst, Minifloat) or source.precision <= dst.precision):
        gone |= INEXACT
    return gone


def _top_is_exact(source: Range, dst: Scalar) -> bool:
    """Whether what the source has in the largest binade of `dst` lies on its grid."""
    grid = dst.precision if isinstance(dst, Minifloat) else dst.width_bits - 1
    on_grid = isinstance(dst, FixedPoint) and source.unit_exp >= dst.lsb_exp
    return on_grid or source.precision <= grid


def impossible_kinds(
    op: Op, port: str, formats: Mapping[str, Any], modes: Mapping[str, Any]
) -> set[str]:
    """Return the kinds of codes that an output cannot have.

    Args:
        op: of the registry.
        port: the output's name.
        formats: the op's arguments by name.
        modes: golden's further arguments, such as a rounding.
    """
    if op.name in SOFTMAX:
        exact = _holds(formats["red"], formats["fmt"])  # else the maximum is not one of the row
        return _softmax_kinds(op, port, formats) if exact else set()
    if op.name == "fp_to_nvfp4" and port == "scale":
        return {name for name in scalar_partition(formats["scale"]).names if name[0] == "-"}
    if port != op.outputs[0].name:
        return set()
    fmt = formats[op.outputs[0].fmt]
    dst: Scalar = fmt.element if isinstance(fmt, Mx) else fmt
    names = scalar_partition(dst).names
    gone: set[str] = set()
    if op.family is not Family.SIGN:  # these keep a NaN's bits, others make it positive
        gone |= {"-NaN"} & set(names)
    if isinstance(dst, FixedPoint) and dst.symmetric:
        gone |= {"-lowest"} & set(names)
    multiplies = is_product(op)
    if multiplies and "v" not in op.formats:
        gone |= {"-zero"} & set(names)  # a sum is -0 only if both are; the first is not
    if op.name == "hadamard" and formats["block"] > 1:
        gone |= {"+largest finite", "-largest finite"} & set(names)  # last comes a factor below 1
    if op.name == "attention_step" and _holds_one(formats["fmt"]) and _holds_one(formats["red"]):
        gone |= {"+Inf", "-Inf"} & set(names)  # sums saturate, and what divides them is 0 or >= 1
    if op.family is Family.SCALED_DOT:
        return gone | _beyond_scaled_sums(formats)
    if op.family not in ROUNDED_ONCE and not multiplies:
        return gone
    gone |= _absent_specials(op, formats, modes, dst) & set(names)
    source = source_range(op, formats)
    wraps = isinstance(dst, FixedPoint) and dst.wrap
    if source is None or wraps:
        return gone
    if isinstance(dst, Minifloat):
        gone |= _too_precise(source, dst, modes) & set(names)
    gone |= _unreached(source, op, formats, dst)
    return gone - _stand_ins(op, formats, dst)


def _beyond_scaled_sums(formats: Mapping[str, Any]) -> set[str]:
    """Return the kinds that sums of dots with minifloat scales never are.

    A partial is a multiple of the smallest product of two elements and two scales, and bounded; a
    sum stops growing where the largest partial is less than half its unit. It is never -0.
    """
    element, scale, acc = (formats[name] for name in ("element", "scale", "acc"))
    unit_exp = 2 * (element.lsb_exp + scale.lsb_exp)
    least = float(np.ldexp(1.0, max(unit_exp, acc.lsb_exp)))
    partial = formats["lanes"] * (element.max_value * scale.max_value) ** 2
    most = partial * 2.0 ** (acc.man_bits + 2)
    codes = np.arange(1 << acc.width_bits) if acc.width_bits <= 16 else probe_codes(acc)
    values, partition = decode(codes, acc), scalar_partition(acc)
    sizes = np.abs(values)
    inside = (sizes >= least) & (sizes <= most)
    if not acc.has_nan:  # what stands for NaN
        inside |= codes == acc.max_code
    if isinstance(acc, FixedPoint):
        inside = np.ones_like(inside)
    possible = inside | np.isnan(values) | ((values == 0) & ~np.signbit(values))
    return set(partition.names) - {
        partition.names[kind] for kind in np.unique(partition.classify(codes[possible]))
    }


def _softmax_kinds(op: Op, port: str, formats: Mapping[str, Any]) -> set[str]:
    """Return the kinds that weights, sums and maxima of a softmax never are.

    Weights p and corrections c are exponentials of what is not above 0. A sum l is 0 or, since the
    largest element has weight 1, at least 1; it stops growing where adding all lanes is less than
    half a unit. A result y lies in 0 .. 1. The maximum m starts finite and a NaN loses.
    """
    fmt: Minifloat = formats["fmt"]
    partition = scalar_partition(fmt)
    codes = np.arange(1 << fmt.width_bits)
    values = decode(codes, fmt)
    positive = codes < fmt.sign_mask
    if port in ("p", "c"):
        possible = np.append(exp(codes[values <= 0], fmt), 0)
    elif port == "l":
        most = formats["lanes"] * 2.0 ** (fmt.precision + 1)
        possible = codes[positive & ((values == 0) | ((values >= 1) & (values <= most)))]
    elif port == "m":
        possible = codes[values > -np.inf]
    else:
        possible = codes[positive & (values >= 0) & (values <= 1)]
    kinds = {partition.names[kind] for kind in np.unique(partition.classify(possible))}
    # A NaN element has the weight NaN; a correction is NaN only by Inf - Inf.
    if fmt.has_nan and (port in ("p", "l", "y") or (port == "c" and fmt.has_inf)):
        kinds |= {"+NaN"}
    return set(partition.names) - kinds


def _holds(wide: Minifloat, narrow: Minifloat) -> bool:
    """Whether every finite value of a format is one of another."""
    return (
        wide.precision >= narrow.precision
        and wide.lsb_exp <= narrow.lsb_exp
        and wide.max_value >= narrow.max_value
    )


def _holds_one(fmt: Scalar) -> bool:
    return bool(decode(encode([1.0], fmt), fmt)[0] == 1)


def _too_precise(source: Range, dst: Minifloat, modes: Mapping[str, Any]) -> set[str]:
    """Return the kinds with a last bit that what the source has in that binade never sets."""
    gone = set()
    if source.precision < dst.man_bits:
        gone |= {"+largest subnormal", "-largest subnormal"}
    saturates = as_enum(Overflow, modes.get("overflow", "saturate"), "") is Overflow.SATURATE
    nearest = as_enum(Rounding, modes.get("rounding", "rne"), "") in (Rounding.RNE, Rounding.RNA)
    stops = saturates or not nearest or not dst.has_nan  # without Inf and NaN it always saturates
    for sign, largest in (("+", source.largest_positive), ("-", source.largest)):
        if source.precision < _bits_of(dst.max_value) and not (stops and largest > dst.max_value):
            gone.add(f"{sign}largest finite")
    return gone


def _bits_of(value: float) -> int:
    """Return the number of significant bits of a value.

    >>> _bits_of(448.0)
    3
    """
    odd = value.as_integer_ratio()[0]
    return (odd // (odd & -odd)).bit_length()


def _stand_ins(op: Op, formats: Mapping[str, Any], dst: Scalar) -> set[str]:
    """Return the finite kinds that take the place of specials which the result's format lacks."""
    given = rounded_format(op, formats) or formats[op.inputs[0].fmt]
    source = given.element if isinstance(given, Mx) else given
    nan = source.has_nan or (isinstance(given, Mx) and given.scale_nan_code is not None)
    inf = isinstance(source, Minifloat) and source.has_inf
    if op.family is Family.QUANTISE:  # with a NaN scale the elements are zero
        lacks_nan = lacks_inf = formats[op.outputs[0].fmt].scale_nan_code is None
    else:
        lacks_nan = not dst.has_nan
        lacks_inf = not (isinstance(dst, Minifloat) and dst.has_inf)
    kinds: set[str] = set()
    if (nan and lacks_nan) or (inf and lacks_inf):
        kinds |= {"+largest finite", "+largest"}
    if inf and lacks_inf:
        one_further = isinstance(dst, FixedPoint) and not dst.symmetric
        kinds |= {"-lowest"} if one_further else {"-largest finite", "-largest"}
    return kinds


def _absent_specials(
    op: Op, formats: Mapping[str, Any], modes: Mapping[str, Any], dst: Scalar
) -> set[str]:
    if op.family is Family.QUANTISE:  # a special makes the scale NaN, or saturates
        return {"+Inf", "-Inf", "+NaN"}
    sources = [formats[port.fmt] for port in op.inputs if port.fmt]
    scalars = [fmt.element if isinstance(fmt, Mx) else fmt for fmt in sources]
    floats = [fmt for fmt in scalars if isinstance(fmt, Minifloat)]
    has_inf = any(fmt.has_inf for fmt in floats)
    has_nan = any(fmt.has_nan for fmt in floats) or any(
        isinstance(fmt, Mx) and fmt.scale_nan_code is not None for fmt in sources
    )
    limit = as_enum(Overflow, modes.get("overflow", Overflow.SATURATE), "overflow mode")
    becomes_inf = limit is Overflow.IEEE
    becomes_nan = becomes_inf and isinstance(dst, Minifloat) and not dst.has_inf
    gone: set[str] = set()
    if is_product(op) or not (has_inf or becomes_inf):  # a block with an Inf has no dot
        gone |= {"+Inf", "-Inf"}
    acc = formats.get("acc")
    stops_nan = "v" in op.formats and acc is not None and not acc.has_nan
    if stops_nan or not (has_inf or has_nan or becomes_nan):
        gone |= {"+NaN"}
    return gone


def _unreached(source: Range, op: Op, formats: Mapping[str, Any], dst: Scalar) -> set[str]:
    """Return the finite kinds outside of what the source's range rounds to."""
    smallest = float(np.ldexp(1.0, source.unit_exp))
    low = int(encode([smallest], dst, rounding=Rounding.RTZ)[0])
    high = int(encode([min(source.largest, dst.max_value)], dst, rounding=Rounding.RUP)[0])
    small = dst.width_bits <= 16
    codes = np.arange(1 << dst.width_bits) if small else probe_codes(dst)
    sizes = magnitudes(codes, dst)
    partition = scalar_partition(dst)
    kinds = partition.classify(codes)
    saturates = source.largest > dst.max_value
    lowest = dst.max_code + 1 if isinstance(dst, FixedPoint) and saturates else high
    inside = (sizes >= low) & (sizes <= max(high, lowest))
    gone = set()
    for kind, name in enumerate(partition.names):
        special = name.endswith(("Inf", "NaN", "zero"))
        if not special and not (inside & (kinds == kind)).any():
            gone.add(name)
    given = rounded_format(op, formats) or formats[op.inputs[0].fmt]
    from_fixed = isinstance(given.element if isinstance(given, Mx) else given, FixedPoint)
    if isinstance(dst, FixedPoint) and source.precision < dst.width_bits - 1 and not dst.symmetric:
        gone |= {"-largest"} & set(partition.names)  # the source's steps are larger there
    if from_fixed and low > 0 and "-zero" in partition.names:  # fixed point has no -0
        gone.add("-zero")
    return gone


def scale_limits(src: Scalar, mx: Mx) -> tuple[bool, bool]:
    """Return whether a scale can be surely clamped to its smallest, and to its largest."""
    low, high = ideal_exponents(_scalar_range(src).unit_exp, mx)[1], _top_exp(src)
    return low < mx.min_scale_exp, ideal_exponents(high, mx)[0] > mx.max_scale_exp


def _top_exp(src: Scalar | Mx) -> int:
    return int(np.frexp(_range(src).largest)[1]) - 1


def _top_scale(src: Scalar | Mx, mx: Mx) -> int:
    """Return the largest exponent that the scale of a block can get."""
    return int(scale_exponent(np.array([_range(src).largest]), mx)[0])


def ideal_exponents(floor_log2: Any, mx: Mx) -> tuple[Any, Any]:
    """Return the smallest and largest exponent that the rule wants for an amax of this binade."""
    exp = floor_log2 - mx.element.emax
    rule = ScaleRule(mx.scale_rule)
    if rule is ScaleRule.CLIP or (rule is ScaleRule.MASE and isinstance(mx.element, FixedPoint)):
        return exp - 1, exp
    return exp, exp + (rule in (ScaleRule.CEIL, ScaleRule.EVEN, ScaleRule.RCEIL))


def impossible_scales(src: Scalar | Mx, mx: Mx) -> set[str]:
    """Return the kinds of scale codes that quantising cannot give."""
    gone: set[str] = set()
    top = ideal_exponents(_top_exp(src), mx)[1]
    if top < mx.max_scale_exp:
        gone |= {"largest"}
    if top < 0:
        gone |= {"2^0"}
    scalar = src.element if isinstance(src, Mx) else src
    scale_nan = isinstance(src, Mx) and src.scale_nan_code is not None
    if not (scale_nan or scalar.has_nan):
        gone |= {"NaN"}
    return gone
