"""Groups: a tensor seen as (…, n), where the n values along the last axis share one scale."""

from __future__ import annotations

import torch
from torch import Tensor

from plena_cosim.golden.affine import Granularity, Grouping


def to_groups(x: Tensor, granularity: Granularity) -> Tensor:
    """Return golden.affine.to_groups(x) of a tensor: a view where that is possible."""
    axis = granularity.axis(x.shape)
    if granularity.kind is Grouping.TENSOR:
        return x.reshape(-1)
    if granularity.kind is Grouping.CHANNEL:
        first = x.movedim(axis, 0)
        return first.reshape(first.shape[0], first.shape[1:].numel())
    assert granularity.group_size is not None
    rows = x.movedim(axis, -1)
    count = -(-rows.shape[-1] // granularity.group_size)
    missing = count * granularity.group_size - rows.shape[-1]
    if missing:
        rows = torch.cat([rows, rows[..., -1:].expand(*rows.shape[:-1], missing)], dim=-1)
    return rows.reshape(*rows.shape[:-1], count, granularity.group_size)


def from_groups(groups: Tensor, shape: torch.Size, granularity: Granularity) -> Tensor:
    """Return golden.affine.from_groups(groups, shape) of a tensor.

    Args:
        groups: as `to_groups` returns them for a tensor of `shape`.
        shape: of the tensor.
        granularity: which values share a scale.
    """
    axis = granularity.axis(shape)
    if granularity.kind is Grouping.TENSOR:
        return groups.reshape(shape)
    others = (*shape[:axis], *shape[axis + 1 :])
    if granularity.kind is Grouping.CHANNEL:
        return groups.reshape(shape[axis], *others).movedim(0, axis)
    rows = groups.reshape(*others, groups.shape[-2] * groups.shape[-1])
    return rows[..., : shape[axis]].movedim(-1, axis)
