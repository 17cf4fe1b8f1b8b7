"""percentile: the magnitude that so many percent of all magnitudes do not exceed.

Magnitudes are counted in cells of neighbouring fp32 numbers, 4096 a binade, which do not depend on
the data. So batches may be split anyhow, and the memory does not grow with their number.
"""

from __future__ import annotations

from fractions import Fraction

import torch
from torch import Tensor

from plena_cosim.fakequant.carrier import SINGLE
from plena_cosim.golden.affine import Granularity

from .observer import Observer, within

CELL_FRACTION_BITS = 12
"""Fraction bits that tell cells apart: all of fp16 and bf16, so that theirs are single numbers."""

_DROPPED = SINGLE.man_bits - CELL_FRACTION_BITS
_CELLS = 1 << (31 - _DROPPED)
"""Cells of a row; a cell's key is that and the row's number times this."""


class PercentileObserver(Observer):
    """The range of magnitudes up to a percentile; the same however they are split into batches.

    The bound is the largest magnitude seen in the cell of the one that the percentile asks for: at
    most 2^-12 of it above that one, and itself where data are fp16 or bf16.

    Args:
        granularity: which values share a scale.
        percentile: above 0, at most 100; read as the decimal number that it is written as.
        skip_zeros: zeros do not count.
    """

    def __init__(
        self, granularity: Granularity, *, percentile: float, skip_zeros: bool = True
    ) -> None:
        super().__init__(granularity)
        self.share = Fraction(repr(percentile)) / 100
        self.skip_zeros = skip_zeros
        self._keys = torch.zeros(0, dtype=torch.int64)
        self._counts = torch.zeros(0, dtype=torch.int64)
        self._largest = torch.zeros(0, dtype=torch.int32)

    def _see(self, groups: Tensor) -> None:
        bits = groups.abs().view(torch.int32).reshape(-1, groups.shape[-1])
        rows = torch.arange(len(bits), device=bits.device)
        keys = (bits >> _DROPPED).long() + rows[:, None] * _CELLS
        bits, keys = bits.flatten(), keys.flatten()
        if self.skip_zeros:
            counted = bits != 0
            bits, keys = bits[counted], keys[counted]
        ones = torch.ones_like(keys)
        found = [part.cpu() for part in _by_key(keys, ones, bits)]
        self._keys, self._counts, self._largest = _by_key(
            torch.cat([self._keys, found[0]]),
            torch.cat([self._counts, found[1]]),
            torch.cat([self._largest, found[2]]),
        )

    def _range(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        rows = torch.arange(low.numel() + 1) * _CELLS
        first = torch.searchsorted(self._keys, rows)  # of each row among the keys
        below = torch.cat([torch.zeros(1, dtype=torch.int64), self._counts.cumsum(0)])
        totals = (below[first[1:]] - below[first[:-1]]).tolist()
        up, down = self.share.numerator, self.share.denominator
        ranks = torch.tensor([-(-total * up // down) for total in totals], dtype=torch.int64)
        place = torch.searchsorted(below[1:], below[first[:-1]] + ranks)
        none = ranks == 0
        bits = torch.zeros(low.numel(), dtype=torch.int32)
        bits[~none] = self._largest[place[~none]]
        return within(low, high, bits.view(torch.float32).view(low.shape))


def _by_key(keys: Tensor, counts: Tensor, bits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return keys in order, each once, with the sum of its counts and the largest of its bits."""
    unique, places = torch.unique(keys, return_inverse=True)
    total = torch.zeros_like(unique).scatter_add_(0, places, counts)
    largest = bits.new_zeros(unique.shape).scatter_reduce_(0, places, bits, "amax")
    return unique, total, largest
