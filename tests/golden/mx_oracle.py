"""The slow, obvious definition of MX blocks, block dots and the matrix unit, on `Fraction`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from .oracle import (
    Fixed,
    Real,
    ceil_log2,
    exact,
    floor_log2,
    is_special,
    pow2,
    scalar,
    splitmix64_high,
)
from .oracle import add as add_reals


def element_top(mx: Any) -> tuple[int, Fraction]:
    """(exponent of the element's largest binade, its largest value)."""
    element = scalar(mx.element)
    largest = exact(element.max_value)
    if isinstance(element, Fixed):
        return 0, largest  # OCP: MXINT8 counts up to 1.984375, its e_max is 0
    return floor_log2(largest), largest


def fraction_bits(mx: Any) -> int:
    element = scalar(mx.element)
    return element.width - 2 if isinstance(element, Fixed) else element.man_bits


def even_bits(mx: Any) -> int:
    """Fraction bits that `even` rounds amax to: of a minifloat its own, of an integer its width."""
    element = scalar(mx.element)
    return element.width if isinstance(element, Fixed) else element.man_bits


def unclamped_scale_exp(amax: Fraction, mx: Any) -> int:
    """The scale rules in words of docs/numerics.md, by exact comparison."""
    e_max, largest = element_top(mx)
    rule = mx.scale_rule.value
    is_mxint = isinstance(scalar(mx.element), Fixed)
    if rule == "mase" and is_mxint:
        # the LSB is 2^(ceil(log2 amax) - (W-1)); one LSB is 2^(scale - (W-2))
        width = scalar(mx.element).width
        return ceil_log2(amax) - (width - 1) + (width - 2)
    if rule in ("floor", "mase"):
        return floor_log2(amax) - e_max
    if rule == "clip":
        sixteenths = math.floor(16 * amax / pow2(floor_log2(amax)))  # 16 .. 31
        return floor_log2(amax) - e_max - (1 if sixteenths < 19 else 0)
    if rule == "ceil":
        return ceil_log2(amax) - e_max
    if rule == "rceil":
        return ceil_log2(amax / largest)
    unit = pow2(floor_log2(amax) - even_bits(mx))
    rounded = math.floor(amax / unit + Fraction(1, 2)) * unit  # half up
    return floor_log2(rounded) - e_max


def scale_bias(mx: Any) -> int:
    return (1 << (int(mx.scale_bits) - 1)) - 1


def scale_exp(amax: Fraction, mx: Any) -> int:
    low, high = -scale_bias(mx), (1 << int(mx.scale_bits)) - 1 - scale_bias(mx)
    if mx.scale_bits == 8:
        high -= 1  # code 255 is NaN
    if amax == 0:
        return low
    return max(low, min(high, unclamped_scale_exp(amax, mx)))


def scale_value(code: int, mx: Any) -> Real:
    if mx.scale_bits == 8 and code == 255:
        return math.nan
    return pow2(code - scale_bias(mx))


def quantize_block(
    block: Sequence[Real], mx: Any, seed: int = 0, first_index: int = 0
) -> tuple[list[int], int]:
    """Element codes and scale code of one block."""
    element = scalar(mx.element)
    specials = [is_special(x) for x in block]
    if any(specials) and mx.scale_bits == 8:
        return [0] * len(block), 255
    finite: list[Real] = [Fraction(0) if s else x for x, s in zip(block, specials, strict=True)]
    amax = max(abs(exact(x)) for x in finite)
    exp = scale_exp(amax, mx)
    codes = []
    for index, (x, special) in enumerate(zip(block, specials, strict=True)):
        if special:
            limit = exact(element.max_value)
            codes.append(element.encode(-limit if x == -math.inf else limit))
        elif amax == 0:
            codes.append(0)
        else:
            scaled: Real = x if exact(x) == 0 else exact(x) / pow2(exp)
            random = splitmix64_high(seed, first_index + index)
            codes.append(element.encode(scaled, mx.rounding.value, "saturate", random))
    return codes, exp + scale_bias(mx)


def block_values(codes: Sequence[int], scale: int, mx: Any) -> list[Real]:
    """What a block stands for."""
    factor = scale_value(scale, mx)
    values: list[Real] = []
    for code in codes:
        value = scalar(mx.element).value(code)
        if is_special(factor):
            values.append(math.nan)
        elif is_special(value) or exact(value) == 0:
            values.append(value)
        else:
            values.append(exact(value) * exact(factor))
    return values


def partial(
    a_codes: Sequence[int],
    a_scale: int,
    b_codes: Sequence[int],
    b_scale: int,
    a: Any,
    b: Any,
    acc: Any,
) -> int:
    """RN_acc of the exact dot of two blocks."""
    left, right = block_values(a_codes, a_scale, a), block_values(b_codes, b_scale, b)
    if any(is_special(x) for x in (*left, *right)):
        return scalar(acc).encode(math.nan)
    total = sum((exact(x) * exact(y) for x, y in zip(left, right, strict=True)), Fraction(0))
    return scalar(acc).encode(total)


def accumulate(total: int, part: int, acc: Any) -> int:
    oracle = scalar(acc)
    return oracle.encode(add_reals(oracle.value(total), oracle.value(part)))
