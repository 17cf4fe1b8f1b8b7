"""Histogram: every value in the bin that exact arithmetic says, and how it grows."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
import torch

from plena_cosim.passes.ranges.histogram import MOST_TIMES, Histogram

from .samples import gaussian, heavy


def place(x: float, span: float, bins: int, count: int) -> int:
    """The bin of a value: the quotient rounded to float32, then down."""
    exact = Fraction(abs(x)) * bins / Fraction(span)
    return min(int(np.float32(exact.numerator / exact.denominator)), count - 1)


@pytest.mark.parametrize("bins", [4, 7, 64, 100])
def test_every_value_is_in_its_bin(bins: int) -> None:
    x = torch.cat([heavy(500), torch.linspace(-3, 3, 25), torch.tensor([0.0, -0.0])])
    histogram = Histogram(bins)
    histogram.add(x)
    assert histogram.span == float(x.abs().max())
    expected = np.zeros((2, bins), dtype=np.int64)
    for value in x.tolist():
        expected[int(value < 0), place(value, histogram.span, bins, bins)] += 1
    np.testing.assert_array_equal(histogram.counts.numpy(), expected)


def test_edges_are_multiples_of_the_width() -> None:
    histogram = Histogram(7)
    histogram.add(torch.tensor([0.3, -1.1]))
    span = Fraction(histogram.span)
    edges = [np.float32(float(span * k / 7)) for k in range(8)]
    np.testing.assert_array_equal(histogram.edges().numpy(), edges)
    middles = [np.float32((float(a) + float(b)) / 2) for a, b in itertools.pairwise(edges)]
    np.testing.assert_array_equal(histogram.centres().numpy(), middles)


def test_larger_values_add_bins_of_the_same_width() -> None:
    histogram = Histogram(4)
    histogram.add(torch.tensor([1.0, 0.1]))
    histogram.add(torch.tensor([-1.6, 1.5, 1.75]))
    assert histogram.span == 1.0
    assert histogram.counts.tolist() == [[1, 0, 0, 1, 0, 0, 2], [0, 0, 0, 0, 0, 0, 1]]
    assert histogram.edges().tolist() == [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75]


def test_smaller_values_leave_the_bins_alone() -> None:
    histogram = Histogram(8)
    histogram.add(torch.tensor([2.0]))
    histogram.add(torch.tensor([0.5, -0.5]))
    assert histogram.counts.shape == (2, 8)
    assert histogram.counts.sum() == 3


def test_bins_are_joined_before_there_are_too_many() -> None:
    histogram = Histogram(4)
    histogram.add(torch.tensor([1.0, 0.3, -0.6]))
    histogram.add(torch.tensor([1e30]))
    assert 4 * MOST_TIMES / 2 < histogram.counts.shape[1] <= 4 * MOST_TIMES
    assert histogram.counts.sum() == 4
    assert histogram.counts[0, 0] == 2
    assert histogram.counts[1, 0] == 1
    assert histogram.counts[0, -1] == 1
    assert histogram.edges()[-1] >= 1e30 > histogram.edges()[-2]


def test_joined_bins_hold_what_wide_ones_would() -> None:
    x, histogram = gaussian(2000), Histogram(64)
    histogram.add(x)
    histogram.add(torch.tensor([float(x.abs().max()) * 31.9]))
    assert histogram.counts.shape == (2, 1021)
    wide = torch.zeros(32, dtype=torch.int64)
    for value in x.tolist():
        wide[place(value, float(x.abs().max()), 64, 64) // 2] += 1
    assert histogram.counts.sum(0)[:32].tolist() == wide.tolist()


def test_zeros_make_no_grid() -> None:
    histogram = Histogram(4)
    histogram.add(torch.tensor([0.0, -0.0]))
    assert (histogram.span, histogram.counts[0].tolist()) == (0.0, [2, 0, 0, 0])
    histogram.add(torch.tensor([-2.0]))
    assert (histogram.span, histogram.counts.tolist()) == (2.0, [[2, 0, 0, 0], [0, 0, 0, 1]])


def test_the_ends_of_fp32() -> None:
    most = torch.finfo(torch.float32).max
    for value in (most, 2.0**-149):
        histogram = Histogram(2048)
        histogram.add(torch.tensor([value, -value / 2]))
        assert histogram.counts[0, -1] == 1
        assert histogram.centres().isfinite().all()
    histogram = Histogram(2048)
    histogram.add(torch.tensor([0.3 * most]))
    histogram.add(torch.tensor([most]))
    assert histogram.edges().isfinite().all()
