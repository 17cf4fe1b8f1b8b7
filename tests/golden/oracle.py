"""A slow, obvious definition of every number format in Python integers and `Fraction`.

It shares nothing with `plena_cosim.golden`: from a spec it reads only the raw fields (widths, bias,
kind of specials), and derives values, ranges and special codes again from the standards' text.

A *real* here is a `Fraction`, or a float for what no Fraction can be: -0.0, inf, -inf, nan.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import cache
from typing import Any, overload

Real = Fraction | float
MODES = ("rne", "rna", "rtz", "rup", "rdown")
OVERFLOWS = ("saturate", "ieee")
RULES = ("floor", "ceil", "even", "rceil", "mase", "clip")
MASK64 = (1 << 64) - 1


def real(x: float | int) -> Real:
    """The exact real that a Python or NumPy float is."""
    x = float(x)
    if not math.isfinite(x) or (x == 0 and math.copysign(1, x) < 0):
        return x
    return Fraction(x)


def is_special(x: Real) -> bool:
    return isinstance(x, float) and not math.isfinite(x)


def is_negative(x: Real) -> bool:
    return math.copysign(1, x) < 0 if isinstance(x, float) else x < 0


def exact(x: Real) -> Fraction:
    """A finite real as a Fraction; the sign of zero goes."""
    return Fraction(x)


def pow2(exp: int) -> Fraction:
    return Fraction(1 << exp) if exp >= 0 else Fraction(1, 1 << -exp)


def floor_log2(x: Fraction) -> int:
    """The integer k with 2^k <= x < 2^(k+1), by comparison."""
    assert x > 0
    k = x.numerator.bit_length() - x.denominator.bit_length()
    while pow2(k) > x:
        k -= 1
    while pow2(k + 1) <= x:
        k += 1
    return k


def ceil_log2(x: Fraction) -> int:
    k = floor_log2(x)
    return k if pow2(k) == x else k + 1


def splitmix64_high(seed: int, index: int) -> int:
    """The top 32 bits of the index-th output of splitmix64 started at `seed`."""
    state = (seed + (index + 1) * 0x9E3779B97F4A7C15) & MASK64
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK64
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK64
    return (state ^ (state >> 31)) >> 32


def goes_up(
    below: Fraction,
    above: Fraction,
    x: Fraction,
    lower_is_odd: bool,
    negative: bool,
    mode: str,
    random: int | None,
) -> bool:
    """Whether magnitude x in [below, above) rounds to `above`."""
    if x == below:
        return False
    if mode == "rtz":
        return False
    if mode == "rup":
        return not negative
    if mode == "rdown":
        return negative
    if mode == "stochastic":
        assert random is not None
        return random < math.floor((x - below) / (above - below) * 2**32)
    to_below, to_above = x - below, above - x
    if to_below != to_above:
        return to_above < to_below
    return lower_is_odd if mode == "rne" else True


class _Magnitudes(Sequence[int]):
    """Values of codes 0, 1, 2 … in units of the smallest subnormal, as if no code were special."""

    def __init__(self, exp_bits: int, man_bits: int) -> None:
        self.man_bits, self.length = man_bits, 2 << (exp_bits + man_bits)

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, code: int) -> int: ...
    @overload
    def __getitem__(self, code: slice) -> list[int]: ...
    def __getitem__(self, code: int | slice) -> int | list[int]:
        assert isinstance(code, int)
        if not 0 <= code < self.length:
            raise IndexError
        field, fraction = code >> self.man_bits, code & ((1 << self.man_bits) - 1)
        if field == 0:
            return fraction
        return (fraction + (1 << self.man_bits)) << (field - 1)


class Float:
    """A minifloat from its raw fields."""

    def __init__(self, exp_bits: int, man_bits: int, specials: str, bias: int | None) -> None:
        self.man_bits = man_bits
        self.bias = (1 << (exp_bits - 1)) - 1 if bias is None else bias
        self.specials = specials
        self.width = 1 + exp_bits + man_bits
        self.sign = 1 << (exp_bits + man_bits)
        all_ones_exp = ((1 << exp_bits) - 1) << man_bits
        self.inf = all_ones_exp if specials == "ieee" else None
        self.nan: int | None
        if specials == "ieee":
            self.finite_count, self.nan = all_ones_exp, all_ones_exp | (1 << (man_bits - 1))
        elif specials == "ocp_nan":
            self.finite_count, self.nan = self.sign - 1, self.sign - 1
        elif specials == "fnuz":
            self.finite_count, self.nan = self.sign, self.sign
        else:
            self.finite_count, self.nan = self.sign, None
        self.unit = pow2(1 - self.bias - man_bits)
        self.units: Sequence[int] = _Magnitudes(exp_bits, man_bits)
        if self.width <= 16:
            self.units = list(self.units)
        self.max_value = self.value(self.finite_count - 1)

    def value(self, code: int) -> Real:
        negative, magnitude = bool(code & self.sign), code & (self.sign - 1)
        if magnitude == self.inf:
            return -math.inf if negative else math.inf
        if magnitude >= self.finite_count:
            return math.nan
        if magnitude == 0 and negative:
            return math.nan if self.nan == self.sign else -0.0
        value = self.units[magnitude] * self.unit
        return -value if negative else value

    def _infinite(self, overflow: str) -> int:
        if self.inf is not None:
            return self.inf
        if self.nan is not None and overflow == "ieee":
            return self.nan
        return self.finite_count - 1

    def encode(
        self, x: Real, mode: str = "rne", overflow: str = "saturate", random: int | None = None
    ) -> int:
        if isinstance(x, float) and math.isnan(x):
            return self.finite_count - 1 if self.nan is None else self.nan
        negative = is_negative(x)
        if isinstance(x, float) and math.isinf(x):
            magnitude = self._infinite(overflow)
        else:
            magnitude = self._round(abs(exact(x)), negative, mode, overflow, random)
        if magnitude == self.nan or (magnitude == 0 and self.nan == self.sign):
            return magnitude
        return magnitude | (self.sign if negative else 0)

    def _round(
        self, x: Fraction, negative: bool, mode: str, overflow: str, random: int | None
    ) -> int:
        scaled = x / self.unit
        whole = scaled.numerator // scaled.denominator
        lower = min(bisect_right(self.units, whole), self.finite_count) - 1
        # `units` goes on beyond the largest value, as if the exponent had one bit more
        below, above = Fraction(self.units[lower]), Fraction(self.units[lower + 1])
        if scaled >= above:
            lower += 1  # beyond what the largest value could round to
        elif goes_up(below, above, scaled, lower % 2 == 1, negative, mode, random):
            lower += 1
        if lower < self.finite_count:
            return lower
        toward_zero = mode == "rtz" or (mode == "rup" and negative)
        toward_zero = toward_zero or (mode == "rdown" and not negative)
        if overflow == "saturate" or toward_zero:
            return self.finite_count - 1
        return self._infinite(overflow)


class Fixed:
    """Two's complement fixed point from its raw fields."""

    def __init__(self, int_bits: int, frac_bits: int, wrap: bool, symmetric: bool) -> None:
        self.width = int_bits + frac_bits
        self.unit = pow2(-frac_bits)
        self.nan: int | None = None
        self.wrap = wrap
        self.top = (1 << (self.width - 1)) - 1
        self.bottom = -self.top if symmetric else -self.top - 1
        self.max_value: Real = self.top * self.unit

    def value(self, code: int) -> Real:
        return (code - (1 << self.width) if code > self.top else code) * self.unit

    def encode(
        self, x: Real, mode: str = "rne", overflow: str = "saturate", random: int | None = None
    ) -> int:
        if is_special(x):
            q = self.bottom if x == -math.inf else self.top
            return q % (1 << self.width)
        scaled = abs(exact(x)) / self.unit
        below = math.floor(scaled)
        up = goes_up(
            Fraction(below), Fraction(below + 1), scaled, below % 2 == 1, exact(x) < 0, mode, random
        )
        q = (below + up) * (-1 if exact(x) < 0 else 1)
        if not self.wrap:
            q = max(self.bottom, min(self.top, q))
        return q % (1 << self.width)


Scalar = Float | Fixed


@cache
def scalar(fmt: Any) -> Scalar:
    """The oracle of a golden spec; reads its raw fields only."""
    if hasattr(fmt, "exp_bits"):
        return Float(fmt.exp_bits, fmt.man_bits, fmt.specials.value, fmt.bias)
    return Fixed(fmt.int_bits, fmt.frac_bits, fmt.wrap, fmt.symmetric)


def encode_all(
    values: Iterable[Real], fmt: Any, mode: str = "rne", overflow: str = "saturate", seed: int = 0
) -> list[int]:
    """Codes of a flat sequence of reals; stochastic bits follow the position."""
    oracle = scalar(fmt)
    return [
        oracle.encode(x, mode, overflow, splitmix64_high(seed, i) if mode == "stochastic" else None)
        for i, x in enumerate(values)
    ]


# --- reals that are not only numbers -------------------------------------------------------------


def add(a: Real, b: Real, mode: str = "rne") -> Real:
    """a + b with the signs of zeros as IEEE 754 §6.3 has them."""
    if is_special(a) or is_special(b):
        return float(a if is_special(a) else 0.0) + float(b if is_special(b) else 0.0)
    total = exact(a) + exact(b)
    if total != 0:
        return total
    if exact(a) == 0 and is_negative(a) == is_negative(b):
        return a
    return -0.0 if mode == "rdown" else Fraction(0)


def negate(a: Real) -> Real:
    if isinstance(a, float):
        return Fraction(0) if a == 0 else -a
    return -0.0 if a == 0 else -a


def mul(a: Real, b: Real) -> Real:
    negative = is_negative(a) != is_negative(b)
    if is_special(a) or is_special(b):
        if math.isnan(a) or math.isnan(b) or a == 0 or b == 0:
            return math.nan
        return -math.inf if negative else math.inf
    product = exact(a) * exact(b)
    return -0.0 if product == 0 and negative else product
