"""Kernels called with tensors: each function returns what torch's steps would, or None.

None is left to torch: formats that do not fit float32, and reductions in another format than fp32.
Operands are as `operands` returns them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from plena_cosim.golden import Minifloat

from ..rounder import rounder
from . import elementwise, rows
from .bits import Bits, format_bits
from .elementwise import ADD, MUL, SUB
from .spread import spread
from .view import as_array

__all__ = ["ADD", "MUL", "SUB"]

_LEAST = 1 << 15
"""Elements that are worth a thread."""

Array = np.ndarray[Any, Any]


def cast(x: Tensor, fmt: Minifloat) -> Tensor | None:
    """Return the values of float32 or narrower ones rounded to `fmt`, to nearest, saturated."""
    bits = format_bits(fmt)
    if bits is None or x.dtype == torch.float64:
        return None
    source = x.contiguous().float()
    out = torch.empty_like(source)
    given = as_array(source.view(-1)), as_array(out.view(-1)), bits
    spread(elementwise.cast, source.numel(), *given, least=_LEAST)
    return out


def binary(op: int, a: Tensor, b: Tensor, fmt: Minifloat) -> Tensor | None:
    """Return a + b, a - b or a * b, rounded once; see `elementwise.binary`.

    Args:
        op: ADD, SUB or MUL.
        a, b: values of `fmt`, broadcastable.
        fmt: of operands and results.
    """
    bits = _arithmetic(fmt)
    if bits is None:
        return None
    left, right, out = _pair(a, b)
    given = left, right, as_array(out.view(left.shape)), bits
    _by_rows(elementwise.binary, left, op, *given)
    return out


def larger(a: Tensor, b: Tensor, *, smaller: bool) -> Tensor | None:
    """Return the larger (or smaller) of each two values.

    Args:
        a, b: values, broadcastable.
        smaller: choose the smaller one.
    """
    if a.dtype != torch.float32:
        return None
    left, right, out = _pair(a, b)
    bits = [array.view(np.int32) for array in (left, right, as_array(out.view(left.shape)))]
    _by_rows(elementwise.larger, left, *bits, smaller)
    return out


def lookup(x: Tensor, table: Tensor, fmt: Minifloat) -> Tensor | None:
    """Return the entry of each value's code.

    Args:
        x: values of `fmt`.
        table: values, one a code.
        fmt: of up to 16 bits.
    """
    bits = format_bits(fmt)
    if bits is None:
        return None
    source = x.contiguous()
    out = torch.empty_like(source)
    given = as_array(source.view(-1)), as_array(table), as_array(out.view(-1)), bits
    spread(elementwise.lookup, source.numel(), *given, least=_LEAST)
    return out


def lookup_times(x: Tensor, table: Tensor, y: Tensor, fmt: Minifloat) -> Tensor | None:
    """Return the entry of each value's code times another value, rounded once.

    Args:
        x, y: values of `fmt`, broadcastable.
        table: values, one a code.
        fmt: of up to 16 bits.
    """
    bits = _arithmetic(fmt)
    if bits is None:
        return None
    shape = x.shape if x.shape == y.shape else _broadcast(x.shape, y.shape)
    left, right = x.expand(shape).contiguous(), y.expand(shape).contiguous()
    out = torch.empty_like(left)
    given = as_array(left.view(-1)), as_array(table), as_array(right.view(-1))
    spread(
        elementwise.lookup_times, left.numel(), *given, as_array(out.view(-1)), bits, least=_LEAST
    )
    return out


def rope(x: Tensor, cos: Tensor, sin: Tensor, fmt: Minifloat, step: int) -> Tensor | None:
    """Return x * cos + rotate(x) * sin, each step rounded once.

    Args:
        x: values of `fmt`, (…, n).
        cos, sin: values of `fmt`, broadcastable to `x`.
        fmt: of everything.
        step: between the two elements of a pair.
    """
    bits = _arithmetic(fmt)
    if bits is None or not x.numel():
        return None
    source = _rows(x)
    out = torch.empty(x.shape, dtype=torch.float32)
    tables = _repeated(cos, x.shape, whole=True), _repeated(sin, x.shape, whole=True)
    _by_rows(
        elementwise.rope, source, source, *tables, step, as_array(out.view(source.shape)), bits
    )
    return out


def reduce_rows(
    x: Tensor,
    seed: Tensor,
    selected: Tensor | None,
    src: Minifloat,
    dst: Minifloat,
    *,
    lanes: int | None,
    largest: bool,
) -> Tensor | None:
    """Return the sum of each row, or its largest number, (…).

    Args:
        x: values of `src`, (…, n).
        seed: values of `dst`, (…) or one.
        selected: what takes part; None: everything.
        src, dst: formats of elements and results.
        lanes: of a vector; None: a row is one.
        largest: of each row, not the sum.
    """
    if not _sums_single(src, dst) or not x.numel():
        return None
    if selected is not None:
        x = x.masked_fill(~selected, torch.nan if largest else -0.0)
    values = _rows(x)
    out = torch.empty(x.shape[:-1], dtype=torch.float32)
    start, found = as_array(seed.float().reshape(-1)), as_array(out.view(-1))
    if largest:
        _by_rows(rows.maxima, values, values, start, found)
    else:
        _by_rows(rows.sums, values, values, start, _size(x, lanes), found)
    return out


def softmax(
    x: Tensor,
    selected: Tensor | None,
    tables: tuple[Tensor, Tensor],
    fmt: Minifloat,
    red: Minifloat,
    *,
    lanes: int | None,
) -> Tensor | None:
    """Return the softmax of each row.

    Args:
        x: values of `fmt`, (…, n).
        selected: what takes part; None: everything.
        tables: of exp and reciprocal.
        fmt: of elements and results.
        red: of the two reductions.
        lanes: of a vector; None: a row is one.
    """
    bits = _arithmetic(fmt)
    if bits is None or not _sums_single(fmt, red) or not x.numel():
        return None
    values = _rows(x)
    out = torch.empty(x.shape, dtype=torch.float32)
    chosen = np.empty((0, 0), np.bool_)
    if selected is not None:
        chosen = _repeated(selected, x.shape, whole=True)
    given = values, chosen, _size(x, lanes), *(as_array(t) for t in tables)
    _by_rows(rows.softmax, values, *given, as_array(out.view(values.shape)), bits)
    return out


def norm(
    x: Tensor,
    gain: Tensor,
    shift: Tensor | None,
    eps: Tensor,
    share: float,
    tables: tuple[Tensor, Tensor],
    fmt: Minifloat,
    red: Minifloat,
    *,
    lanes: int | None,
) -> Tensor | None:
    """Return rows divided by their root mean square, times a gain.

    Args:
        x: values of `fmt`, (…, n).
        gain: broadcastable to `x`.
        shift: added at the end, and the rows are centred first; None: neither.
        eps: broadcastable to (…).
        share: 1 / n, rounded.
        tables: of sqrt and reciprocal.
        fmt: of elements and results.
        red: of the sums.
        lanes: of a vector; None: a row is one.
    """
    bits = _arithmetic(fmt)
    if bits is None or not _sums_single(fmt, red) or not x.numel():
        return None
    values = _rows(x)
    out = torch.empty(x.shape, dtype=torch.float32)
    added = np.empty((0, 0), np.float32)
    if shift is not None:
        added = _repeated(shift, x.shape, whole=True)
    small = eps if eps.numel() == 1 else eps.expand(x.shape[:-1])
    given = _repeated(gain, x.shape, whole=True), added, as_array(small.reshape(-1))
    more = np.float32(share), _size(x, lanes), *(as_array(t) for t in tables)
    _by_rows(rows.norm, values, values, *given, *more, as_array(out.view(values.shape)), bits)
    return out


def _arithmetic(fmt: Minifloat) -> Bits | None:
    """Return the bits of a format whose sums and products float32 may round first."""
    return format_bits(fmt) if rounder(fmt).carrier.dtype == torch.float32 else None


def _sums_single(src: Minifloat, dst: Minifloat) -> bool:
    """Whether `dst` is fp32, and holds what is reduced."""
    return rounder(dst).native is torch.float32 and rounder(dst).holds(src)


def _size(x: Tensor, lanes: int | None) -> int:
    return x.shape[-1] if lanes is None else min(lanes, x.shape[-1])


def _rows(x: Tensor) -> Array:
    """Return a tensor as (rows, n); of no axis, as (1, 1)."""
    width = x.shape[-1] if x.ndim else 1
    return as_array(x.contiguous().view(-1, width) if width else x.reshape(0, 1))


def _pair(a: Tensor, b: Tensor) -> tuple[Array, Array, Tensor]:
    """Return two operands as `elementwise.binary` takes them, and room for the result."""
    alike = b.ndim == 0 or a.shape == b.shape  # broadcast_shapes takes 30 us
    shape = a.shape if alike else _broadcast(a.shape, b.shape)
    out = torch.empty(shape, dtype=a.dtype)
    if a.shape == b.shape:  # one loop
        return (
            (
                as_array(a.contiguous().view(1, -1)),
                as_array(b.contiguous().view(1, -1)),
                out,
            )
            if a.numel() < 2 * _LEAST or not a.ndim
            else (_rows(a), _rows(b), out)
        )
    left = _rows(a.expand(shape))
    return left, _repeated(b, shape), out


def _repeated(x: Tensor, shape: torch.Size, *, whole: bool = False) -> Array:
    """Return a tensor that broadcasts to `shape` as (r, n): row i of that has its row i % r.

    Args:
        x: what broadcasts.
        shape: of at least one element.
        whole: give whole rows; else (r, 1) may stand for rows of equal elements.
    """
    if not whole and x.numel() == 1:
        return as_array(x.reshape(1, 1))
    sizes = x.shape
    while sizes and sizes[0] == 1:
        sizes = sizes[1:]
    width = shape[-1] if shape else 1
    tail = shape[len(shape) - len(sizes) :]
    if sizes and sizes[:-1] == tail[:-1] and (sizes[-1] == width or (sizes[-1] == 1 and not whole)):
        return as_array(x.contiguous().view(-1, sizes[-1]))
    return as_array(x.expand(shape).contiguous().view(-1, width))


def _by_rows(kernel: Any, like: Array, *given: Any) -> None:
    least = max(1, _LEAST // max(1, like.shape[-1]))
    spread(kernel, like.shape[0] if like.size else 0, *given, least=least)


def _broadcast(*shapes: torch.Size) -> torch.Size:
    return torch.broadcast_shapes(*shapes)  # type: ignore[no-untyped-call,no-any-return]
