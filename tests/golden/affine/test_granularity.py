"""Granularity: what each kind needs, and which axis it means."""

from __future__ import annotations

import pytest

from plena_cosim.golden import FormatError
from plena_cosim.golden.affine import Granularity, Grouping


def test_kinds_by_name_and_by_member() -> None:
    assert Granularity() == Granularity(kind="tensor") == Granularity(kind=Grouping.TENSOR)
    by_group = Granularity(kind="group", ch_axis=-1, group_size=32)
    assert by_group.kind is Grouping.GROUP
    assert [by_group.axis(shape) for shape in ((4,), (2, 3), (1, 2, 3))] == [0, 1, 2]
    assert Granularity(kind="channel", ch_axis=1).axis((0, 2, 3)[1:]) == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "row"}, "unknown granularity 'row'; known: tensor, channel, group"),
        ({"ch_axis": 0}, r"granularity 'tensor' takes no ch_axis; leave it out \(got 0\)"),
        ({"group_size": 2}, "granularity 'tensor' takes no group_size"),
        ({"kind": "channel"}, r"granularity 'channel' needs ch_axis \(got None\)"),
        ({"kind": "channel", "ch_axis": 0, "group_size": 4}, "'channel' takes no group_size"),
        ({"kind": "group", "ch_axis": 0}, "granularity 'group' needs group_size"),
        ({"kind": "group", "group_size": 4}, "granularity 'group' needs ch_axis"),
        ({"kind": "group", "ch_axis": 0, "group_size": 0}, "group_size must be an integer in 1"),
        ({"kind": "channel", "ch_axis": 0.0}, "ch_axis must be an integer"),
    ],
)
def test_bad_fields_are_named(fields: dict, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        Granularity(**fields)


@pytest.mark.parametrize(
    ("granularity", "shape", "message"),
    [
        (Granularity(kind="channel", ch_axis=2), (2, 3), r"ch_axis 2 does not .*allowed: -2\.\.1"),
        (Granularity(kind="channel", ch_axis=0), (), r"ch_axis 0 does not exist in shape \(\)"),
        (Granularity(), (2, 0), r"at least one value that shares a scale, got shape \(2, 0\)"),
        (Granularity(kind="channel", ch_axis=0), (2, 0), r"got shape \(2, 0\) by channel"),
        (Granularity(kind="group", ch_axis=1, group_size=4), (2, 0), r"\(2, 0\) by group"),
    ],
)
def test_bad_shapes_are_named(granularity, shape, message) -> None:
    with pytest.raises(FormatError, match=message):
        granularity.axis(shape)


def test_no_group_is_no_error() -> None:
    assert Granularity(kind="channel", ch_axis=0).axis((0, 3)) == 0
    assert Granularity(kind="group", ch_axis=1, group_size=4).axis((0, 3)) == 1
