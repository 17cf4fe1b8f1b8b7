"""Blocks that every block format is tried on, and the reals that they are."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from ..oracle import Real, real
from ..test_mx import random_blocks

Values = npt.NDArray[np.float64]


def pairs_of_eighths(limit: int) -> Values:
    """Every pair of multiples of 1/8 up to limit / 8 in magnitude: ties of narrow elements."""
    eighths = np.arange(-limit, limit + 1) / 8
    return np.array(list(itertools.product(eighths, eighths)))


def ends(size: int, seed: int) -> Values:
    """Blocks around the smallest and largest exponents, at and beside powers of two."""
    rng = np.random.default_rng(seed)
    exps = np.repeat([-149, -140, -134, -128, -127, -126, -125, -124, 0, 126, 127], 6)
    tops = np.ldexp(rng.choice([1.0, 1.5, 1.75, 2 - 2**-9, 2 - 2**-23, 1 + 2**-23], 66), exps)
    rest = rng.choice([1.0, 0.9999, 0.75, 0.5, 0.4999, 0.25, 0.1, 0.01, 0.0], (66, size))
    signs = rng.choice([-1.0, 1.0], (66, size))
    return np.where(np.arange(size) == 0, 1.0, rest) * tops[:, None] * signs


def all_kinds(size: int, seed: int) -> Values:
    """Blocks of every kind, special values among them."""
    return np.concatenate([random_blocks(24, size, seed), ends(size, seed)])


def reals(blocks: Values) -> list[list[Real]]:
    return [[real(x) for x in row] for row in blocks.tolist()]


def every_bf16() -> npt.NDArray[np.float64]:
    """The values of all bf16 bit patterns."""
    patterns = np.arange(1 << 16, dtype=np.uint32) << np.uint32(16)
    with np.errstate(invalid="ignore"):
        return patterns.view(np.float32).astype(np.float64)
