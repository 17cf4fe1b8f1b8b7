"""Single steps of the composite operations: Fraction or mpmath, then one rounding of the oracle.

Codes go in and out as Python ints. Nothing here is golden's: the tests of composites spell their
sequences out again with these steps, one number at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from typing import Any

import mpmath
import numpy as np
import numpy.typing as npt

from plena_cosim.golden import Minifloat, get_format

from .. import oracle
from ..oracle import Float, Real, exact, is_negative, pow2, scalar
from ..samples import corner_codes

PRECISION_BITS = 300
FAR = pow2(1200)
"""Beyond every format, and its reciprocal below: stands for what mpmath would not finish."""

STEP_FORMATS = (
    ("bf16", "fp32"), ("bf16", "bf16"), ("fp16", "fp32"), ("e4m3", "fp32"), ("e4m3", "fp16"),
    ("e5m2", "bf16"), ("e6m5", "fp32"), ("e6m5", "e6m5"), ("e5m6", "fp32"), ("e2m3", "e4m3"),
    ("e5m2fnuz", "e4m3fnuz"),
)  # fmt: skip
"""Pairs (V, R) on which every composite is tried."""

over_formats = {
    "argvalues": [(get_format(v), get_format(r)) for v, r in STEP_FORMATS],
    "ids": ["-".join(pair) for pair in STEP_FORMATS],
}


def rounded_sum(a: int, b: int, fmt: Minifloat) -> int:
    to = scalar(fmt)
    return to.encode(oracle.add(to.value(a), to.value(b)))


def larger(a: int, b: int, fmt: Minifloat) -> int:
    to = scalar(fmt)
    x, y = to.value(a), to.value(b)
    if math.isnan(x) or math.isnan(y):
        both = math.isnan(x) and math.isnan(y)
        return to.encode(math.nan) if both else b if math.isnan(x) else a

    def key(value: Real) -> tuple[Real, bool]:
        return value, value == 0 and not is_negative(value)

    return a if key(x) >= key(y) else b


def tree(lanes: Sequence[int], combine: Any, fmt: Minifloat) -> int:
    """Split at the largest power of two below the length: the same tree, from the root."""
    if len(lanes) == 1:
        return lanes[0]
    half = 1 << ((len(lanes) - 1).bit_length() - 1)
    left, right = tree(lanes[:half], combine, fmt), tree(lanes[half:], combine, fmt)
    return int(combine(left, right, fmt))


def lowest(fmt: Minifloat) -> int:
    to = scalar(fmt)
    return to.encode(-exact(to.max_value))


def reduced(
    x: Sequence[int], mask: Sequence[int], seed: int, src: Minifloat, dst: Minifloat, combine: Any
) -> int:
    """One vector; masked lanes are the identity of `combine`."""
    to = scalar(dst)
    if combine is rounded_sum:
        identity = to.encode(-0.0)
    else:
        identity = lowest(dst) if to.nan is None else to.nan
    lanes = [
        to.encode(scalar(src).value(c)) if m else identity for c, m in zip(x, mask, strict=True)
    ]
    return int(combine(seed, tree(lanes, combine, dst), dst))


def fraction_of(value: mpmath.mpf) -> Fraction:
    """The exact value of an mpf."""
    sign, man, exp, _ = value._mpf_
    return (-1) ** sign * int(man) * pow2(int(exp))


def _exp(x: Fraction) -> Fraction:
    if abs(x) > 800:
        return FAR if x > 0 else 1 / FAR
    with mpmath.workprec(PRECISION_BITS):
        return fraction_of(mpmath.exp(mpmath.mpf(x.numerator) / x.denominator))


def _sqrt(x: Fraction) -> Fraction | float:
    if x < 0:
        return math.nan
    with mpmath.workprec(PRECISION_BITS):
        return fraction_of(mpmath.sqrt(mpmath.mpf(x.numerator) / x.denominator))


class Steps:
    """The simple operations on codes of V; reductions in R."""

    def __init__(self, fmt: Minifloat, red: Minifloat | None = None) -> None:
        oracle_v = scalar(fmt)
        assert isinstance(oracle_v, Float)
        self.fmt, self.red, self.v = fmt, red, oracle_v
        self.exp = cache(self._exp)
        self.sigmoid = cache(self._sigmoid)

    def constant(self, value: Real) -> int:
        return self.v.encode(value)

    def neg(self, a: int) -> int:
        if a % self.v.sign == 0 and self.v.nan == self.v.sign:
            return a
        return a - self.v.sign if a >= self.v.sign else a + self.v.sign

    def add(self, a: int, b: int) -> int:
        return rounded_sum(a, b, self.fmt)

    def sub(self, a: int, b: int) -> int:
        return self.v.encode(oracle.add(self.v.value(a), oracle.negate(self.v.value(b))))

    def mul(self, a: int, b: int) -> int:
        return self.v.encode(oracle.mul(self.v.value(a), self.v.value(b)))

    def max(self, a: int, b: int) -> int:
        return larger(a, b, self.fmt)

    def reciprocal(self, a: int) -> int:
        value = self.v.value(a)
        if math.isnan(value):
            return self.v.encode(value)
        if value == 0 or math.isinf(value):
            size: Real = math.inf if value == 0 else 0.0
            return self.v.encode(-size if is_negative(value) else size)
        return self.v.encode(1 / exact(value))

    def sqrt(self, a: int) -> int:
        value = self.v.value(a)
        if math.isnan(value) or value == 0 or value == math.inf:
            return self.v.encode(value)
        return self.v.encode(math.nan if value == -math.inf else _sqrt(exact(value)))

    def _exp(self, a: int) -> int:
        return self._unary(a, _exp, at_inf=math.inf)

    def _sigmoid(self, a: int) -> int:
        def logistic(x: Fraction) -> Fraction:
            return 1 / (1 + _exp(-x))

        return self._unary(a, logistic, at_inf=Fraction(1))

    def _unary(self, a: int, function: Callable[[Fraction], Fraction], *, at_inf: Real) -> int:
        value = self.v.value(a)
        if math.isnan(value):
            return self.v.encode(value)
        if math.isinf(value):
            return self.v.encode(at_inf if value > 0 else Fraction(0))
        return self.v.encode(function(exact(value)))

    def row_sum(self, x: Sequence[int], mask: Sequence[int], lanes: int) -> int:
        """The sum of a row from +0 in R, `lanes` at a time, cast to V."""
        return self._row(x, mask, lanes, rounded_sum, 0)

    def row_max(self, x: Sequence[int], mask: Sequence[int], lanes: int) -> int:
        """The maximum of a row from the lowest value of R, cast to V."""
        assert self.red is not None
        return self._row(x, mask, lanes, larger, lowest(self.red))

    def _row(
        self, x: Sequence[int], mask: Sequence[int], lanes: int, combine: Any, seed: int
    ) -> int:
        assert self.red is not None
        for start in range(0, len(x), lanes):
            empty = [0] * max(start + lanes - len(x), 0)
            piece, part = list(x[start : start + lanes]), list(mask[start : start + lanes])
            seed = reduced(piece + empty, part + empty, seed, self.fmt, self.red, combine)
        return self.v.encode(scalar(self.red).value(seed))


def rows(fmt: Minifloat, count: int, length: int, *, seed: int) -> npt.NDArray[Any]:
    """Rows of codes: ordinary values of several sizes, some with corners among them."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(count, length)) * 2.0 ** rng.integers(-4, 4, (count, 1))
    to = scalar(fmt)
    codes = np.array([to.encode(Fraction(x)) for x in values.ravel()]).reshape(values.shape)
    corners = corner_codes(fmt)
    chosen = corners[rng.integers(0, corners.size, values.shape)].astype(np.int64)
    rare = rng.random(values.shape) < np.where(np.arange(count) % 3 == 0, 0.3, 0)[:, None]
    return np.where(rare, chosen, codes)


def masks(count: int, length: int, *, seed: int) -> npt.NDArray[Any]:
    """Masks: mostly all ones, some random, one row with nothing selected."""
    rng = np.random.default_rng(seed)
    chosen = rng.random((count, length)) < 0.7
    chosen[np.arange(count) % 2 == 0] = True
    chosen[1] = False
    return chosen.astype(np.int64)


def elementwise_codes(fmt: Minifloat) -> npt.NDArray[Any]:
    """Every code up to 12 bits; corners and random codes, half of them near one, above."""
    if fmt.width_bits <= 12:
        return np.arange(1 << fmt.width_bits, dtype=np.int64)
    rng = np.random.default_rng(11)
    near = (fmt.bias_value << fmt.man_bits) + rng.integers(
        -8 << fmt.man_bits, 8 << fmt.man_bits, 3000
    )
    near |= rng.integers(0, 2, near.size) << (fmt.width_bits - 1)
    anywhere = rng.integers(0, 1 << fmt.width_bits, 3000)
    return np.concatenate([corner_codes(fmt).astype(np.int64), near, anywhere])
