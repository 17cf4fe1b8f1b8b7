"""mse against sums of squares as fractions, for every kind of format."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from plena_cosim.golden.affine import AffineInt, ScaledFp
from plena_cosim.passes.ranges import make_observer
from plena_cosim.passes.ranges.histogram import Histogram
from plena_cosim.passes.ranges.least_error import least_error_bound
from plena_cosim.passes.recipe.range_rule import RangeRule

from ...golden.affine.affine_oracle import code_of, scale_of, value_of
from .samples import INT8, TENSOR, gaussian, heavy

FORMATS = [
    INT8,
    AffineInt(bits=4),
    AffineInt(bits=4, quotient="reciprocal"),
    AffineInt(bits=3, signed=False),
    AffineInt(bits=4, zero_point="int32"),
    AffineInt(bits=3, signed=False, zero_point="int32"),
    AffineInt(bits=3, zero_point="float32"),
    AffineInt(bits=4, scale="e8m0"),
    ScaledFp(element="e4m3"),
    ScaledFp(element="e2m1"),
    ScaledFp(element="e2m1", scale="e4m3"),
]


def bound_of(x: torch.Tensor, bins: int, start: int, fmt: Any) -> float:
    """The middle of the best bin, everything counted and squared one by one."""
    values = x.tolist()
    span = max(abs(value) for value in values)
    edges = [np.float32(float(Fraction(span) * k / bins)) for k in range(bins + 1)]
    centres = [float(np.float32((float(a) + float(b)) / 2)) for a, b in itertools.pairwise(edges)]
    signs = hasattr(fmt, "zero_point") and fmt.zero_point.value != "none"
    counts: dict[float, int] = {}
    for value in values:
        exact = Fraction(abs(value)) * bins / Fraction(span)
        middle = centres[min(int(np.float32(float(exact))), bins - 1)]
        middle = -middle if signs and value < 0 else middle
        counts[middle] = counts.get(middle, 0) + 1
    errors = []
    for bound in centres[start:]:
        low, high = max(min(values), -bound), min(max(values), bound)
        scale, zero = scale_of(low, high, fmt, max(-low, high))
        total = Fraction(0)
        for middle, count in counts.items():
            code = code_of(middle, scale, zero, fmt)
            total += (Fraction(value_of(code, scale, zero, fmt)) - Fraction(middle)) ** 2 * count
        errors.append(total)
    return centres[start + errors.index(min(errors))]


@pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: f"{fmt.name}-{fmt.scale.value}")
@pytest.mark.parametrize("data", [gaussian(300), heavy(300), heavy(200) + 2], ids=["g", "h", "s"])
def test_it_is_the_bin_with_the_least_error(fmt: Any, data: torch.Tensor) -> None:
    bins, start = 24, 5
    observer = make_observer(RangeRule("mse", bins=bins, start_bin=start), fmt, TENSOR)
    observer.update(data)
    low, high = observer.range()
    bound = bound_of(data, bins, start, fmt)
    assert low.item() == max(float(data.min()), -bound)
    assert high.item() == min(float(data.max()), bound)


def test_four_bits_clip_a_heavy_tail() -> None:
    x = torch.cat([gaussian(4000), torch.tensor([20.0])])
    ends = {}
    for bits in (4, 8):
        observer = make_observer(RangeRule("mse", start_bin=128), AffineInt(bits=bits), TENSOR)
        observer.update(x)
        ends[bits] = observer.range()[1].item()
    assert ends[4] < 8 < ends[8]


def test_the_first_of_equal_errors_is_taken() -> None:
    histogram = Histogram(8)
    histogram.add(torch.tensor([8.0]))  # of whatever range, 7.5 is the end: no error
    low, high = torch.tensor(0.0), torch.tensor(8.0)
    fmt = AffineInt(bits=8, signed=False, zero_point="float32")
    errors = [least_error_bound(histogram, low, high, fmt=fmt, start_bin=k) for k in (7, 99)]
    assert errors == [7.5, 7.5]


def test_only_the_last_bins_are_tried_by_default() -> None:
    observer = make_observer(RangeRule("mse"), AffineInt(bits=2), TENSOR)
    x = heavy(3000)
    observer.update(x)
    largest = x.abs().max()
    assert largest * 2045 / 2048 < torch.maximum(*(end.abs() for end in observer.range())) < largest
