"""transcendental: float64 rounded to odd, against mpmath at 400 bits; exact results stay exact."""

from __future__ import annotations

import random
from collections.abc import Callable
from math import inf, isnan
from typing import Any

import mpmath
import pytest

from plena_cosim.golden import transcendental

FUNCTIONS: dict[str, tuple[Callable[[int, int], float], Callable[[Any], Any]]] = {
    "reciprocal": (transcendental.reciprocal_of, lambda x: 1 / x),
    "sqrt": (transcendental.square_root, mpmath.sqrt),
    "rsqrt": (transcendental.reciprocal_square_root, lambda x: 1 / mpmath.sqrt(x)),
    "exp": (transcendental.exponential, mpmath.exp),
    "exp2": (transcendental.exponential_base_2, lambda x: mpmath.mpf(2) ** x),
    "sigmoid": (transcendental.logistic, lambda x: 1 / (1 + mpmath.exp(-x))),
}
POSITIVE_ONLY = ("sqrt", "rsqrt")
ANY_EXPONENT = ("reciprocal", *POSITIVE_ONLY)


def rounded_to_odd(x: Any) -> float:
    mantissa, exponent = mpmath.frexp(abs(x))
    kept = int(mpmath.floor(mantissa * 2**53))
    if kept != mantissa * 2**53:
        kept |= 1
    return float(mpmath.sign(x) * mpmath.ldexp(kept, exponent - 53))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_random_arguments(name: str) -> None:
    ours, true = FUNCTIONS[name]
    rng = random.Random(name)
    with mpmath.workprec(400):
        for _ in range(2000):
            n = rng.randrange(1, 1 << rng.choice([1, 3, 8, 11, 24]))
            wide = name in ANY_EXPONENT
            k = rng.randrange(-149, 105) if wide else rng.randrange(-60, 9 - n.bit_length())
            if name not in POSITIVE_ONLY and rng.random() < 0.5:
                n = -n
            assert ours(n, k) == rounded_to_odd(true(mpmath.ldexp(n, k))), (name, n, k)


def test_exact_results_are_exact() -> None:
    assert transcendental.reciprocal_of(-1, 3) == -0.125
    assert transcendental.square_root(9, -2) == 1.5
    assert transcendental.reciprocal_square_root(1, -4) == 4.0
    assert transcendental.exponential_base_2(-3, 0) == 0.125


def test_negative_roots_are_nan() -> None:
    assert isnan(transcendental.square_root(-1, 0))
    assert isnan(transcendental.reciprocal_square_root(-1, 0))


@pytest.mark.parametrize("name", ["exp", "exp2", "sigmoid"])
def test_far_arguments_stay_finite_and_ordered(name: str) -> None:
    ours, _ = FUNCTIONS[name]
    far = [ours(-1, 500), ours(-1, 9), ours(-511, 0), ours(511, 0), ours(1, 9), ours(1, 500)]
    assert far == sorted(far)
    assert 0 < far[0] < far[-1] < inf


def test_doubtful_bounds_ask_for_more_bits() -> None:
    asked = []

    def bounds(bits: int) -> tuple[int, int, int]:
        asked.append(bits)
        sure = len(asked) > 1
        return (1 << 80) - (0 if sure else 1), (1 << 80) + 1, -80

    value = transcendental._until_certain(bounds)
    assert len(asked) == 2
    assert value == 1.0 + 2.0**-52


def test_constants_and_table_entries_are_cut_to_the_bit() -> None:
    with mpmath.workprec(600):
        for bits in (1, 24, 64, 80, 200):
            ln2 = mpmath.ln(2)
            assert transcendental.floor_ln2(bits) == int(mpmath.floor(ln2 * 2**bits))
            assert transcendental.floor_log2_e(bits) == int(mpmath.floor(2**bits / ln2))
            for n, k in ((1, -1), (63, -6), (1, -30), (4095, -12)):
                power = mpmath.mpf(2) ** mpmath.ldexp(n, k)
                found = transcendental.floor_exp2(n, k, bits)
                assert found == int(mpmath.floor(power * 2**bits)), (n, k, bits)
