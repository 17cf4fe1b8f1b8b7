"""Exact intermediates: reals too long for float64, carried as float64 rounded to odd.

Rounding to odd keeps an inexact result's last bit set, so that a later rounding to p <= 51 bits
gives what rounding the exact real once would give (Boldo and Melquiond, "Emulation of a FMA and
correctly rounded sums", IEEE Trans. Computers 57(4), 2008). Every format here has p <= 24 (or at
most 32 fixed-point bits), and stays far above float64's subnormal range.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]


def sum_to_odd(a: Values, b: Values) -> Values:
    """Return a + b rounded to odd.

    Args:
        a, b: float64, broadcastable; Inf and NaN follow IEEE 754.

    Returns:
        float64: the exact sum where it is representable, else its odd neighbour. x + (-x) is +0.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        total = a + b
        # Knuth's two-sum: error is exactly (a + b) - total.
        b_part = total - a
        error = (a - (total - b_part)) + (b - b_part)
    inexact = np.isfinite(total) & (error != 0)
    even = (total.view(np.int64) & 1) == 0
    toward = np.where(error > 0, np.inf, -np.inf)
    odd: Values = np.where(inexact & even, np.nextafter(total, toward), total)
    return odd


def integer_to_odd(integers: npt.NDArray[Any]) -> Values:
    """Return integers of any size (int64, or Python ints in an object array) rounded to odd."""
    if integers.dtype != object and not (np.abs(integers) >> 53).any():
        return integers.astype(np.float64)
    odd: Values = np.frompyfunc(_to_odd, 1, 1)(integers).astype(np.float64)
    return odd


def _to_odd(integer: int) -> float:
    magnitude = abs(int(integer))
    drop = max(magnitude.bit_length() - 53, 0)
    kept = magnitude >> drop
    if kept << drop != magnitude:
        kept |= 1
    return float((kept << drop) * (-1 if integer < 0 else 1))
