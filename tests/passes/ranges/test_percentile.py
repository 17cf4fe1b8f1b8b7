"""percentile against sorted magnitudes."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from plena_cosim.passes.ranges import make_observer
from plena_cosim.passes.ranges.observer import Observer
from plena_cosim.passes.recipe.range_rule import RangeRule

from .samples import INT8, ROWS, TENSOR, gaussian, heavy

PERCENTILES = (0.001, 1.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.99999999, 100.0)


def observer(percentile: float, *batches: torch.Tensor, skip_zeros: bool = True) -> Observer:
    rule = RangeRule("percentile", percentile=percentile, skip_zeros=skip_zeros)
    made = make_observer(rule, INT8, TENSOR)
    for batch in batches:
        made.update(batch)
    return made


def asked(x: torch.Tensor, percentile: float, *, skip_zeros: bool = True) -> float:
    """The least magnitude that so many percent do not exceed."""
    ordered = sorted(abs(value) for value in x.flatten().tolist() if value or not skip_zeros)
    return ordered[math.ceil(Fraction(str(percentile)) * len(ordered) / 100) - 1]


@pytest.mark.parametrize("percentile", PERCENTILES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_it_is_exact_for_16_bits(percentile: float, dtype: torch.dtype) -> None:
    x = heavy(3001).to(dtype)
    bound = asked(x.float(), percentile)
    low, high = observer(percentile, x).range()
    assert high.item() == min(bound, float(x.max()))
    assert low.item() == max(-bound, float(x.min()))


@pytest.mark.parametrize("percentile", PERCENTILES)
def test_float32_is_the_largest_value_of_a_narrow_cell(percentile: float) -> None:
    x = gaussian(5000).abs()
    bound, found = asked(x, percentile), observer(percentile, x).range()[1].item()
    assert bound <= found <= bound * (1 + 2.0**-12)
    assert found in x.tolist()
    assert found == max(
        value for value in x.tolist() if np.float32(value).view("i4") >> 11
        == np.float32(bound).view("i4") >> 11
    )  # fmt: skip


def test_a_hundred_percent_is_min_max() -> None:
    x = heavy(1000)
    assert observer(100.0, x).range() == (x.min(), x.max())


def test_the_rank_is_that_of_the_decimal_number() -> None:
    x = torch.arange(1.0, 1001.0)  # 99.9 as a binary number is a little more
    assert observer(99.9, x).range()[1] == 999.0
    assert observer(99.91, x).range()[1] == 1000.0


@pytest.mark.parametrize("percentile", [50.0, 99.9])
def test_batches_may_be_split_anyhow(percentile: float) -> None:
    x = heavy(6000)
    whole = observer(percentile, x).range()
    for sizes in ([1000] * 6, [1, 5999], [5990, 10], [3000, 17, 2983]):
        parts = x.split(sizes)
        assert observer(percentile, *parts).range() == whole
        assert observer(percentile, *reversed(parts)).range() == whole


def test_zeros_count_where_the_rule_says_so() -> None:
    x = torch.cat([torch.zeros(900), torch.arange(1.0, 101.0)])
    assert observer(50.0, x).range()[1] == 50.0
    assert observer(50.0, x, skip_zeros=False).range()[1] == 0.0
    assert observer(95.0, x, skip_zeros=False).range()[1] == 50.0


def test_the_side_with_smaller_values_keeps_them() -> None:
    x = torch.cat([torch.arange(1.0, 101.0), torch.tensor([-3.0])])
    assert [end.item() for end in observer(90.0, x).range()] == [-3.0, 90.0]
    assert [end.item() for end in observer(1.0, x + 10).range()] == [7.0, 11.0]
    assert [end.item() for end in observer(1.0, -x - 10).range()] == [-11.0, -7.0]


def test_rows_of_zeros_among_others() -> None:
    x = torch.stack([torch.zeros(50), torch.arange(1.0, 51.0), torch.zeros(50), -torch.ones(50)])
    made = make_observer(RangeRule("percentile", percentile=80.0), INT8, ROWS)
    made.update(x)
    low, high = made.range()
    assert (low.tolist(), high.tolist()) == ([0.0, 1.0, 0.0, -1.0], [0.0, 40.0, 0.0, -1.0])
