"""PositionObserver: a group along the last axis has one range, that of all rows."""

from __future__ import annotations

import pickle
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from plena_cosim.golden import FormatError
from plena_cosim.golden.affine import Granularity
from plena_cosim.passes.ranges import PositionObserver, make_observer
from plena_cosim.passes.recipe.range_rule import RangeRule

from .samples import INT8, RULES

SIZE = 3
BATCHES = [
    torch.randn(shape, generator=torch.Generator().manual_seed(n)) * 2.0**n
    for n, shape in enumerate([(2, 5, 8), (4, 8), (8,), (1, 1, 2, 8)])
]
"""Rows of 8 in tensors of any other axes: groups of 3, 3 and 2."""


def observer(rule: RangeRule, size: int = SIZE) -> PositionObserver:
    return PositionObserver(size, partial(make_observer, rule, INT8))


def test_min_max_is_that_of_all_rows() -> None:
    made = observer(RangeRule())
    assert not made.seen
    for batch in BATCHES:
        made.update(batch)
    assert made.seen
    rows = np.concatenate([batch.numpy().reshape(-1, 8) for batch in BATCHES])
    low, high = made.range()
    places = [slice(0, 3), slice(3, 6), slice(6, 8)]
    assert low.tolist() == [rows[:, place].min() for place in places]
    assert high.tolist() == [rows[:, place].max() for place in places]


@pytest.mark.parametrize("size", [1, 3, 4, 8, 11])
@pytest.mark.parametrize("rule", RULES, ids=[rule.method.value for rule in RULES])
def test_each_group_has_what_the_method_finds_in_its_values_alone(
    rule: RangeRule, size: int
) -> None:
    made = observer(rule, size)
    alone = [make_observer(rule, INT8, Granularity()) for _ in range(0, 8, size)]
    for batch in BATCHES[:2]:
        made.update(batch)
        for number, each in enumerate(alone):
            each.update(batch[..., number * size : (number + 1) * size])
    ends = [each.range() for each in alone]
    low, high = made.range()
    assert torch.equal(low, torch.stack([low for low, _ in ends]))
    assert torch.equal(high, torch.stack([high for _, high in ends]))


def test_it_may_be_pickled_and_goes_on() -> None:
    made = observer(RangeRule("percentile", percentile=90.0))
    made.update(BATCHES[0])
    again = pickle.loads(pickle.dumps(made))
    for each in (made, again):
        each.update(BATCHES[1])
    assert all(map(torch.equal, made.range(), again.range()))


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (torch.zeros(2, 7), r"shape \(2, 7\); groups along the last axis need 8 along it"),
        (torch.tensor(1.0), r"shape \(\); groups along the last axis need 8 along it"),
        (torch.tensor([0.0] * 7 + [torch.nan]), "1 of 8 values are NaN or Inf, the first nan at"),
        (torch.zeros(8, dtype=torch.int64), "need a tensor of float32"),
    ],
)
def test_what_cannot_be_seen_changes_nothing(batch: Tensor, message: str) -> None:
    made = observer(RangeRule())
    made.update(BATCHES[0])
    before = made.range()
    with pytest.raises(FormatError, match=message):
        made.update(batch)
    assert all(map(torch.equal, made.range(), before))
    made.update(torch.zeros(0, 8))
    assert all(map(torch.equal, made.range(), before))


def test_nothing_seen_is_one_error() -> None:
    with pytest.raises(FormatError, match="no value has been seen"):
        observer(RangeRule()).range()
    with pytest.raises(FormatError, match="groups along the last axis need a last axis"):
        observer(RangeRule()).update(torch.tensor(1.0))
