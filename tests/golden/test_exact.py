"""Rounding to odd: the definition, and that a later rounding cannot tell."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from plena_cosim.golden.exact import integer_to_odd, sum_to_odd


def to_odd(x: Fraction) -> float:
    """x if float64 holds it, else the neighbour whose last significand bit is set."""
    nearest = float(x)
    if Fraction(nearest) == x:
        return nearest
    other = math.nextafter(nearest, math.inf if Fraction(nearest) < x else -math.inf)
    odd = [v for v in (nearest, other) if np.float64(v).view(np.int64) & 1]
    assert len(odd) == 1
    return odd[0]


def test_sum_to_odd() -> None:
    rng = np.random.default_rng(1)
    exps = rng.integers(-60, 61, (2, 4000)) + rng.integers(-200, 200, 4000)
    a, b = np.ldexp(rng.integers(-(2**24), 2**24, (2, 4000)).astype(float), exps)
    a[:50], b[:50] = 2.0**60, -(2.0 ** -np.arange(50))  # just below a power of two
    a[50:100], b[50:100] = 1.0, 2.0 ** -np.arange(30, 80)
    a[100], b[100] = 1.0, 5e-324
    a[101], b[101] = -1.0, 5e-324
    got = sum_to_odd(a, b)
    want = [to_odd(Fraction(x) + Fraction(y)) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    assert got.tolist() == want


def test_sum_to_odd_specials_and_zeros() -> None:
    inf, nan = math.inf, math.nan
    a = np.array([inf, inf, 1.0, nan, 0.0, -0.0, 1.0, 1e-300])
    b = np.array([1.0, -inf, -inf, 1.0, -0.0, -0.0, -1.0, -1e-300])
    got = sum_to_odd(a, b)
    np.testing.assert_array_equal(got, [inf, nan, -inf, nan, 0, 0, 0, 0])
    assert np.signbit(got)[4:].tolist() == [False, True, False, False]


@pytest.mark.parametrize("kind", [np.int64, object])
def test_integer_to_odd(kind: type) -> None:
    edges = [0, 1, 2**53 - 1, 2**53, 2**53 + 1, 2**53 + 2, 2**54 + 1, 2**54 + 2, 2**54 + 3]
    edges += [2**61 + 2**8, 2**61 + 2**8 + 1, 2**61 - 1, 2**62 - 1]
    if kind is object:
        edges += [2**70 + 1, 2**90 - 1, 3 << 80, (3 << 80) + 1]
    integers = [s * x for x in edges for s in (1, -1)]
    for x in integers:  # alone, too: one long integer sends the whole array the slow way
        assert integer_to_odd(np.array([x], dtype=kind)).tolist() == [to_odd(Fraction(x))]
    got = integer_to_odd(np.array(integers, dtype=kind))
    assert got.dtype == np.float64
    assert got.tolist() == [to_odd(Fraction(x)) for x in integers]


def test_integer_to_odd_keeps_shapes() -> None:
    for shape in ((0,), (2, 3)):
        assert integer_to_odd(np.zeros(shape, dtype=np.int64)).shape == shape
        assert integer_to_odd(np.full(shape, 2**60 + 1)).shape == shape
