"""Kernels of elementwise operations: a cast, sums, products, tables, and short sequences."""

from __future__ import annotations

from typing import Any

import numpy as np

from .compile import kernel
from .rounding import code, is_infinite, rounded, unpack

# numba caches a kernel by its own file: a change of what it calls has to show here.
# rounding.py: a979f6619799

ADD, SUB, MUL = 0, 1, 2
_CHUNK = 1024


@kernel
def cast(first: int, last: int, x: Any, out: Any, bits: Any) -> None:
    """Write x[first:last], float32, rounded to a format.

    Args:
        first, last: elements.
        x, out: (n,) float32.
        bits: `format_bits`.
    """
    p = unpack(bits)
    source, into = x[first:last], out[first:last]  # from 0 on: an index that cannot be negative
    for i in range(source.size):
        into[i] = rounded(source[i], is_infinite(source[i]), p)


@kernel
def binary(first: int, last: int, op: int, a: Any, b: Any, out: Any, bits: Any) -> None:
    """Write rows first..last of a + b, a - b or a * b, rounded once.

    Args:
        first, last: rows.
        op: ADD, SUB or MUL.
        a, out: float32 (rows, n).
        b: float32 (r, n) or (r, 1): row i goes with b's row i % r.
        bits: `format_bits`.
    """
    p = unpack(bits)
    for row in range(first, last):
        x, y, z = a[row], b[row % b.shape[0]], out[row]
        if y.size == 1:
            one = y[0]
            known = is_infinite(one)
            if op == ADD:
                for j in range(x.size):
                    z[j] = rounded(x[j] + one, is_infinite(x[j]) | known, p)
            elif op == SUB:
                for j in range(x.size):
                    z[j] = rounded(x[j] - one, is_infinite(x[j]) | known, p)
            else:
                for j in range(x.size):
                    z[j] = rounded(x[j] * one, is_infinite(x[j]) | known, p)
        elif op == ADD:
            for j in range(x.size):
                z[j] = rounded(x[j] + y[j], is_infinite(x[j]) | is_infinite(y[j]), p)
        elif op == SUB:
            for j in range(x.size):
                z[j] = rounded(x[j] - y[j], is_infinite(x[j]) | is_infinite(y[j]), p)
        else:
            for j in range(x.size):
                z[j] = rounded(x[j] * y[j], is_infinite(x[j]) | is_infinite(y[j]), p)


@kernel
def lookup(first: int, last: int, x: Any, table: Any, out: Any, bits: Any) -> None:
    """Write table[code] of x[first:last], values of a format of up to 16 bits.

    Args:
        first, last: elements.
        x, out: (n,) float32.
        table: float32, one entry a code.
        bits: `format_bits`.
    """
    p = unpack(bits)
    place = np.empty(_CHUNK, np.int32)
    for start in range(first, last, _CHUNK):
        stop = min(start + _CHUNK, last)
        _look_up(x[start:stop], table, out[start:stop], place, p)


@kernel
def lookup_times(first: int, last: int, x: Any, table: Any, y: Any, out: Any, bits: Any) -> None:
    """Write table[code] of x[first:last] times y[first:last], rounded once.

    Args:
        first, last: elements.
        x, y, out: (n,) float32.
        table: float32, one entry a code.
        bits: `format_bits`.
    """
    p = unpack(bits)
    place = np.empty(_CHUNK, np.int32)
    for start in range(first, last, _CHUNK):
        stop = min(start + _CHUNK, last)
        z, factor = out[start:stop], y[start:stop]
        _look_up(x[start:stop], table, z, place, p)
        for i in range(z.size):
            z[i] = rounded(z[i] * factor[i], is_infinite(z[i]) | is_infinite(factor[i]), p)


@kernel
def _look_up(x: Any, table: Any, out: Any, place: Any, p: Any) -> None:
    # In two loops: the first one becomes vectors.
    for i in range(x.size):
        place[i] = code(x[i], p)
    for i in range(x.size):
        out[i] = table[np.uint32(place[i])]


@kernel
def larger(first: int, last: int, a: Any, b: Any, out: Any, smaller: bool) -> None:
    """Write rows first..last of the larger (or smaller) of a and b, as bits; a NaN loses.

    Args:
        first, last: rows.
        a, out: int32 (rows, n), bits of float32.
        b: int32 (r, n) or (r, 1): row i goes with b's row i % r.
        smaller: choose the smaller one.
    """
    magnitude, inf = np.int32(0x7FFFFFFF), np.int32(0x7F800000)
    for row in range(first, last):
        x, y, z = a[row], b[row % b.shape[0]], out[row]
        step = 0 if y.size == 1 else 1
        for j in range(x.size):
            u, v = x[j], y[j * step]
            # As integers the bits of negative numbers are in the wrong order.
            p = np.int32(u ^ np.int32(np.int32(u >> 31) & magnitude))
            q = np.int32(v ^ np.int32(np.int32(v >> 31) & magnitude))
            chosen = u if (p < q if smaller else p > q) else v
            chosen = v if np.int32(u & magnitude) > inf else chosen
            z[j] = u if np.int32(v & magnitude) > inf else chosen


@kernel
def rope(first: int, last: int, x: Any, cos: Any, sin: Any, step: int, out: Any, bits: Any) -> None:
    """Write rows first..last of x * cos + rotate(x) * sin, each step rounded.

    Args:
        first, last: rows.
        x, out: float32 (rows, n).
        cos, sin: float32 (r, n): row i goes with their row i % r.
        step: between the two elements of a pair.
        bits: `format_bits`.
    """
    p = unpack(bits)
    for row in range(first, last):
        v, c, s, z = x[row], cos[row % cos.shape[0]], sin[row % sin.shape[0]], out[row]
        for start in range(0, v.size, 2 * step):
            middle, end = start + step, start + 2 * step
            a, b = v[start:middle], v[middle:end]
            _turn(a, c[start:middle], b, s[start:middle], True, z[start:middle], p)
            _turn(b, c[middle:end], a, s[middle:end], False, z[middle:end], p)


@kernel
def _turn(a: Any, c: Any, b: Any, s: Any, negated: bool, out: Any, p: Any) -> None:
    """Write a * c + b * s, or a * c - b * s, each step rounded."""
    sign = np.float32(-1.0) if negated else np.float32(1.0)
    for j in range(a.size):
        left = rounded(a[j] * c[j], is_infinite(a[j]) | is_infinite(c[j]), p)
        right = rounded(sign * b[j] * s[j], is_infinite(b[j]) | is_infinite(s[j]), p)
        out[j] = rounded(left + right, is_infinite(left) | is_infinite(right), p)
