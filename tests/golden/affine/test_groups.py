"""to_groups against the definition by indices, and from_groups as its inverse."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from plena_cosim.golden import FormatError
from plena_cosim.golden.affine import Granularity, from_groups, to_groups

SHAPES = [(1,), (5,), (3, 4), (2, 3, 5), (2, 1, 3, 4)]


def granularities(shape: tuple[int, ...]) -> list[Granularity]:
    axes = range(-len(shape), len(shape))
    return [
        Granularity(),
        *(Granularity(kind="channel", ch_axis=axis) for axis in axes),
        *(
            Granularity(kind="group", ch_axis=axis, group_size=size)
            for axis, size in itertools.product(axes, (1, 2, 3, 4, 7))
        ),
    ]


def members(shape: tuple[int, ...], granularity: Granularity) -> list[set[int]]:
    """The flat indices that share a scale, by the words of the definition."""
    found: dict[tuple[int, ...], set[int]] = {}
    for flat, place in enumerate(itertools.product(*map(range, shape))):
        kind = granularity.kind.value
        axis = None if granularity.ch_axis is None else granularity.ch_axis % len(shape)
        if kind == "tensor":
            key: tuple[int, ...] = ()
        elif kind == "channel":
            key = (place[axis],)
        else:
            block = place[axis] // granularity.group_size
            key = (*place[:axis], *place[axis + 1 :], block)
        found.setdefault(key, set()).add(flat)
    return [found[key] for key in sorted(found)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_groups_hold_what_shares_a_scale(shape: tuple[int, ...]) -> None:
    x = np.arange(np.prod(shape)).reshape(shape)
    for granularity in granularities(shape):
        groups = to_groups(x, granularity)
        rows = groups.reshape(-1, groups.shape[-1]).tolist()
        assert [set(row) for row in rows] == members(shape, granularity), granularity
        back = from_groups(groups, shape, granularity)
        assert back.tolist() == x.tolist(), granularity


def test_shapes() -> None:
    x = np.zeros((4, 6, 10))
    for granularity, shape in (
        (Granularity(), (240,)),
        (Granularity(kind="channel", ch_axis=1), (6, 40)),
        (Granularity(kind="group", ch_axis=-1, group_size=4), (4, 6, 3, 4)),
        (Granularity(kind="group", ch_axis=0, group_size=4), (6, 10, 1, 4)),
    ):
        assert to_groups(x, granularity).shape == shape


def test_a_short_group_is_filled_with_its_last_value() -> None:
    by_three = Granularity(kind="group", ch_axis=0, group_size=3)
    assert to_groups([-5, 3, 2, 7], by_three).tolist() == [[-5, 3, 2], [7, 7, 7]]


def test_a_number_is_a_tensor() -> None:
    assert to_groups(3.0, Granularity()).tolist() == [3.0]
    assert from_groups(np.array([3.0]), (), Granularity()).tolist() == 3.0


def test_no_group_is_no_error() -> None:
    for granularity in (
        Granularity(kind="channel", ch_axis=0),
        Granularity(kind="group", ch_axis=1, group_size=4),
    ):
        groups = to_groups(np.zeros((0, 6)), granularity)
        assert from_groups(groups, (0, 6), granularity).shape == (0, 6)


def test_groups_of_another_shape_are_named() -> None:
    with pytest.raises(FormatError, match=r"shape \(2, 3\) has groups of shape \(6,\), got \(5,\)"):
        from_groups(np.zeros(5), (2, 3), Granularity())
