"""histogram_pro: bins are cut off at both ends as long as the error of what is left falls."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from math import fsum

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from plena_cosim.golden import FormatError
from plena_cosim.golden.affine import Granularity

from .observer import Observer

PARTS = 16
"""Into how many equal parts a bin is split when its counts move to wider ones."""

STEP = 1e-5
"""Share of the values by which one end is moved at a time."""

Counts = npt.NDArray[np.float64]


class ShrinkingHistogram:
    """Counts in equal bins from the smallest to the largest value; they may be pickled.

    Where a batch widens the range, old bins are split into 16 parts each, and a part is counted
    where its middle is: what comes out depends on how values are split into batches.

    Args:
        bins: how many.
    """

    def __init__(self, bins: int) -> None:
        self.counts: Counts = np.zeros(bins)
        self.low = self.high = np.float32(np.nan)

    def add(self, values: Tensor) -> None:
        """Count values.

        Args:
            values: (n,) finite, float32; on any device.

        Raises:
            FormatError: the range is wider than the largest number of fp32.
        """
        low, high = np.float32(float(values.min())), np.float32(float(values.max()))
        low, high = np.fmin(low, self.low), np.fmax(high, self.high)
        with np.errstate(over="ignore"):
            width = high - low
        if not np.isfinite(width):
            raise FormatError(
                f"histogram_pro: from {low} to {high} is beyond fp32; take min_max or percentile"
            )
        if self.counts.any() and (low, high) != (self.low, self.high):
            self.counts = self._moved(float(low), float(high))
        self.low, self.high = low, high
        self.counts = self.counts + self._counted(values)

    def best(self, levels: int) -> tuple[np.float32, np.float32]:
        """Return the ends of the range: those of bins, as fp32 arithmetic has them.

        Args:
            levels: codes that the range is divided into.
        """
        first, last = search(self.counts, levels)
        width = (self.high - self.low) / np.float32(len(self.counts))
        return (
            np.float32(self.low + width * np.float32(first)),
            np.float32(self.low + width * np.float32(last + 1)),
        )

    def _counted(self, values: Tensor) -> Counts:
        bins = len(self.counts)
        if self.low == self.high:
            return np.bincount([bins // 2], [values.numel()], bins)
        offsets = (values - values.new_tensor(float(self.low))).double()
        # rounded to float32, as torch.histc is
        places = (offsets * bins / (float(self.high) - float(self.low))).float().long()
        counted = torch.bincount(places.clamp_(0, bins - 1), minlength=bins)
        return counted.cpu().numpy().astype(np.float64)

    def _moved(self, low: float, high: float) -> Counts:
        """Return the counts in bins from `low` to `high`."""
        bins = len(self.counts)
        old_low, old_width = float(self.low), float(self.high) - float(self.low)
        parts = bins * PARTS
        middles = old_low + (np.arange(parts) + 0.5) * old_width / parts
        places = np.clip((middles - low) * bins / (high - low), 0, bins - 1).astype(np.int64)
        return np.bincount(places, np.repeat(self.counts / PARTS, PARTS), bins)


class ShrinkingObserver(Observer):
    """The range of bins whose squared error is least on the way inwards, one histogram a scale.

    Args:
        granularity: which values share a scale; a tensor or channels.
        bins: of each histogram.
        levels: codes that the range is divided into: 256 for int8.
    """

    def __init__(self, granularity: Granularity, *, bins: int, levels: int) -> None:
        super().__init__(granularity)
        self.bins = bins
        self.levels = levels
        self._histograms: list[ShrinkingHistogram] = []

    def _see(self, groups: Tensor) -> None:
        rows = groups.reshape(-1, groups.shape[-1])
        if not self._histograms:
            self._histograms = [ShrinkingHistogram(self.bins) for _ in rows]
        for histogram, row in zip(self._histograms, rows, strict=True):
            histogram.add(row)

    def _range(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        ends = np.array([each.best(self.levels) for each in self._histograms], dtype=np.float32)
        bottom, top = torch.from_numpy(ends).T.reshape(2, *low.shape) + 0.0
        return bottom, top


def search(counts: Counts, levels: int) -> tuple[int, int]:
    """Return the first and the last bin of the range.

    Quantiles alpha and beta start at 0 and 1. In each step one of them moves by 1e-5: the one that
    would cut off more bins. Where that cuts any, the error of the new range is computed, and the
    search ends with the range before as soon as it is larger than that one's.

    Args:
        counts: of the bins; not all 0.
        levels: codes that the range is divided into.

    Source: torch.ao's HistogramObserver, which AMD Quark 0.13 calls, after Caffe2's
    norm_minimization.
    """
    sums: list[float] = np.cumsum(counts).tolist()
    total, first, last = sums[-1], 0, len(sums) - 1
    alpha, beta, least = 0.0, 1.0, np.inf
    while alpha < beta:
        next_alpha, next_beta = alpha + STEP, beta - STEP
        left = bisect_left(sums, next_alpha * total, first, last)
        right = max(bisect_right(sums, next_beta * total, first, last + 1) - 1, first)
        if left - first > last - right:
            alpha, moved = next_alpha, (left, last)
        else:
            beta, moved = next_beta, (first, right)
        if moved == (first, last):
            continue
        error = range_error(counts, *moved, levels)
        if error > least:
            break
        least = error
        first, last = moved
    return first, last


def range_error(counts: Counts, first: int, last: int, levels: int) -> float:
    """Return the squared error of bins whose values are spread evenly, quantised to a range.

    The range of the bins `first` … `last` is divided into `levels` intervals, and a value becomes
    the middle of its interval, or of the nearest one.

    Args:
        counts: of the bins.
        first, last: bins at the ends of the range.
        levels: intervals.

    Returns:
        3 (2 · levels)³ times the sum of squared errors in units of a bin's width squared; rounded
        once from terms of float64.
    """
    half = last - first + 1  # of an interval, where a bin is 2 · levels wide
    edges = np.arange(-first, len(counts) - first + 1)
    interval = np.clip(edges * levels // half, 0, levels - 1)
    away = (2 * levels * edges - (2 * interval + 1) * half).astype(np.float64) ** 3
    # from the middle of the first interval that a bin meets to that of its last one
    whole = (interval[1:] - interval[:-1]).astype(np.float64) * (2.0 * half**3)
    return fsum(counts * (away[1:] - away[:-1] + whole))
