"""Hadamard transforms of blocks of 2^r values, in golden's order: stages of butterflies, one gain.

Every sum is float32's, rounded once more where the format is bfloat16, as torch's steps do it. What
those do apart (Inf, NaN, sums that overflow) is left to them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from .compile import kernel
from .spread import spread
from .view import as_array

_LEAST = 1 << 14  # values: a thread that is woken for fewer comes too late
_CHUNK = 1 << 11
_TINY = np.float32(np.finfo(np.float32).tiny)
_HALF = np.float32(0.5)
_DROPPED = np.int32(16)  # bits that bfloat16 does not have
_BELOW_HALF = np.int32((1 << 15) - 1)
_ONE = np.int32(1)


def hadamard_blocks(x: Tensor, out: Tensor, size: int, gain: float, *, narrow: bool) -> bool:
    """Fill `out` with the transform of each block of `x`.

    Args:
        x: float32, contiguous, in this memory; values of the format.
        out: in the shape of `x`, contiguous, other memory.
        size: of a block, a power of two that divides the last axis, at least 8.
        gain: what every element is multiplied by last, a value of the format.
        narrow: the format is bfloat16; else it is float32.

    Returns:
        Whether it was done: False where a value or a sum is not finite, or a thread flushes
        subnormals to zero.
    """
    found = np.zeros(1, np.int64)
    given, taken = as_array(x).reshape(-1), as_array(out).reshape(-1)
    blocks = given.size // size
    everything = given, taken, size, np.float32(gain), narrow, _TINY, found
    spread(_transform, blocks, *everything, least=max(1, _LEAST // size))
    return not found[0]


@kernel
def _round(value: Any, narrow: Any) -> Any:
    """Return a float32 number, rounded to nearest even of bfloat16 if `narrow`."""
    if not narrow:
        return value
    bits = np.float32(value).view(np.int32)
    odd = np.int32(np.int32(bits >> _DROPPED) & _ONE)
    rounded = np.int32(np.int32(bits + _BELOW_HALF) + odd)
    return np.int32(np.int32(rounded >> _DROPPED) << _DROPPED).view(np.float32)


@kernel
def _transform(
    first: int,
    last: int,
    x: Any,
    out: Any,
    size: int,
    gain: Any,
    narrow: bool,
    tiny: Any,
    found: Any,
) -> None:
    """Transform blocks first … last - 1."""
    if tiny * _HALF == 0:  # this thread was made by one that flushed subnormals
        found[0] = 1
        return
    # Steps that do not know where a block ends take many at once, as far as the first cache goes.
    many = max(1, _CHUNK // size)
    for n in range(first, last, many):
        begin, end = n * size, min(n + many, last) * size
        given, taken = x[begin:end], out[begin:end]
        if not _finite(given):
            found[0] = 1
            return
        _eight(given, taken, narrow)
        stage = 8
        while stage < size:
            for start in range(0, taken.size, 2 * stage):
                low, high = taken[start : start + stage], taken[start + stage : start + 2 * stage]
                for i in range(stage):
                    a, b = low[i], high[i]
                    low[i], high[i] = _round(a + b, narrow), _round(a - b, narrow)
            stage *= 2
        for i in range(taken.size):
            taken[i] = _round(taken[i] * gain, narrow)
        if not _finite(taken):
            found[0] = 1
            return


@kernel
def _finite(x: Any) -> bool:
    bits = x.view(np.int32)
    most = np.int32(0)
    for i in range(bits.size):
        most = max(most, np.int32(bits[i] & np.int32(0x7FFFFFFF)))
    return bool(most < np.int32(0x7F800000))


@kernel
def _eight(x: Any, out: Any, narrow: bool) -> None:
    """Do the first three stages, in which vectors would be too short."""
    for k in range(x.size // 8):
        i = 8 * k
        a, b, c, d = x[i], x[i + 1], x[i + 2], x[i + 3]
        e, f, g, h = x[i + 4], x[i + 5], x[i + 6], x[i + 7]
        a, b = _round(a + b, narrow), _round(a - b, narrow)
        c, d = _round(c + d, narrow), _round(c - d, narrow)
        e, f = _round(e + f, narrow), _round(e - f, narrow)
        g, h = _round(g + h, narrow), _round(g - h, narrow)
        a, c = _round(a + c, narrow), _round(a - c, narrow)
        b, d = _round(b + d, narrow), _round(b - d, narrow)
        e, g = _round(e + g, narrow), _round(e - g, narrow)
        f, h = _round(f + h, narrow), _round(f - h, narrow)
        out[i], out[i + 4] = _round(a + e, narrow), _round(a - e, narrow)
        out[i + 1], out[i + 5] = _round(b + f, narrow), _round(b - f, narrow)
        out[i + 2], out[i + 6] = _round(c + g, narrow), _round(c - g, narrow)
        out[i + 3], out[i + 7] = _round(d + h, narrow), _round(d - h, narrow)
