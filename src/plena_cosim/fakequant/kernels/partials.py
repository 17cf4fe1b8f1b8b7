"""Kernels of the matrix unit: exact dots of a block, rounded and added while they are in cache.

Dots are exact in their carrier, whatever the order and whether products are rounded first: so they
may be contracted and reassociated, and nothing else may.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .compile import kernel, kernel_of
from .rounding import Float, rounded, unpack

# numba caches a kernel by its own file: a change of what it calls has to show here.
# rounding.py: a979f6619799

EXACT, ROUNDED, ROUNDED_WIDE, FIXED = 0, 1, 2, 3
"""How sums are kept: as float32 adds them, rounded to a format (from dots in float32, or in float64
within the range of float32), or as units of fixed point."""

WIDTH = 256
"""Columns of a panel, of which a few rows at a time are in the first cache."""

_GROUP = 64  # columns whose sums are added together
_LOST = np.int64((1 << 29) - 1)  # bits of float64 that float32 does not have
_MAGIC = 1.5 * 2.0**52  # float64's adder then rounds at the units


@kernel
def _to_odd(x: Float) -> Any:
    """Return a float64 of float32's normal range as float32: cut, and odd where that lost bits.

    What is rounded to odd rounds to fewer bits as the number itself (Boldo and Melquiond 2008).
    """
    bits = np.float64(x).view(np.int64)
    lost = (bits & _LOST) + _LOST  # carries into the last place that stays, unless it is nothing
    return np.float32(np.int64((bits | (lost & (_LOST + 1))) & ~_LOST).view(np.float64))


@kernel
def _add(kind: int, dots: Any, total: Any, single: Any, p: Any, limits: Any) -> None:
    """Add dots (n,) to sums (n,).

    Args:
        kind: EXACT, ROUNDED, ROUNDED_WIDE or FIXED.
        dots: float32 or float64.
        total: float32, or float64 for FIXED.
        single: float32 to work in, as long as `total` at least.
        p: the format of what is rounded.
        limits: of FIXED: units in one, lowest and highest number of units.
    """
    if kind == EXACT:
        for j in range(total.size):
            total[j] = np.float32(total[j]) + np.float32(dots[j])
    elif kind == ROUNDED:
        for j in range(total.size):
            part = rounded(np.float32(dots[j]), False, p)
            total[j] = rounded(np.float32(np.float32(total[j]) + part), False, p)
    elif kind == ROUNDED_WIDE:
        for j in range(total.size):  # a loop of its own: it has vectors of half as many
            single[j] = _to_odd(dots[j])
        for j in range(total.size):
            part = rounded(single[j], False, p)
            total[j] = rounded(np.float32(np.float32(total[j]) + part), False, p)
    else:
        units, lowest, highest = limits
        for j in range(total.size):
            part = np.float64(dots[j]) * units
            part = part if part == part else highest
            part = part if part > lowest else lowest
            part = part if part < highest else highest
            found = np.float64(total[j]) + ((part + _MAGIC) - _MAGIC)
            found = found if found > lowest else lowest
            total[j] = found if found < highest else highest


@kernel_of(fastmath={"contract", "reassoc"})
def _two(x: Any, row: int, other: int, begin: int, count: int, panel: Any, dots: Any) -> None:
    """Write the dots of two rows of x with each column of a panel."""
    for j in range(WIDTH):
        dots[0, j] = 0
        dots[1, j] = 0
    whole = count // 4 * 4
    for k in range(0, whole, 4):
        at = begin + k
        a0, a1, a2, a3 = x[row, at], x[row, at + 1], x[row, at + 2], x[row, at + 3]
        b0, b1, b2, b3 = x[other, at], x[other, at + 1], x[other, at + 2], x[other, at + 3]
        for j in range(WIDTH):
            p0, p1, p2, p3 = panel[k, j], panel[k + 1, j], panel[k + 2, j], panel[k + 3, j]
            dots[0, j] += a0 * p0 + a1 * p1 + a2 * p2 + a3 * p3
            dots[1, j] += b0 * p0 + b1 * p1 + b2 * p2 + b3 * p3
    for k in range(whole, count):
        a0, b0 = x[row, begin + k], x[other, begin + k]
        for j in range(WIDTH):
            dots[0, j] += a0 * panel[k, j]
            dots[1, j] += b0 * panel[k, j]


@kernel
def product(
    first: int,
    last: int,
    x: Any,
    w: Any,
    block: int,
    total: Any,
    kind: int,
    bits: Any,
    limits: Any,
) -> None:
    """Add the products of all rows and of the panels first..last of columns to sums.

    Args:
        first, last: panels of `WIDTH` columns.
        x: float32 or float64 (m, k).
        w: of the same dtype, (n, k): what is multiplied, transposed.
        block: of k.
        total: (m, n), sums.
        kind, bits, limits: as in `_add`.
    """
    p = unpack(bits)
    panel, dots = np.zeros((block, WIDTH), x.dtype), np.empty((2, WIDTH), x.dtype)
    single = np.empty(WIDTH, np.float32)
    for index in range(first, last):
        left = index * WIDTH
        columns = w[left : left + WIDTH]
        for begin in range(0, x.shape[1], block):
            count = min(block, x.shape[1] - begin)
            for j in range(columns.shape[0]):
                column = columns[j, begin : begin + count]
                for k in range(column.size):
                    panel[k, j] = column[k]
            for row in range(0, x.shape[0], 2):
                here = min(2, x.shape[0] - row)
                _two(x, row, row + here - 1, begin, count, panel, dots)
                for i in range(here):
                    into = total[row + i, left : left + columns.shape[0]]
                    _add(kind, dots[i], into, single, p, limits)


@kernel
def _dots(a: Any, b: Any, block: int, work: Any, out: Any) -> None:
    """Write the dots (blocks,) of two rows (k,); `work` has room for 2 k."""
    level, free = work[: a.size], work[a.size :]
    for k in range(level.size):
        level[k] = a[k] * b[k]
    while block % 2 == 0:  # in loops over all blocks: vectors
        block //= 2
        source = level
        level, free = free[: out.size * block], free[out.size * block :]
        for k in range(level.size):
            level[k] = source[2 * k] + source[2 * k + 1]
    for index in range(out.size):
        total = level[index * block]
        for k in range(1, block):
            total += level[index * block + k]
        out[index] = total


@kernel
def few_rows(
    first: int,
    last: int,
    x: Any,
    w: Any,
    block: int,
    total: Any,
    kind: int,
    bits: Any,
    limits: Any,
) -> None:
    """As `product` for few rows, of whole blocks: columns first..last, each read once.

    Args:
        first, last: columns.
        x: float32 or float64 (m, k), of few rows.
        w: of the same dtype, (n, k): what is multiplied, transposed.
        block: of k, which it divides.
        total: (m, n), sums.
        kind, bits, limits: as in `_add`.
    """
    p = unpack(bits)
    blocks = x.shape[1] // block
    work, found = np.empty(2 * x.shape[1], x.dtype), np.empty(blocks, x.dtype)
    dots, single = np.empty((blocks, _GROUP), x.dtype), np.empty(_GROUP, np.float32)
    for row in range(x.shape[0]):
        for left in range(first, last, _GROUP):
            into = total[row, left : min(left + _GROUP, last)]
            for j in range(into.size):
                _dots(x[row], w[left + j], block, work, found)
                for index in range(blocks):
                    dots[index, j] = found[index]
            for index in range(blocks):
                _add(kind, dots[index], into, single, p, limits)
