"""entropy against a plain computation of every divergence."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch

from plena_cosim.golden.affine import AffineInt
from plena_cosim.passes.ranges import make_observer
from plena_cosim.passes.ranges.histogram import Histogram
from plena_cosim.passes.recipe.range_rule import RangeRule

from .samples import INT8, TENSOR, gaussian, heavy


def divergence(counts: list[int], end: int, levels: int) -> float:
    """Of the first bins with the rest added to the last, and of their groups' means."""
    reference = [Fraction(count) for count in counts[:end]]
    reference[-1] += sum(counts[end:])
    candidate = [Fraction(0)] * end
    for level in range(levels):
        group = [k for k in range(end) if k * levels // end == level and counts[k]]
        for k in group:
            candidate[k] = Fraction(sum(counts[j] for j in group), len(group))
    if not sum(candidate):
        return math.inf
    total = 0.0
    for p, q in zip(reference, candidate, strict=True):
        if p and not q:
            return math.inf
        if p:
            p, q = p / sum(reference), q / sum(candidate)
            total += float(p) * math.log(p / q)
    return total


def best(histogram: Histogram, levels: int, start: int) -> int:
    counts = histogram.counts.sum(0).tolist()
    counts[0] = counts[1]
    found = {end: divergence(counts, end, levels) for end in range(start, len(counts) + 1)}
    least = min(found.values())
    near = [end for end, value in found.items() if value <= least + 1e-12]
    return near[-1]


@pytest.mark.parametrize(
    ("fmt", "levels"),
    [(AffineInt(bits=4), 8), (AffineInt(bits=4, signed=False), 16)],
    ids=["int4", "uint4"],
)
@pytest.mark.parametrize("data", [gaussian(4000), heavy(4000)], ids=["gaussian", "heavy"])
def test_it_is_the_bin_with_the_least_divergence(
    fmt: AffineInt, levels: int, data: torch.Tensor
) -> None:
    bins, start = 40, 16
    observer = make_observer(RangeRule("entropy", bins=bins, start_bin=start), fmt, TENSOR)
    histogram = Histogram(bins)
    for batch in data.split(1500):
        observer.update(batch)
        histogram.add(batch)
    low, high = observer.range()
    bound = float(histogram.edges()[best(histogram, levels, start)])
    assert low.item() == max(float(data.min()), -bound)
    assert high.item() == min(float(data.max()), bound)


def test_a_heavy_tail_is_cut_off() -> None:
    observer = make_observer(RangeRule("entropy"), INT8, TENSOR)
    x = torch.cat([gaussian(20000), torch.tensor([50.0])])
    observer.update(x)
    assert 3 < observer.range()[1] < 10


def test_what_has_an_empty_last_bin_is_infinitely_far() -> None:
    observer = make_observer(RangeRule("entropy"), INT8, TENSOR)
    observer.update(torch.tensor([1.0, 0.9, -0.9]))
    assert [end.item() for end in observer.range()] == [pytest.approx(-0.9), 1.0]
