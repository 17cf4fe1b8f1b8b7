"""The slow, obvious definition of block formats beyond Mx, on `Fraction`, a block at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from .oracle import Float, Real, ceil_log2, exact, floor_log2, is_special, pow2

E2M1, E4M3 = Float(2, 1, "none", None), Float(4, 3, "ocp_nan", None)
LEAST, MOST = -127, 127  # of an exponent of eight bits whose last code is NaN
SINGLE_MAX = (2 - pow2(-23)) * pow2(127)


def finite_part(block: Sequence[Real]) -> list[Fraction]:
    return [Fraction(0) if is_special(x) else exact(x) for x in block]


def clamped(exp: int) -> int:
    return max(LEAST, min(MOST, exp))


def micro_block(block: Sequence[Real], bits: int) -> tuple[list[int], list[int], int]:
    """Signed elements, micro-exponents, and the code of the shared exponent."""
    pairs = range(0, len(block), 2)
    if any(is_special(x) for x in block):
        return [0] * len(block), [0 for _ in pairs], 255
    values = finite_part(block)
    amax = max(abs(x) for x in values)
    if amax == 0:
        return [0] * len(block), [0 for _ in pairs], 0
    shared, top = clamped(floor_log2(amax)), 2 ** (bits - 1) - 1
    codes, micros = [], []
    for first in pairs:
        pair = values[first : first + 2]
        shift = int(all(x == 0 or floor_log2(abs(x)) <= shared - 1 for x in pair))
        step = pow2(shared - shift - bits + 2)
        codes += [max(-top, min(top, round(x / step))) for x in pair]
        micros.append(shift)
    return codes, micros, shared + 127


def micro_values(codes: list[int], micros: list[int], scale: int, bits: int) -> list[float]:
    if scale == 255:
        return [math.nan] * len(codes)
    steps = [pow2(scale - 127 - micros[i // 2] - bits + 2) for i in range(len(codes))]
    return [float(code * step) for code, step in zip(codes, steps, strict=True)]


def bfp_block(block: Sequence[Real], bits: int) -> tuple[list[int], int]:
    """Signed elements and the code of the exponent."""
    half, values = 2 ** (bits - 1), finite_part(block)
    amax = max(abs(x) for x in values)
    if amax == 0:
        return [0] * len(block), 0
    exp = clamped(floor_log2(amax))
    codes = [round(x / pow2(exp - bits + 2)) for x in values]
    if any(code >= half or code < -half for code in codes):
        exp = clamped(exp + 1)
        codes = [round(x / pow2(exp - bits + 2)) for x in values]
    for i, x in enumerate(block):
        codes[i] = max(-half, min(half - 1, codes[i]))
        if is_special(x):
            codes[i] = 1 - half if x == -math.inf else half - 1
    return codes, exp + 127


def least_squares_block(block: Sequence[Real]) -> tuple[list[int], int]:
    """E2M1 codes and the scale code."""
    if any(is_special(x) for x in block):
        return [0] * len(block), 255
    values = finite_part(block)
    amax = max(abs(x) for x in values)
    if amax == 0:
        return [0] * len(block), 0

    def made(exp: int) -> tuple[Fraction, list[int]]:
        codes = [
            E2M1.encode(x if value == 0 else value / pow2(exp))
            for x, value in zip(block, values, strict=True)
        ]
        error = [
            x - exact(E2M1.value(code)) * pow2(exp) for x, code in zip(values, codes, strict=True)
        ]
        return sum((e * e for e in error), Fraction(0)), codes

    exp = clamped(ceil_log2(amax) - 2)
    error, codes = made(exp)
    if exp > LEAST:
        other, finer = made(exp - 1)
        if other < error:
            return finer, exp - 1 + 127
    return codes, exp + 127


def single(x: Fraction) -> Real:
    """x >= 0 as one IEEE operation of fp32 rounds it."""
    if x == 0:
        return x
    unit = pow2(max(floor_log2(x) - 23, -149))
    rounded = round(x / unit) * unit
    return rounded if rounded <= SINGLE_MAX else math.inf


def quotient(a: Real, b: Real) -> Real:
    if math.isinf(a) or b == 0:
        return math.inf
    return Fraction(0) if math.isinf(b) else single(exact(a) / exact(b))


def product(a: Real, b: Real) -> Real:
    return math.inf if math.isinf(a) or math.isinf(b) else single(exact(a) * exact(b))


def two_level(
    groups: Sequence[Sequence[Real]], form: str, tensor_amax: Fraction | None = None
) -> tuple[list[list[int]], list[int], Fraction, list[list[float]]]:
    """Element codes, scale codes, the tensor's scale and the values."""
    if tensor_amax is None:
        tensor_amax = max(
            (abs(x) for group in groups for x in finite_part(group)), default=Fraction(0)
        )
    if form == "group":
        t = product(Fraction(448), quotient(Fraction(6), tensor_amax))
        t = exact(min(t, SINGLE_MAX))
    else:
        t = exact(single(tensor_amax / (6 * 448)))
    codes, scales, values = [], [], []
    for group in groups:
        first = quotient(max(abs(x) for x in finite_part(group)), Fraction(6))
        if form == "group":
            scale_code = E4M3.encode(product(first, t))
            scale = quotient(E4M3.value(scale_code), t)
        else:
            scale_code = E4M3.encode(Fraction(0) if t == 0 else quotient(first, t))
            scale = product(E4M3.value(scale_code), t)
        bad = any(is_special(x) for x in group)
        scales.append(127 if bad else scale_code)
        codes.append([0 if bad or scale == 0 else element(x, scale) for x in group])
        values.append([math.nan if bad else value(code, exact(scale)) for code in codes[-1]])
    return codes, scales, t, values


def element(x: Real, scale: Real) -> int:
    """The code of RN_E2M1 of the fp32 quotient; its sign is that of x."""
    magnitude = E2M1.encode(quotient(abs(exact(x)), scale))
    return magnitude | (8 if math.copysign(1, x) < 0 else 0)


def value(code: int, scale: Fraction) -> float:
    magnitude = float(exact(E2M1.value(code & 7)) * scale)
    return -magnitude if code & 8 else magnitude
