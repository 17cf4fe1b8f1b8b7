"""Codes to try, and their values as torch has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from plena_cosim import golden
from plena_cosim.fakequant.cast import value_dtype
from plena_cosim.golden.formats import MINIFLOATS
from plena_cosim.sim.stimuli.corners import corner_codes

Codes = npt.NDArray[Any]

NAMED = list(MINIFLOATS.values())
ODD = [
    *(golden.get_format(name) for name in ("e2m0", "e1m0", "e8m2", "e8m7", "e8m15", "e5m11")),
    *(golden.get_format(name) for name in ("e1m0fnuz", "e5m10fnuz", "e8m7b127fnuz")),
    golden.get_format("bf16", bias=126),
    golden.get_format("bf16", bias=-20),
    golden.get_format("e5m2", bias=300),
    golden.get_format("e2m1", bias=-200),
    golden.get_format("e4m3", bias=130),
    golden.Minifloat(exp_bits=7, man_bits=3, specials="ieee", bias=62),
    golden.Minifloat(exp_bits=8, man_bits=6, specials="ocp_nan"),
]
FORMATS = [*NAMED, *ODD]
NARROW = [fmt for fmt in FORMATS if fmt.width_bits <= 16]


def label(fmt: golden.Minifloat) -> str:
    return f"{fmt.name}-{fmt.specials.value}-{fmt.bias}"


def all_codes(fmt: golden.Minifloat) -> Codes:
    return np.arange(1 << fmt.width_bits, dtype=np.uint32)


def random_codes(fmt: golden.Minifloat, shape: int | tuple[int, ...], seed: int) -> Codes:
    """Uniform codes: every exponent, a few zeros, subnormals, Inf and NaN."""
    generator = np.random.default_rng(seed)
    return generator.integers(0, 1 << fmt.width_bits, shape, dtype=np.int64).astype(np.uint32)


def usual_codes(
    fmt: golden.Minifloat, shape: tuple[int, ...], seed: int, specials: float = 0.02
) -> Codes:
    """Codes of ordinary magnitudes, with a few of any kind among them."""
    generator = np.random.default_rng(seed)
    codes = golden.encode(generator.normal(scale=2.0, size=shape), fmt).astype(np.uint32)
    return np.where(generator.random(shape) < specials, random_codes(fmt, shape, seed + 1), codes)


def pairs(fmt: golden.Minifloat) -> tuple[Codes, Codes]:
    """All pairs of a format of up to 8 bits; else all of corners, random and cancelling ones."""
    if fmt.width_bits <= 8:
        codes = all_codes(fmt)
        return np.repeat(codes, codes.size), np.tile(codes, codes.size)
    corners = corner_codes(fmt).astype(np.uint32)
    a, b = random_codes(fmt, 20_000, 1), random_codes(fmt, 20_000, 2)
    steps = np.random.default_rng(3).integers(-40, 41, a.size)
    near = ((a.astype(np.int64) + steps) % (1 << fmt.width_bits)).astype(np.uint32)
    left = [np.repeat(corners, corners.size), a, a, a]
    right = [np.tile(corners, corners.size), b, near, near ^ np.uint32(fmt.sign_mask)]
    return np.concatenate(left), np.concatenate(right)


def values(codes: Codes, fmt: golden.Minifloat) -> torch.Tensor:
    """The values of codes, in the dtype that holds them all."""
    return torch.from_numpy(np.array(golden.decode(codes, fmt))).to(value_dtype(fmt))
