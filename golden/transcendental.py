"""Correctly rounded functions of exact reals, in integer arithmetic.

Each function takes the exact value n * 2^k of a code and returns float64 rounded to odd, which
`encode` then rounds once to the code (see `exact.py`). Algebraic functions use integer division and
square roots, whose remainder says whether the result is exact. The others are irrational for every
argument that is not special-cased (Lindemann, Gelfond-Schneider), so their last bit is always set;
it only has to be certain that the bits above it are right, and `_odd_from_bounds` checks that.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import copysign, isqrt, ldexp, nan

_GUARD_BITS = 64
"""Working precision beyond the 53 bits kept; a doubtful result doubles it."""


def reciprocal_of(n: int, k: int) -> float:
    """Return 1 / (n * 2^k) rounded to odd, n != 0."""
    shift = n.bit_length() + 60
    quotient, rest = divmod(1 << shift, abs(n))
    return copysign(_odd(quotient, -k - shift, inexact=rest != 0), n)


def square_root(n: int, k: int) -> float:
    """Return sqrt(n * 2^k) rounded to odd; NaN for n < 0."""
    if n < 0:
        return nan
    shift = 120 + (k & 1)  # n * 2^shift has an even exponent and at least 120 bits
    root = isqrt(n << shift)
    return _odd(root, (k - shift) // 2, inexact=root * root != n << shift)


def reciprocal_square_root(n: int, k: int) -> float:
    """Return 1 / sqrt(n * 2^k) rounded to odd; NaN for n < 0."""
    if n < 0:
        return nan
    # floor(sqrt(2^s / n)): exact when n divides 2^s and the quotient is a square.
    shift = 2 * n.bit_length() + 120 + (k & 1)
    quotient, rest = divmod(1 << shift, n)
    root = isqrt(quotient)
    return _odd(root, (-k - shift) // 2, inexact=rest != 0 or root * root != quotient)


def exponential(n: int, k: int) -> float:
    """Return e^(n * 2^k) rounded to odd, n != 0."""
    if _magnitude_exp(n, k) > 9:
        return 2.0**900 if n > 0 else 2.0**-900
    return _until_certain(lambda bits: _exp_bounds(n, k, bits))


def exponential_base_2(n: int, k: int) -> float:
    """Return 2^(n * 2^k) rounded to odd, n != 0."""
    if _magnitude_exp(n, k) > 9:
        return 2.0**900 if n > 0 else 2.0**-900
    if k >= 0 or n % (1 << -k) == 0:
        return 2.0 ** (n << k if k >= 0 else n >> -k)

    return _until_certain(lambda bits: _exp2_bounds(n, k, bits))


def logistic(n: int, k: int) -> float:
    """Return 1 / (1 + e^-(n * 2^k)) rounded to odd, n != 0."""
    if _magnitude_exp(n, k) > 9:
        return 1.0 - 2.0**-53 if n > 0 else 2.0**-900

    def bounds(bits: int) -> tuple[int, int, int]:
        # x < 0: E / (1 + E) with E = e^x < 1, monotonic in E. x > 0: 1 minus that of -x.
        low, high, exp = _exp_bounds(-abs(n), k, bits)
        one = 1 << -exp
        shift = 2 * bits - exp
        low_tail, high_tail = (low << shift) // (one + low), -((-high << shift) // (one + high))
        if n < 0:
            return low_tail, high_tail, -shift
        return (1 << shift) - high_tail, (1 << shift) - low_tail, -shift

    return _until_certain(bounds)


def floor_exp2(n: int, k: int, frac_bits: int) -> int:
    """Return floor(2^(n * 2^k) * 2^frac_bits): an entry of a hardware table.

    Args:
        n, k: integers with n * 2^k in (0, 1).
        frac_bits: fraction bits of the result.
    """
    bits = frac_bits + _GUARD_BITS
    while True:
        low, high, exp = _exp2_bounds(n, k, bits)
        drop = -exp - frac_bits
        if drop >= 1 and low >> drop == high >> drop:
            return low >> drop
        bits *= 2


def floor_ln2(frac_bits: int) -> int:
    """Return floor(ln 2 * 2^frac_bits)."""
    low = _ln2(frac_bits + _GUARD_BITS) - 1
    assert low >> _GUARD_BITS == low + 2 >> _GUARD_BITS, f"{frac_bits} bits of ln 2 need more guard"
    return low >> _GUARD_BITS


def floor_log2_e(frac_bits: int) -> int:
    """Return floor(log2(e) * 2^frac_bits)."""
    bits = 2 * frac_bits + _GUARD_BITS
    low, high = ((1 << bits + frac_bits) // (_ln2(bits) + error) for error in (1, -1))
    assert low == high, f"{frac_bits} bits of log2(e) need more guard"
    return low


def _magnitude_exp(n: int, k: int) -> int:
    return abs(n).bit_length() + k


def _odd(magnitude: int, exp: int, *, inexact: bool) -> float:
    """Return magnitude * 2^exp, or when inexact the odd float64 around magnitude + (0, 1)."""
    drop = max(magnitude.bit_length() - 53, 0)
    kept = magnitude >> drop
    if inexact or kept << drop != magnitude:
        kept |= 1
    return ldexp(float(kept), exp + drop)


def _until_certain(bounds: Callable[[int], tuple[int, int, int]]) -> float:
    """Return the odd float64 between bounds (low, high, exp) once they agree on its 53 bits."""
    bits = 53 + _GUARD_BITS
    while True:
        low, high, exp = bounds(bits)
        drop = low.bit_length() - 53
        if drop >= 1 and low >> drop == high >> drop and low != high:
            return _odd(low, exp, inexact=True)
        bits *= 2


def _exp_bounds(n: int, k: int, bits: int) -> tuple[int, int, int]:
    """Return (low, high, exp) with low < e^(n * 2^k) / 2^exp < high and about `bits` bits."""
    unit = max(bits + 16, -k)
    return _exp_bounds_fixed(n << (k + unit), -unit, bits, argument_error=0)


def _exp2_bounds(n: int, k: int, bits: int) -> tuple[int, int, int]:
    """Return (low, high, exp) with low < 2^(n * 2^k) / 2^exp < high, n * 2^k not whole, k < 0."""
    whole = n >> -k
    fraction = n - (whole << -k)  # in (0, 2^-k)
    unit = max(bits, -k)
    argument = fraction * _ln2(unit) >> -k
    low, high, exp = _exp_bounds_fixed(argument, -unit, bits, argument_error=2)
    return low, high, exp + whole


def _exp_bounds_fixed(
    argument: int, unit_exp: int, bits: int, *, argument_error: int
) -> tuple[int, int, int]:
    """Bounds of e^x for x within argument_error units 2^unit_exp of argument * 2^unit_exp."""
    unit = -unit_exp
    ln2 = _ln2(unit)
    whole = argument // ln2
    rest = argument - whole * ln2  # in [0, ln 2); off by |whole| + argument_error units at most
    term = total = 1 << unit
    index = 0
    while term:
        index += 1
        term = (term * rest >> unit) // index
        total += term
    # Each term and the tail lose under 2 units; e^rest < 2 doubles the argument's error.
    error = 2 * (index + 2) + 4 * (abs(whole) + argument_error + 1)
    return total - error, total + error, whole - unit


@lru_cache(maxsize=64)
def _ln2(bits: int) -> int:
    """Return ln 2 * 2^bits, off by less than one unit.

    Source: ln 2 = 18 artanh(1/26) - 2 artanh(1/4801) + 8 artanh(1/8749), Machin-like (Gourdon and
    Sebah, "The logarithmic constant: log 2").
    """
    work = bits + 16

    def atanh_inverse(q: int) -> int:
        power, total, index = (1 << work) // q, 0, 1
        while power:
            total += power // index
            power //= q * q
            index += 2
        return total

    total = 18 * atanh_inverse(26) - 2 * atanh_inverse(4801) + 8 * atanh_inverse(8749)
    return total >> 16
