"""product_to_odd against Python's unlimited integers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from plena_cosim.fakequant.odd_product import product_to_odd


def to_odd(exact: int) -> float | None:
    """The float64 that equals `exact`, or None where it needs more than 53 bits."""
    return float(exact) if Fraction(float(exact)) == exact else None


@pytest.mark.parametrize("bits", [1, 8, 27, 32, 41, 42])
def test_exact_or_the_odd_neighbour(bits: int) -> None:
    generator = np.random.default_rng(bits)
    limit = 2**bits - 1
    a, b = (generator.integers(-limit, limit + 1, shape) for shape in ((6, 40), (40, 7)))
    a[:, 1:] //= generator.choice([1, 2**20, 2**40], (6, 39))  # exact results as well
    b[0] = limit
    exact = a.astype(object) @ b.astype(object)
    ours = product_to_odd(torch.from_numpy(a).double(), torch.from_numpy(b).double(), bits=bits)
    for got, want in zip(ours.flatten().tolist(), exact.flatten(), strict=True):
        if to_odd(want) is not None and got == want:
            continue
        # Inexact, or cut one bit early: the kept integer is odd, and on the right side of `want`.
        significand = Fraction(got)
        error = abs(significand - want)
        unit = Fraction(2) ** (int(want).__abs__().bit_length() - 52)
        assert 0 < error < unit
        assert (significand / unit * 2).denominator == 1
        assert (significand / unit).denominator == 2 or int(significand / unit) % 2 == 1


def test_a_modulus_keeps_the_low_bits() -> None:
    a = torch.tensor([[2.0**41 - 1, 3.0]], dtype=torch.float64)
    b = torch.tensor([[2.0**41 - 1], [5.0]], dtype=torch.float64)
    exact = (2**41 - 1) ** 2 + 15
    for exp in (0, 1, 30, 41, 42, 43, 52, 90):
        got = product_to_odd(a, b, bits=41, modulus_exp=torch.tensor([[exp]]))
        assert int(got.item()) == exact % 2**exp or exact % 2**exp >= 2**53


def test_a_lone_low_bit_makes_the_result_odd() -> None:
    a = torch.tensor([[2.0**40, 1.0]], dtype=torch.float64)
    b = torch.tensor([[2.0**40], [1.0]], dtype=torch.float64)
    assert product_to_odd(a, b, bits=41).item() == 2.0**80 + 2.0**28
    assert product_to_odd(a, -b, bits=41).item() == -(2.0**80) - 2.0**28


def test_long_sums_of_long_products_lose_nothing() -> None:
    generator = np.random.default_rng(3)
    a, b = (generator.integers(2**41 - 2**20, 2**41, 4096) for _ in range(2))
    exact = sum(int(x) * int(y) for x, y in zip(a, b, strict=True)) % 2**40
    modulus = torch.tensor([[40]])
    given = (torch.from_numpy(a)[None].double(), torch.from_numpy(b)[:, None].double())
    assert int(product_to_odd(*given, bits=41, modulus_exp=modulus).item()) == exact


def test_the_largest_block_stays_exact() -> None:
    # 4096 products of 41-bit integers: each limb product is cut so that it stays below 2^53.
    value = 2047 * 2**30
    a = torch.full((1, 4096), float(value), dtype=torch.float64)
    got = product_to_odd(a, a.t(), bits=41)
    assert int(got.item()) == 4096 * value * value
