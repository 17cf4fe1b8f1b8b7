"""Histogram: how many values have a magnitude in each of equal bins from zero on."""

from __future__ import annotations

from math import ceil

import torch
from torch import Tensor

MOST_TIMES = 16
"""How many times as many bins as at first a histogram may have before they are joined in pairs."""


class Histogram:
    """Counts by sign and magnitude; they may be pickled.

    The first values that are not all zeros make the grid: their largest magnitude is the end of
    the last bin. Larger ones that come later add bins of the same width, up to 16 times as many;
    beyond that, neighbours are joined in pairs until they fit.

    Args:
        bins: how many at first.

    Attributes:
        counts: int64 (2, n): of values from 0 on, and of those below.
    """

    def __init__(self, bins: int) -> None:
        self.bins = bins
        self.span = 0.0
        self.counts = torch.zeros(2, bins, dtype=torch.int64)

    def add(self, values: Tensor) -> None:
        """Count values.

        Args:
            values: (n,) finite, float32; on any device.
        """
        magnitudes = values.abs().double()
        largest = float(magnitudes.max())
        if not self.span:
            self.span = largest
        if self.span:
            self._make_room(largest)
        # rounded to float32, as torch.histc is: a value just below an edge may count above it
        places = (magnitudes * self.bins / (self.span or 1.0)).float().long()
        places = places.clamp_(max=self.counts.shape[1] - 1)
        for row, chosen in enumerate((values >= 0, values < 0)):
            counted = torch.bincount(places[chosen], minlength=self.counts.shape[1])
            self.counts[row] += counted.cpu()

    def edges(self) -> Tensor:
        """Return the ends of the bins, (n + 1,) float32: multiples of their width."""
        places = torch.arange(self.counts.shape[1] + 1, dtype=torch.float64)
        most = torch.finfo(torch.float32).max
        return (places * self.span / self.bins).clamp(max=most).float()

    def centres(self) -> Tensor:
        """Return the middles of the bins, (n,) float32."""
        edges = self.edges().double()
        return ((edges[1:] + edges[:-1]) / 2).float()

    def _make_room(self, largest: float) -> None:
        while (needed := ceil(largest * self.bins / self.span)) > MOST_TIMES * self.bins:
            even = torch.nn.functional.pad(self.counts, (0, self.counts.shape[1] % 2))
            self.counts = even.view(2, -1, 2).sum(-1)
            self.span *= 2
        missing = max(needed, self.bins) - self.counts.shape[1]
        if missing > 0:
            self.counts = torch.nn.functional.pad(self.counts, (0, missing))
