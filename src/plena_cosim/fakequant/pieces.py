"""Pieces: a tensor walked in parts that fit the cache, so that a sequence of steps stays there.

The steps are elementwise, gathers, or sums of fixed order along the last axis, so that neither the
cut nor the number of threads changes a bit.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

_PIECE_VALUES = 1 << 18  # a thread: 1 MiB; elsewhere a kernel launch costs more than memory traffic

Index = tuple[Any, ...]


def piece_values() -> int:
    """Return how many values of a tensor a CPU walks at a time."""
    return _PIECE_VALUES * torch.get_num_threads()


def _pieces(shape: torch.Size, *, keep: int, limit: int) -> Iterator[Index]:
    """Yield indices that together cover `shape` once; the last `keep` axes are never cut."""
    cut = len(shape) - keep
    if cut < 1 or shape.numel() <= limit:
        yield ()
        return
    axis = next((k for k in range(cut) if shape[k + 1 :].numel() <= limit), cut - 1)
    step = max(1, limit // max(1, shape[axis + 1 :].numel()))
    for outer in itertools.product(*(range(size) for size in shape[:axis])):
        for first in range(0, shape[axis], step):
            yield (*outer, slice(first, first + step))


def in_pieces(function: Callable[..., Tensor], *operands: Tensor) -> Tensor:
    """Return function(*operands) of one common shape, computed piece by piece on a CPU.

    Args:
        function: elementwise, from tensors that broadcast to one shape to a tensor of that shape.
        operands: broadcastable; the device is that of the first.
    """
    shape = _broadcast(*(operand.shape for operand in operands))
    return _walk(function, shape, [operand.expand(shape) for operand in operands], keep=0)


def rows_in_pieces(function: Callable[..., Tensor], x: Tensor, *operands: Tensor) -> Tensor:
    """As `in_pieces` for a function that may look along the last axis of `x`.

    Args:
        function: from pieces of whole rows to a tensor with the same leading axes.
        x: (…, n).
        operands: their leading axes broadcast to those of `x`.

    Returns:
        function(x, *operands): the leading axes of `x`, and the last axis that `function` gives.
    """
    views = [
        t.expand(*x.shape[:-1], t.shape[-1]) if t.ndim else t.expand(x.shape) for t in operands
    ]
    return _walk(function, x.shape, [x, *views], keep=1)


def _walk(
    function: Callable[..., Tensor], shape: torch.Size, views: list[Tensor], *, keep: int
) -> Tensor:
    limit = piece_values()
    if views[0].device.type != "cpu" or shape.numel() <= limit:
        return function(*views)
    out: Tensor | None = None
    for index in _pieces(shape, keep=keep, limit=limit):
        part = function(*(view[index] for view in views))
        if not index:
            return part
        if out is None:
            full = shape if not keep else (*shape[:-1], part.shape[-1])
            out = torch.empty(full, dtype=part.dtype, device=part.device)
        out[index] = part
    assert out is not None
    return out


def _broadcast(*shapes: torch.Size) -> torch.Size:
    return torch.broadcast_shapes(*shapes)  # type: ignore[no-untyped-call,no-any-return]
