"""A slow, obvious definition of affine formats: fp32 arithmetic on `Fraction`, a value at a time.

It shares nothing with `plena_cosim.golden` and reads raw fields only. A number is a Python float
that fp32 holds, so that -0.0, Inf and NaN are themselves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from ..oracle import Float, floor_log2, pow2, scalar

LEAST = 2.0**-23
TINY = 2.0**-126
E_MAX = {"e4m3": 8, "e5m2": 15, "e3m2": 4, "e2m3": 2, "e2m1": 2}
LARGEST = {"e4m3": 448, "e5m2": 57344, "e3m2": 28, "e2m3": 7.5, "e2m1": 6}
FRACTION = {"e4m3": 3, "e5m2": 2, "e3m2": 2, "e2m3": 3, "e2m1": 1}
ROUND = {
    "rne": round,
    "rna": lambda x: math.floor(abs(x) + Fraction(1, 2)) * (1 if x > 0 else -1),
    "rdown": math.floor,
}


def rounded(x: Fraction, fraction_bits: int, emin: int, emax: int) -> Fraction | None:
    """The nearest number of a binary format, ties to even; None beyond its largest."""
    if x == 0:
        return x
    unit = pow2(max(floor_log2(abs(x)), emin) - fraction_bits)
    near = round(x / unit) * unit
    return None if abs(near) >= pow2(emax + 1) else near


def rn32(x: Fraction, *, negative: bool) -> float:
    near = rounded(x, 23, -126, 127)
    return math.copysign(math.inf if near is None else float(near), -1 if negative else 1)


def sign(*numbers: float) -> bool:
    return math.prod(math.copysign(1, x) for x in numbers) < 0


def div(a: float, b: float) -> float:
    negative = sign(a, b)
    if math.isnan(a) or math.isnan(b) or (a == b == 0) or (math.isinf(a) and math.isinf(b)):
        return math.nan
    if math.isinf(a) or b == 0:
        return math.copysign(math.inf, -1 if negative else 1)
    if math.isinf(b):
        return math.copysign(0, -1 if negative else 1)
    return rn32(Fraction(a) / Fraction(b), negative=negative)


def mul(a: float, b: float) -> float:
    if not (math.isfinite(a) and math.isfinite(b)):
        return a * b
    return rn32(Fraction(a) * Fraction(b), negative=sign(a, b))


def add(a: float, b: float) -> float:
    if not (math.isfinite(a) and math.isfinite(b)):
        return a + b
    total = Fraction(a) + Fraction(b)
    return a + b if total == 0 else rn32(total, negative=total < 0)


def ranges(fmt: Any) -> tuple[int, int]:
    """Smallest and largest code of an integer."""
    if fmt.symmetric_codes:
        return 1 - 2 ** (fmt.bits - 1), 2 ** (fmt.bits - 1) - 1
    low = -(2 ** (fmt.bits - 1)) if fmt.signed else 0
    return low, low + 2**fmt.bits - 1


def power(amax: float, rule: str, fraction_bits: int, e_max: int) -> int:
    """The exponent of a scale in e8m0."""
    if amax == 0:
        return -127
    exact = Fraction(amax)
    if rule == "even":  # half away, to so many bits below the leading one
        unit = pow2(floor_log2(exact) - fraction_bits)
        exact = math.floor(exact / unit + Fraction(1, 2)) * unit
    exp = floor_log2(exact)
    if rule == "ceil" and pow2(exp) != exact:
        exp += 1
    return min(127, max(-127, exp - e_max))


def nearest(scale: Fraction) -> Fraction:
    """The power of two that the scale is within a factor of √2 of, from 2^-127 to 2^127."""
    exp = floor_log2(scale)
    if scale * scale > pow2(2 * exp + 1):
        exp += 1
    return pow2(min(127, max(-127, exp)))


def scale_of(low: float, high: float, fmt: Any, amax_tensor: float) -> tuple[float, float]:
    """Scale and zero point of a range."""
    unknown = (math.nan, 0)
    rule = fmt.scale_rule.value
    if hasattr(fmt, "element"):
        name = fmt.element.name
        if not math.isfinite(amax_tensor) and fmt.scale.value == "e4m3":
            return unknown
        if not (math.isfinite(low) and math.isfinite(high)):
            return unknown
        amax = max(-min(low, 0.0), max(high, 0.0))
        if fmt.scale.value == "e8m0":
            return float(pow2(power(amax, rule, FRACTION[name], E_MAX[name]))), 0
        scale = div(amax, LARGEST[name])
        if fmt.scale.value == "e4m3":
            unit = mul(448.0, div(LARGEST[name], amax_tensor))
            if math.isinf(unit):
                return LEAST, 0
            near = rounded(Fraction(mul(scale, unit)), 3, -6, 8)
            assert near is not None
            scale = div(float(min(near, Fraction(448))), unit)
        return scale or LEAST, 0
    if not (math.isfinite(low) and math.isfinite(high)):
        return unknown
    bottom, top = ranges(fmt)
    zero: float = 0
    if fmt.zero_point.value == "float32":
        scale = div(add(high, -low), float(top - bottom))
        if scale <= LEAST:
            scale = 1.0
        zero = 0.0 - div(low, scale)
    elif fmt.zero_point.value == "int32":
        low, high = min(low, 0.0), max(high, 0.0)
        scale = div(add(high, -low), float(top - bottom))
        if fmt.scale.value == "pow2":
            scale = scale or 1.0
            if math.isfinite(scale):
                zero = min(top, max(bottom, math.trunc(add(float(bottom), -div(low, scale)))))
        else:
            scale = max(scale, LEAST)
            if math.isfinite(scale):
                zero = min(top, max(bottom, bottom - round(Fraction(div(low, scale)))))
    else:
        amax = max(-min(low, 0.0), max(high, 0.0))
        if fmt.scale.value == "e8m0":
            return float(pow2(power(amax, rule, fmt.bits, 0) - (fmt.bits - 2))), 0
        scale = div(amax, (top - bottom) / 2)
        scale = (scale or 1.0) if fmt.scale.value == "pow2" else max(scale, LEAST)
    if not math.isfinite(scale):
        return unknown
    if fmt.scale.value == "pow2":
        return float(nearest(Fraction(scale))), zero
    if fmt.scale.value in ("fp16", "bf16"):
        bits = (10, -14, 15) if fmt.scale.value == "fp16" else (7, -126, 127)
        near = rounded(Fraction(scale), *bits)
        largest = float(pow2(bits[2] + 1) - pow2(bits[2] - bits[0]))
        scale = largest if near is None else float(near)
    return scale, zero


def code_of(x: float, scale: float, zero: float, fmt: Any) -> int:
    """The code of one value."""
    if math.isnan(scale):
        return 0
    if hasattr(fmt, "element"):
        element, quotient = scalar(fmt.element), div(x, scale)
        assert isinstance(element, Float)
        if math.isinf(quotient):
            quotient = math.copysign(LARGEST[fmt.element.name], quotient)
        if not math.isfinite(quotient) or quotient == 0:
            return element.encode(quotient)
        return element.encode(Fraction(quotient))
    bottom, top = ranges(fmt)
    if fmt.quotient.value == "divide" or fmt.scale.value in ("e8m0", "pow2"):
        quotient = div(x, scale)
    else:
        quotient = mul(x, div(1.0, max(scale, TINY)))
    if fmt.zero_point.value == "float32":
        quotient = add(quotient, zero)
    if math.isnan(quotient):
        return top
    if math.isinf(quotient):
        return top if quotient > 0 else bottom
    whole = ROUND[fmt.rounding.value](Fraction(quotient))
    if fmt.zero_point.value == "int32":
        whole += int(zero)
    return min(top, max(bottom, whole))


def value_of(code: int, scale: float, zero: float, fmt: Any) -> float:
    """What a code is worth."""
    if hasattr(fmt, "element"):
        return mul(float(scalar(fmt.element).value(code)), scale)
    return mul(add(float(code), -float(zero)), scale)


def extremes(row: Sequence[float]) -> tuple[float, float]:
    if any(math.isnan(x) for x in row):
        return math.nan, math.nan
    return min(row), max(row)


def amax_of(rows: Sequence[Sequence[float]]) -> float:
    """The largest magnitude of a tensor: NaN where it holds one."""
    values = [abs(x) for row in rows for x in row]
    return math.nan if any(math.isnan(x) for x in values) else max(values)
