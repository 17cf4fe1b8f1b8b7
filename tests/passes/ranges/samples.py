"""Data and rules for every observer."""

from __future__ import annotations

import torch
from torch import Tensor

from plena_cosim.golden.affine import AffineInt, Granularity
from plena_cosim.passes.recipe.range_rule import RangeRule

INT8 = AffineInt(bits=8)
TENSOR = Granularity()
ROWS = Granularity(kind="channel", ch_axis=0)
RULES = [
    RangeRule("min_max"),
    RangeRule("percentile", percentile=95.0),
    RangeRule("histogram"),
    RangeRule("histogram_pro", bins=64),
    RangeRule("mse", bins=64, start_bin=40),
    RangeRule("entropy", bins=256, start_bin=128),
]
"""Every method, with bins few enough to be quick."""


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    """Normal values."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def heavy(*shape: int, seed: int = 0) -> Tensor:
    """Cubes of normal values."""
    return gaussian(*shape, seed=seed) ** 3
