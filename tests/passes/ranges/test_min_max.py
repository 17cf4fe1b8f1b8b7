"""min_max against NumPy, whatever the granularity and the batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from plena_cosim.golden.affine import Granularity, to_groups
from plena_cosim.passes.ranges import make_observer
from plena_cosim.passes.recipe.range_rule import RangeRule

from .samples import INT8, TENSOR, heavy

GRANULARITIES = [
    TENSOR,
    Granularity(kind="channel", ch_axis=1),
    Granularity(kind="group", ch_axis=-1, group_size=8),
    Granularity(kind="group", ch_axis=0, group_size=3),
]


@pytest.mark.parametrize("method", ["min_max", "histogram"])
@pytest.mark.parametrize("granularity", GRANULARITIES, ids=str)
def test_it_is_the_smallest_and_the_largest_value(method: str, granularity: Granularity) -> None:
    batches = [heavy(6, 5, 21, seed=seed) for seed in range(4)]
    groups = np.concatenate([to_groups(batch.numpy(), granularity) for batch in batches], -1)
    for order in (batches, batches[::-1]):
        observer = make_observer(RangeRule(method), INT8, granularity)
        for batch in order:
            observer.update(batch)
        low, high = observer.range()
        np.testing.assert_array_equal(low.numpy(), groups.min(-1))
        np.testing.assert_array_equal(high.numpy(), groups.max(-1))


def test_the_sign_of_zero_does_not_depend_on_the_order() -> None:
    for order in ([0.0, -0.0], [-0.0, 0.0], [-0.0]):
        observer = make_observer(RangeRule(), INT8, TENSOR)
        for value in order:
            observer.update(torch.tensor([value, -value]))
        assert repr([end.item() for end in observer.range()]) == "[0.0, 0.0]"
