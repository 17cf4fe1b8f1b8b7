"""round_to_unit and the random bits against Python integers."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from plena_cosim.golden import Rounding
from plena_cosim.golden.rounding import random_bits, round_to_unit

from .compare import assert_codes
from .oracle import MODES, goes_up, splitmix64_high


@pytest.mark.parametrize("seed", [0, 1, -1, 2**64 - 1, 2**64 + 5, -(2**70), 0xDEADBEEF])
def test_random_bits_are_splitmix64(seed: int) -> None:
    index = np.array([0, 1, 2, 3, 1000, 2**31, 2**40], dtype=np.uint64)
    got = random_bits(seed, index)
    assert got.dtype == np.uint64
    assert got.tolist() == [splitmix64_high(seed, int(i)) for i in index]


def test_splitmix64_of_the_published_sequence() -> None:
    """The first outputs of splitmix64 from state 1234567, as its reference code prints them."""
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    got = random_bits(1234567, np.arange(4, dtype=np.uint64))
    assert got.tolist() == [x >> 32 for x in published]


@pytest.mark.parametrize("base", [0, 1])
@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("mode", [*MODES, "stochastic"])
def test_every_drop(mode: str, negative: bool, base: int) -> None:
    for drop in (-5, -1, 0, 1, 2, 3, 8, 31, 32, 33, 52, 53, 61, 62, 63, 64, 90, 94, 95, 96, 1000):
        half = 1 << max(min(drop - 1, 61), 0)
        near = {half - 1, half, half + 1, 2 * half - 1, 3 * half - 1, 3 * half, 3 * half + 1}
        edges = {0, 1, 2, 3, 5, 2**53 - 1, 2**53, 2**61, 2**62 - 1}
        limit = 2**62 if drop >= 0 else 2**50
        significands = sorted(s for s in near | edges if 0 <= s < limit)
        got = round_to_unit(
            np.array(significands, dtype=np.int64),
            np.full(len(significands), drop, dtype=np.int64),
            negative=np.full(len(significands), negative),
            rounding=Rounding(mode),
            base=base,
            seed=5,
        )
        want = []
        for i, significand in enumerate(significands):
            x = significand * Fraction(2) ** -drop
            below = math.floor(x)
            odd = (below + base) % 2 == 1
            random = splitmix64_high(5, i)
            up = goes_up(Fraction(below), Fraction(below + 1), x, odd, negative, mode, random)
            want.append(base + below + up)
        assert_codes(got, want, lambda i, s=significands, d=drop: f"{s[i]} / 2^{d}")


@pytest.mark.parametrize("drop", [32, 33, 40, 61])
def test_stochastic_needs_random_bits_strictly_below_the_fraction(drop: int) -> None:
    """Discarded bits equal to the random ones stay; one 2^-32 more goes away from zero."""
    seeds = [seed for seed in range(200) if splitmix64_high(seed, 0) < 1 << 29]
    assert len(seeds) >= 10
    for seed in seeds:
        bits = splitmix64_high(seed, 0)
        for significand, want in (
            (bits << (drop - 32), 0),
            (((bits + 1) << (drop - 32)) - 1, 0),
            ((bits + 1) << (drop - 32), 1),
        ):
            got = round_to_unit(
                np.array([significand]),
                np.array([drop]),
                negative=np.array([False]),
                rounding=Rounding.STOCHASTIC,
                seed=seed,
            )
            assert got.tolist() == [want]
