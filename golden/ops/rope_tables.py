"""rope_tables: the cosines and sines of rotary embedding, correctly rounded.

The angle is an algebraic number, so its sine and cosine are transcendental unless it is zero
(Lindemann): never a tie. Each is computed with a bound on its error, and taken once both ends of
the interval round to one code: in float64 first, which settles nearly all, else in integers with as
many bits as it takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from math import isqrt

import numpy as np

from ..codec import Codes, encode
from ..exact import Values, integer_to_odd
from ..float_environment import in_default_environment
from ..formats import FormatError, Minifloat, as_minifloat
from .rope import checked_stride

_FLOAT_ERROR = 2.0**-40
"""Far above what float64 loses on a reduced angle below 8: half an ulp of it, and a few of cos."""


@in_default_environment
def rope_tables(
    positions: Sequence[int],
    dim: int,
    fmt: Minifloat | str,
    *,
    base: float = 10000.0,
    stride: int | None = None,
) -> tuple[Codes, Codes]:
    """Return RN(cos(p * base^(-2i/dim))) and the sines, for every position p and pair i.

    Args:
        positions: token positions, integers in 0 .. 2^32 - 1.
        dim: elements of a head, even.
        fmt: format of the tables.
        base: of the geometric series of frequencies, above 1; taken exactly.
        stride: distance between the elements of a pair, as in `rope`; dim / 2 by default.

    Returns:
        cos and sin: codes of `fmt`, shape (len(positions), dim); both elements of pair i have the
        same entry. Rounded once from the true value.

    Raises:
        FormatError: an odd dim, a negative or fractional position, base <= 1, or a stride that
            does not fit.

    Source: Su et al., "RoFormer", 2021, equation 15.

    >>> from plena_cosim import golden
    >>> cos, sin = golden.ops.rope_tables([0, 1], 4, golden.get_format("bf16"))
    >>> [[hex(c) for c in row] for row in (cos[1], sin[1])]
    [['0x3f0a', '0x3f80', '0x3f0a', '0x3f80'], ['0x3f57', '0x3c24', '0x3f57', '0x3c24']]
    """
    fmt = as_minifloat(fmt)
    step = checked_stride(stride, dim)
    if not base > 1:
        raise FormatError(f"rope_tables: base must be above 1, got {base}")
    places = [int(position) for position in positions]
    for given, place in zip(positions, places, strict=True):
        if place != given or not 0 <= place < 1 << 32:
            raise FormatError(f"rope_tables: need positions in 0..2^32-1, got {given}")
    columns = [_column(places, Fraction(2 * i, dim), base, fmt) for i in range(dim // 2)]
    cos, sin = (np.stack([column[k] for column in columns], axis=-1) for k in (0, 1))
    pair = np.arange(dim) // (2 * step) * step + np.arange(dim) % step
    return cos[:, pair], sin[:, pair]


def _column(
    positions: list[int], power: Fraction, base: float, fmt: Minifloat
) -> tuple[Codes, Codes]:
    """Return cos and sin codes of p * base^-power for every position."""
    bits = 128
    frequency, turn = _frequency(base, power, bits), _two_pi(bits)
    # p < 2^32 times a frequency off by one unit, less p * f / 2 pi turns: off by less than 2^33
    # units of 2^-128.
    reduced = np.array([(p * frequency % turn) * 2.0**-bits for p in positions])
    results = []
    for index, function in enumerate((np.cos, np.sin)):
        values: Values = function(reduced)
        codes = encode(values - _FLOAT_ERROR, fmt)
        doubtful = codes != encode(values + _FLOAT_ERROR, fmt)
        for place in np.flatnonzero(doubtful):
            codes[place] = _certain(positions[place], power, base, fmt, index)
        results.append(codes)
    return results[0], results[1]


def _certain(position: int, power: Fraction, base: float, fmt: Minifloat, index: int) -> int:
    """Return the code of cos (index 0) or sin (1) of one angle, by integers."""
    if position == 0:
        return int(encode(1.0 - index, fmt))
    bits = 128
    while True:
        unit = _cos_sin(position * _frequency(base, power, bits) % _two_pi(bits), bits)[index]
        # The angle is off by less than 2^33 + 1 units of 2^-bits, the series by 2 units a term.
        ends = integer_to_odd(np.array([unit - (1 << 40), unit + (1 << 40)], dtype=object))
        low, high = encode(np.ldexp(ends, -bits), fmt)
        if low == high:
            return int(low)
        bits *= 2


def _cos_sin(angle: int, bits: int) -> tuple[int, int]:
    """Return cos and sin of angle * 2^-bits, in units of 2^-bits, by their series."""
    sums, term, index = [0, 0], 1 << bits, 0
    while term:
        sums[index % 2] += -term if index & 2 else term
        index += 1
        term = (term * angle >> bits) // index
    return sums[0], sums[1]


@lru_cache(maxsize=1024)
def _frequency(base: float, power: Fraction, bits: int) -> int:
    """Return floor(base^-power * 2^bits), by an integer root."""
    ratio = Fraction(base) ** power.numerator
    return _root((ratio.denominator << bits * power.denominator) // ratio.numerator, power)


def _root(radicand: int, power: Fraction) -> int:
    """Return floor(radicand^(1 / power.denominator)), by Newton's method from above."""
    degree = power.denominator
    if degree == 1:
        return radicand
    if degree == 2:
        return isqrt(radicand)
    root = 1 << -(-radicand.bit_length() // degree)
    while True:
        better = ((degree - 1) * root + radicand // root ** (degree - 1)) // degree
        if better >= root:
            return root
        root = better


@lru_cache(maxsize=16)
def _two_pi(bits: int) -> int:
    """Return 2 pi * 2^bits, off by less than one unit (Machin: pi = 16 atan 1/5 - 4 atan 1/239)."""
    work = bits + 16

    def atan_inverse(q: int) -> int:
        power, total, index = (1 << work) // q, 0, 1
        while power:
            total += power // index if index % 4 == 1 else -(power // index)
            power //= q * q
            index += 2
        return total

    return (32 * atan_inverse(5) - 8 * atan_inverse(239)) >> 16
