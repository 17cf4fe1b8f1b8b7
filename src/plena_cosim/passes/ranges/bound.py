"""What ends a range of magnitudes at a bin of their histogram."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from plena_cosim.golden.affine import Granularity

from .histogram import Histogram
from .observer import Observer, within

Choice = Callable[[Histogram, Tensor, Tensor], float]
"""Of a histogram, and the smallest and largest value, the magnitude at which the range ends."""


class BoundObserver(Observer):
    """The range of magnitudes up to a bin of their histogram, one histogram a scale.

    The first batch decides how wide bins are, and so what they count; how the others are split
    does not matter, unless bins have to be joined.

    Args:
        granularity: which values share a scale; a tensor or channels.
        bins: of each histogram at first.
        choose: what ends the range; pickled with the observer.
    """

    def __init__(self, granularity: Granularity, *, bins: int, choose: Choice) -> None:
        super().__init__(granularity)
        self.bins = bins
        self.choose = choose
        self._histograms: list[Histogram] = []

    def _see(self, groups: Tensor) -> None:
        rows = groups.reshape(-1, groups.shape[-1])
        if not self._histograms:
            self._histograms = [Histogram(self.bins) for _ in rows]
        for histogram, row in zip(self._histograms, rows, strict=True):
            histogram.add(row)

    def _range(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        ends = zip(self._histograms, low.flatten(), high.flatten(), strict=True)
        bounds = [self.choose(each, *end) if each.span else 0.0 for each, *end in ends]
        return within(low, high, torch.tensor(bounds).view(low.shape))
