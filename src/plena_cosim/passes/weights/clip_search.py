"""Clipping a weight block by block where that lowers the error of rounding to nearest."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from plena_cosim import fakequant
from plena_cosim.golden import Mx, Rounding


def clipped(weight: Tensor, mx: Mx, grid: tuple[float, ...]) -> Tensor:
    """Return the weight with each block clamped to the share of its largest magnitude that is best.

    Best is the least sum of squared errors after quantising to `mx`; of equals, the first of the
    grid. Quantising the result as usual gives the blocks that the search found; of a stochastic
    rounding the search takes the nearest, which has its mean.

    Args:
        weight: (…, n), finite; blocks run along the last axis.
        mx: the format.
        grid: shares of the largest magnitude in (0, 1].
    """
    stochastic = mx.rounding is Rounding.STOCHASTIC
    nearest = replace(mx, rounding=Rounding.RNE) if stochastic else mx
    length, size = weight.shape[-1], mx.block_size
    padding = -length % size
    blocks = functional.pad(weight.detach(), (0, padding))
    blocks = blocks.view(*weight.shape[:-1], -1, size)
    largest = blocks.abs().amax(-1, keepdim=True)
    best = blocks
    least = torch.full_like(largest, float("inf"), dtype=torch.float64)
    for share in grid:
        limit = largest * share
        tried = blocks.clamp(-limit, limit)
        error = fakequant.quantize(tried, nearest) - blocks
        total = error.square().sum(-1, keepdim=True, dtype=torch.float64)
        better = total < least
        least, best = torch.where(better, total, least), torch.where(better, tried, best)
    flat: Tensor = best.flatten(-2)[..., :length].contiguous()
    return flat
