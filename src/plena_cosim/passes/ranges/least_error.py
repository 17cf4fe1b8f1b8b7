"""mse: the bin at which a range ends so that the squared error is least."""

from __future__ import annotations

from math import fsum

import torch
from torch import Tensor

from plena_cosim import fakequant
from plena_cosim.golden.affine import (
    AffineFormat,
    AffineInt,
    Granularity,
    Grouping,
    ScaleFormat,
    ZeroPoint,
)

from .histogram import Histogram
from .observer import within


def least_error_bound(
    histogram: Histogram, low: Tensor, high: Tensor, *, fmt: AffineFormat, start_bin: int
) -> float:
    """Return the middle of the bin that the range should end at.

    Every value counts as the middle of its bin. Each bin from `start_bin` on is tried; of equal
    errors the first is taken. Sums are rounded once, so that their order does not matter.

    Args:
        histogram: of the values, not of zeros only.
        low, high: the smallest and the largest of them.
        fmt: what they are quantised to. Without a zero point, magnitudes are.
        start_bin: the first bin that is tried, or the last one where there are fewer.

    Source: AMD Quark 0.13's PerTensorMSEObserver.
    """
    centres, counts = histogram.centres(), histogram.counts
    if isinstance(fmt, AffineInt) and fmt.zero_point is not ZeroPoint.NONE:
        values, weights = torch.cat([centres, -centres]), counts.flatten()
    else:
        values, weights = centres, counts.sum(0)
    values, weights = values[weights > 0], weights[weights > 0].double()
    best, least = float(torch.maximum(-low, high)), float("inf")
    for bounds in centres[min(start_bin, len(centres) - 1) :].split(_at_once(fmt)):
        rounded = _quantized(values, within(low, high, bounds), fmt)
        squares = (rounded.double() - values.double()).square() * weights
        for bound, row in zip(bounds.tolist(), squares, strict=True):
            error = fsum(row.tolist())
            if error < least:
                best, least = bound, error
    return best


def _at_once(fmt: AffineFormat) -> int:
    """Return how many bounds are tried in one call, as channels of one tensor."""
    return 1 if fmt.scale is ScaleFormat.E4M3 else 64  # scales in e4m3 depend on each other


_ROWS = Granularity(kind=Grouping.CHANNEL, ch_axis=0)


def _quantized(values: Tensor, ranges: tuple[Tensor, Tensor], fmt: AffineFormat) -> Tensor:
    """Return values quantised to each of (n,) ranges, (n, values)."""
    scales, zero_points = fakequant.affine_scale(*ranges, fmt)
    given = isinstance(fmt, AffineInt) and fmt.zero_point is not ZeroPoint.NONE
    return fakequant.quantize_affine(
        values.expand(len(scales), -1),
        fmt,
        _ROWS,
        scale=scales,
        zero_point=zero_points if given else None,
    )
