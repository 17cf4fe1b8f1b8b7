"""histogram_pro: its error against exact integrals, its search against plain loops."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from plena_cosim.golden import FormatError
from plena_cosim.golden.affine import AffineInt
from plena_cosim.passes.ranges import make_observer
from plena_cosim.passes.ranges.shrinking import ShrinkingHistogram, range_error, search
from plena_cosim.passes.recipe.range_rule import RangeRule

from .samples import INT8, TENSOR, gaussian, heavy


def exact_error(counts: list[float], first: int, last: int, levels: int) -> Fraction:
    """The integral over every bin of the squared distance to the nearest middle."""
    width = Fraction(last - first + 1, levels)
    middles = [first + (k + Fraction(1, 2)) * width for k in range(levels)]
    borders = sorted({*range(len(counts) + 1), *(first + k * width for k in range(levels + 1))})
    total = Fraction(0)
    for low, high in itertools.pairwise(borders):
        if not 0 <= low < len(counts):
            continue
        middle = min(middles, key=lambda each: abs(each - (low + high) / 2))
        density = Fraction(counts[int(low)])
        total += density * ((high - middle) ** 3 - (low - middle) ** 3) / 3
    return total


@pytest.mark.parametrize("levels", [4, 8])
def test_the_error_is_the_integral(levels: int) -> None:
    rng = np.random.default_rng(levels)
    counts = rng.integers(0, 50, 12).astype(np.float64)
    for first in range(12):
        for last in range(first, 12):
            found = range_error(counts, first, last, levels)
            exact = exact_error(counts.tolist(), first, last, levels)
            assert found == exact * 3 * (2 * levels) ** 3


def plain_search(counts: list[float], levels: int) -> tuple[int, int]:
    sums = np.cumsum(counts).tolist()
    first, last, alpha, beta, least = 0, len(counts) - 1, 0.0, 1.0, Fraction(10**40)
    while alpha < beta:
        left, right = first, last
        while left < last and sums[left] < (alpha + 1e-5) * sums[-1]:
            left += 1
        while right > first and sums[right] > (beta - 1e-5) * sums[-1]:
            right -= 1
        new = (first, last)
        if left - first > last - right:
            alpha, new = alpha + 1e-5, (left, last)
        else:
            beta, new = beta - 1e-5, (first, right)
        if new != (first, last):
            error = exact_error(counts, *new, levels)
            if error > least:
                break
            least, (first, last) = error, new
    return first, last


@pytest.mark.parametrize("levels", [4, 16])
@pytest.mark.parametrize("power", [1, 3])
def test_the_search_is_that_of_plain_loops(levels: int, power: int) -> None:
    counts, _ = np.histogram(gaussian(2000, seed=power).numpy() ** power, bins=40)
    found = search(counts.astype(np.float64), levels)
    assert found == plain_search(counts.astype(float).tolist(), levels)
    assert power == 1 or found != (0, 39)


def test_the_ends_are_those_of_bins() -> None:
    x = heavy(5000)
    observer = make_observer(RangeRule("histogram_pro", bins=40), AffineInt(bits=4), TENSOR)
    observer.update(x)
    low, high = np.float32(x.min()), np.float32(x.max())
    quotients = (x.numpy() - low) * np.float32(40) / (high - low)
    counts = np.bincount(np.minimum(quotients.astype(np.int64), 39), minlength=40)
    first, last = plain_search(counts.astype(float).tolist(), 16)
    width = (high - low) / np.float32(40)
    ends = [low + width * np.float32(first), low + width * np.float32(last + 1)]
    assert [end.item() for end in observer.range()] == [float(end) for end in ends]


def test_old_bins_move_a_sixteenth_at_a_time() -> None:
    histogram = ShrinkingHistogram(4)
    histogram.add(torch.tensor([0.0, 1.0, 1.0, 4.0]))
    assert histogram.counts.tolist() == [1, 2, 0, 1]
    histogram.add(torch.tensor([-1.0, 5.0]))
    expected = [1.0, 0, 0, 1.0]  # from -1 to 5, in bins of 1.5
    for old, count in enumerate([1, 2, 0, 1]):
        for part in range(16):
            middle = Fraction(old) + Fraction(2 * part + 1, 32)
            expected[math.floor((middle + 1) / Fraction(3, 2))] += count / 16
    assert histogram.counts.tolist() == expected


def test_one_value_is_in_the_middle_until_others_come() -> None:
    histogram = ShrinkingHistogram(8)
    histogram.add(torch.full((5,), 2.0))
    assert (histogram.counts.tolist(), histogram.best(16)) == ([0, 0, 0, 0, 5, 0, 0, 0], (2, 2))
    histogram.add(torch.tensor([0.0, 4.0]))
    assert histogram.counts.tolist() == [1, 0, 0, 0, 5, 0, 0, 1]


def test_a_range_beyond_fp32_is_named() -> None:
    observer = make_observer(RangeRule("histogram_pro"), INT8, TENSOR)
    with pytest.raises(FormatError, match="is beyond fp32; take min_max or percentile"):
        observer.update(torch.tensor([-3e38, 3e38]))
    assert not observer.seen
