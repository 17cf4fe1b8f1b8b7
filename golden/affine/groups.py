"""Groups: an array seen as (…, n), where the n values along the last axis share one scale."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from plena_cosim.golden.formats import FormatError

from .granularity import Granularity, Grouping

Array = npt.NDArray[Any]


def to_groups(x: npt.ArrayLike, granularity: Granularity) -> Array:
    """Return an array with the values that share a scale along its last axis.

    Args:
        x: of any dtype; of at least one dimension unless by tensor.
        granularity: which values share one.

    Returns:
        By tensor (size,), so that there is one scale of shape (). By channel (channels, others),
        the others in C order. By group (…, groups, group_size), with `ch_axis` moved to the end;
        a short last group is filled with copies of its row's last value, which change neither its
        smallest nor its largest value.

    Raises:
        FormatError: `x` has no such axis, or no value along it.

    >>> by_two = Granularity(kind="group", ch_axis=0, group_size=2)
    >>> to_groups([1, 2, 3], by_two).tolist()
    [[1, 2], [3, 3]]
    """
    array = np.asarray(x)
    axis = granularity.axis(array.shape)
    if granularity.kind is Grouping.TENSOR:
        return array.reshape(-1)
    if granularity.kind is Grouping.CHANNEL:
        first = np.moveaxis(array, axis, 0)
        return first.reshape(first.shape[0], prod(first.shape[1:]))
    assert granularity.group_size is not None
    last = np.moveaxis(array, axis, -1)
    count = -(-last.shape[-1] // granularity.group_size)
    missing = count * granularity.group_size - last.shape[-1]
    whole = np.concatenate([last, np.repeat(last[..., -1:], missing, axis=-1)], axis=-1)
    return whole.reshape(*last.shape[:-1], count, granularity.group_size)


def from_groups(groups: Array, shape: Sequence[int], granularity: Granularity) -> Array:
    """Return groups as the array of a shape that they were made of: the inverse of `to_groups`.

    Args:
        groups: as `to_groups` returns them for an array of `shape`.
        shape: of the array.
        granularity: which values share a scale.

    Returns:
        Array of `shape`.

    Raises:
        FormatError: `shape` has no such axis, or `groups` are none of it.

    >>> by_two = Granularity(kind="group", ch_axis=0, group_size=2)
    >>> from_groups(np.array([[1, 2], [3, 3]]), (3,), by_two).tolist()
    [1, 2, 3]
    """
    expected = to_groups(np.broadcast_to(np.uint8(0), tuple(shape)), granularity).shape
    if groups.shape != expected:
        raise FormatError(
            f"an array of shape {tuple(shape)} has groups of shape {expected}, got {groups.shape}"
        )
    axis = granularity.axis(shape)
    if granularity.kind is Grouping.TENSOR:
        return groups.reshape(tuple(shape))
    others = [*shape[:axis], *shape[axis + 1 :]]
    if granularity.kind is Grouping.CHANNEL:
        return np.moveaxis(groups.reshape(shape[axis], *others), 0, axis)
    rows = groups.reshape(*others, groups.shape[-2] * groups.shape[-1])
    return np.moveaxis(rows[..., : shape[axis]], -1, axis)
