"""Kernels of rows: sums in golden's order, softmax, and normalisation, a row at a time in cache.

Reductions are in fp32: the adder's own sums are taken first, and again with saturation where one
left the finite numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .compile import kernel
from .rounding import Float, code, is_infinite, rounded, unpack

# numba caches a kernel by its own file: a change of what it calls has to show here.
# rounding.py: a979f6619799

_ZERO, _NEGATIVE_ZERO = np.float32(0.0), np.float32(-0.0)
_LARGEST = np.float32(np.finfo(np.float32).max)
_INT = np.int32
_MAGNITUDE = np.int32(0x7FFFFFFF)
_INF = np.int32(0x7F800000)
_LOWEST = np.int32(-0x80000000)
_SPARE = 64
"""Levels of a tree of an odd size: one more element each."""


@kernel
def _add(a: Float, b: Float) -> Any:
    """Return the sum of two numbers of fp32, saturated."""
    total = np.float32(a + b)
    if is_infinite(total) and not is_infinite(a) and not is_infinite(b):
        return _LARGEST if total > _ZERO else np.float32(-_LARGEST)
    return total


@kernel
def _tree(values: Any, count: int, size: int, seed: Float, work: Any, saturates: bool) -> Any:
    """Return seed + tree of vector 0 + tree of vector 1 …

    Args:
        values: float32 of at least `count`, rounded up to a multiple of `size`.
        count: of elements; what is beyond is written over.
        size: of a vector.
        seed: where sums start.
        work: float32, as long as `values` and `_SPARE` more.
        saturates: whether sums that overflow are watched for.
    """
    vectors = (count + size - 1) // size
    for i in range(count, vectors * size):
        values[i] = _NEGATIVE_ZERO
    source, free = values[: vectors * size], work
    while size % 2 == 0:  # vectors do not end within a pair: one loop for all
        size //= 2
        level, free = free[: vectors * size], free[vectors * size :]  # apart: vectors see to that
        if saturates:
            for i in range(level.size):
                level[i] = _add(source[2 * i], source[2 * i + 1])
        else:
            for i in range(level.size):
                level[i] = source[2 * i] + source[2 * i + 1]
        source = level
    total, rest = np.float32(seed), free
    for vector in range(vectors):
        level, left, free = source[vector * size : (vector + 1) * size], size, rest
        while left > 1:
            pairs = left // 2
            above = free[: pairs + left % 2]
            for i in range(pairs):
                above[i] = _add(level[2 * i], level[2 * i + 1])
            if left % 2:
                above[pairs] = level[left - 1]
            level, free, left = above, free[above.size :], above.size
        total = _add(total, level[0])
    return total


@kernel
def _sum(values: Any, count: int, size: int, seed: Float, work: Any) -> Any:
    total = _tree(values, count, size, seed, work, False)
    if _INT(np.float32(total).view(np.int32) & _MAGNITUDE) >= _INF:
        total = _tree(values, count, size, seed, work, True)
    return total


@kernel
def _room(count: int, size: int) -> int:
    return (count + size - 1) // size * size


@kernel
def sums(first: int, last: int, x: Any, seed: Any, size: int, out: Any) -> None:
    """Write the sum of each row first..last of x, float32 (rows, n), from seed (r,).

    Args:
        first, last: rows.
        x: float32 (rows, n).
        seed: float32, one a row, or one for all.
        size: of a vector.
        out: (rows,) float32.
    """
    count = x.shape[1]
    values = np.empty(_room(count, size), np.float32)
    work = np.empty(values.size + _SPARE, np.float32)
    for row in range(first, last):
        values[:count] = x[row]
        out[row] = _sum(values, count, size, seed[row % seed.size], work)


@kernel
def _order(x: Float) -> Any:
    """Return an integer that is larger for a larger number, with -0 below +0, and least for NaN."""
    bits = np.float32(x).view(np.int32)
    order = _INT(bits ^ _INT(_INT(bits >> 31) & _MAGNITUDE))
    return _LOWEST if _INT(bits & _MAGNITUDE) > _INF else order


@kernel
def _largest(x: Any, seed: Float) -> Any:
    """Return the largest number of a row and a seed; NaN where all are."""
    top = _order(seed)
    for j in range(x.size):
        order = _order(x[j])
        top = order if order > top else top
    if top == _LOWEST:
        return np.float32(np.nan)
    return _INT(top ^ _INT(_INT(top >> 31) & _MAGNITUDE)).view(np.float32)


@kernel
def maxima(first: int, last: int, x: Any, seed: Any, out: Any) -> None:
    """Write the largest number of each row first..last of x, float32 (rows, n), and seed (r,).

    Args:
        first, last: rows.
        x: float32 (rows, n).
        seed: float32, one a row, or one for all.
        out: (rows,) float32.
    """
    for row in range(first, last):
        out[row] = _largest(x[row], seed[row % seed.size])


@kernel
def softmax(
    first: int,
    last: int,
    x: Any,
    selected: Any,
    size: int,
    exponentials: Any,
    reciprocals: Any,
    out: Any,
    bits: Any,
) -> None:
    """Write the softmax of rows first..last.

    Args:
        first, last: rows.
        x, out: float32 (rows, n).
        selected: bool (r, n): row i takes part as its row i % r says; (0, 0): everything does.
        size: of a vector.
        exponentials, reciprocals: tables.
        bits: `format_bits`.
    """
    p = unpack(bits)
    count = x.shape[1]
    values = np.empty(_room(count, size), np.float32)
    work = np.empty(values.size + _SPARE, np.float32)
    place = np.empty(count, np.int32)
    for row in range(first, last):
        z = out[row]
        kept = count
        if selected.size:
            chosen = selected[row % selected.shape[0]]
            while kept and not chosen[kept - 1]:  # what is masked at the end changes no sum
                kept -= 1
            for j in range(kept):
                values[j] = x[row, j] if chosen[j] else np.float32(-np.inf)
            for j in range(kept, count):
                z[j] = _ZERO
        else:
            values[:count] = x[row]
        found = _largest(values[:kept], -_LARGEST)
        top = rounded(found, is_infinite(found), p)
        known = is_infinite(top)
        for j in range(kept):
            gap = rounded(values[j] - top, is_infinite(values[j]) | known, p)
            place[j] = code(gap, p)
        for j in range(kept):
            values[j] = exponentials[np.uint32(place[j])]
        if selected.size:
            for j in range(kept):
                values[j] = values[j] if chosen[j] else _NEGATIVE_ZERO
        z[:kept] = values[:kept]
        total = _sum(values, kept, size, _ZERO, work)
        share = reciprocals[np.uint32(code(rounded(total, is_infinite(total), p), p))]
        known = is_infinite(share)
        for j in range(kept):
            z[j] = rounded(z[j] * share, is_infinite(z[j]) | known, p)
        if selected.size:
            for j in range(kept):
                z[j] = z[j] if chosen[j] else _ZERO


@kernel
def norm(
    first: int,
    last: int,
    x: Any,
    gain: Any,
    shift: Any,
    eps: Any,
    share: Float,
    size: int,
    roots: Any,
    reciprocals: Any,
    out: Any,
    bits: Any,
) -> None:
    """Write rows first..last normalised: by their root mean square, or centred first.

    Args:
        first, last: rows.
        x, out: float32 (rows, n).
        gain: float32 (r, n): row i goes with its row i % r.
        shift: the same, added at the end; of no elements for the norm that does not centre.
        eps: float32 (r,), added to the mean square.
        share: 1 / n, rounded.
        size: of a vector.
        roots, reciprocals: tables.
        bits: `format_bits`.
    """
    p = unpack(bits)
    count = x.shape[1]
    values = np.empty(_room(count, size), np.float32)
    work = np.empty(values.size + _SPARE, np.float32)
    for row in range(first, last):
        z, g = out[row], gain[row % gain.shape[0]]
        if shift.size:
            values[:count] = x[row]
            mean = _mean(values, count, size, share, work, p)
            known = is_infinite(mean)
            for j in range(count):
                z[j] = rounded(x[row, j] - mean, is_infinite(x[row, j]) | known, p)
        else:
            z[:] = x[row]
        for j in range(count):
            values[j] = rounded(z[j] * z[j], is_infinite(z[j]), p)
        square = _mean(values, count, size, share, work, p)
        small = eps[row % eps.size]
        square = rounded(square + small, is_infinite(square) | is_infinite(small), p)
        root = roots[np.uint32(code(square, p))]
        factor = reciprocals[np.uint32(code(root, p))]
        known = is_infinite(factor)
        for j in range(count):
            part = rounded(z[j] * factor, is_infinite(z[j]) | known, p)
            z[j] = rounded(part * g[j], is_infinite(part) | is_infinite(g[j]), p)
        if shift.size:
            added = shift[row % shift.shape[0]]
            for j in range(count):
                z[j] = rounded(z[j] + added[j], is_infinite(z[j]) | is_infinite(added[j]), p)


@kernel
def _mean(values: Any, count: int, size: int, share: Float, work: Any, p: Any) -> Any:
    total = _sum(values, count, size, _ZERO, work)
    total = rounded(total, is_infinite(total), p)
    return rounded(total * share, is_infinite(total) | is_infinite(share), p)
