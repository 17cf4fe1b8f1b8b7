"""What all observers have in common: what they take, keep and refuse."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import torch

from plena_cosim.golden import FormatError
from plena_cosim.golden.affine import Granularity
from plena_cosim.passes.ranges import make_observer
from plena_cosim.passes.recipe.range_rule import RangeRule

from .samples import INT8, ROWS, RULES, TENSOR, gaussian, heavy

rules = pytest.mark.parametrize("rule", RULES, ids=[rule.method.value for rule in RULES])


def found(rule: RangeRule, *batches: torch.Tensor, granularity: Granularity = TENSOR) -> str:
    observer = make_observer(rule, INT8, granularity)
    for batch in batches:
        observer.update(batch)
    return repr([end.tolist() for end in observer.range()])


@rules
def test_nothing_seen_is_an_error(rule: RangeRule) -> None:
    observer = make_observer(rule, INT8, TENSOR)
    assert not observer.seen
    observer.update(torch.zeros(0, 5))
    assert not observer.seen
    with pytest.raises(FormatError, match="no value has been seen; call update with data first"):
        observer.range()
    observer.update(torch.ones(1))
    assert observer.seen


@rules
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_nan_or_inf_is_named_and_changes_nothing(rule: RangeRule, bad: float) -> None:
    observer = make_observer(rule, INT8, TENSOR)
    observer.update(gaussian(4, 50))
    before = observer.range()
    x = gaussian(4, 50) * 100
    x[2, 7] = x[3, 1] = bad
    message = rf"2 of 200 values are NaN or Inf, the first {bad} at index \(2, 7\)"
    with pytest.raises(FormatError, match=message):
        observer.update(x)
    assert all(map(torch.equal, before, observer.range()))


@rules
@pytest.mark.parametrize("granularity", [TENSOR, ROWS], ids=["tensor", "channel"])
def test_a_pickle_goes_on_where_it_was(rule: RangeRule, granularity: Granularity) -> None:
    batches = [heavy(3, 400, seed=seed) for seed in range(3)]
    observer = make_observer(rule, INT8, granularity)
    observer.update(batches[0])
    again = pickle.loads(pickle.dumps(observer))
    for batch in batches[1:]:
        observer.update(batch)
        again.update(batch)
    assert all(map(torch.equal, observer.range(), again.range()))
    assert found(rule, *batches, granularity=granularity) == repr(
        [end.tolist() for end in observer.range()]
    )


@rules
def test_a_channel_is_a_tensor_of_its_own(rule: RangeRule) -> None:
    batches = [heavy(5, 3, 200, seed=seed) for seed in range(2)]
    middle = Granularity(kind="channel", ch_axis=-2)
    by_channel = make_observer(rule, INT8, middle)
    for batch in batches:
        by_channel.update(batch)
    low, high = by_channel.range()
    assert low.shape == high.shape == (3,)
    for channel in range(3):
        alone = make_observer(rule, INT8, TENSOR)
        for batch in batches:
            alone.update(batch[:, channel])
        assert (low[channel], high[channel]) == alone.range()


@rules
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64], ids=str)
def test_other_dtypes_are_their_values_in_float32(rule: RangeRule, dtype: torch.dtype) -> None:
    x = heavy(2, 300).to(dtype)
    assert found(rule, x) == found(rule, x.float())
    assert "float32" in str(x.float().dtype)


@rules
def test_layout_and_gradients_do_not_matter(rule: RangeRule) -> None:
    x = heavy(40, 30)
    assert found(rule, x.T) == found(rule, x)
    assert found(rule, x.clone().requires_grad_()) == found(rule, x)
    assert found(rule, torch.stack([x, x], -1)[..., 0]) == found(rule, x)


@rules
@pytest.mark.parametrize("value", [3.7, -3.7, 2.0**-10, -3e38])
def test_one_value_only_is_within_its_range(rule: RangeRule, value: float) -> None:
    observer = make_observer(rule, INT8, TENSOR)
    for _ in range(2):
        observer.update(torch.full((5, 9), value))
    low, high = observer.range()
    constant = torch.tensor(value)
    assert low <= high
    assert torch.maximum(-low, high) <= constant.abs()
    assert torch.maximum(-low, high) >= constant.abs() * (1 - 1 / 64)


@rules
def test_zeros_have_a_range_of_zero(rule: RangeRule) -> None:
    ends = found(rule, torch.zeros(9), -torch.zeros(7))
    assert ends == "[0.0, 0.0]"


@rules
def test_zeros_before_the_first_value_do_no_harm(rule: RangeRule) -> None:
    x = heavy(2000)
    if rule.method.value == "histogram_pro":
        pytest.skip("its first bins are of no width, and the rest is moved into others")
    parts = found(rule, torch.zeros(100), x)
    assert parts == found(rule, torch.cat([torch.zeros(100), x]))


@rules
@pytest.mark.parametrize("exp", [-8, 100])
def test_a_power_of_two_only_moves_the_range(rule: RangeRule, exp: int) -> None:
    batches = [heavy(500, seed=seed) for seed in range(2)]
    scaled = [batch * 2.0**exp for batch in batches]
    observer, other = (make_observer(rule, INT8, TENSOR) for _ in range(2))
    for one, two in zip(batches, scaled, strict=True):
        observer.update(one)
        other.update(two)
    for one, two in zip(observer.range(), other.range(), strict=True):
        assert one * 2.0**exp == two


def test_batches_of_other_channels_are_refused() -> None:
    observer = make_observer(RangeRule(), INT8, ROWS)
    observer.update(torch.ones(3, 4))
    observer.update(torch.ones(3, 8, 2))
    message = r"shape \(4, 4\), has scales of shape \(4,\), those before had \(3,\)"
    with pytest.raises(FormatError, match=message):
        observer.update(torch.ones(4, 4))
    with pytest.raises(FormatError, match="ch_axis 0 does not exist"):
        observer.update(torch.tensor(1.0))


@pytest.mark.parametrize("x", [[1.0], torch.ones(3, dtype=torch.int32)])
def test_bad_input_is_named(x: Any) -> None:
    with pytest.raises(FormatError, match="calibration: need a tensor of float32, bfloat16"):
        make_observer(RangeRule(), INT8, TENSOR).update(x)


def test_float64_beyond_float32_is_inf() -> None:
    with pytest.raises(FormatError, match="1 of 1 values are NaN or Inf, the first inf"):
        make_observer(RangeRule(), INT8, TENSOR).update(torch.tensor([1e300], dtype=torch.float64))
