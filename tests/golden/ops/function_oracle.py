"""Correct rounding proven by mpmath: the true value lies between the midpoints around the code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np

from plena_cosim.golden import Minifloat, decode
from plena_cosim.golden.codec import Codes

PRECISION_BITS = 300
UNARY_FORMATS = (
    "e1m2", "e2m1", "e2m3", "e3m2", "e3m4", "e4m3", "e5m2", "e6m5", "e5m6", "e4m7", "fp16", "bf16",
    "e4m3fnuz", "e5m2fnuz", "e4m3b11fnuz",
)  # fmt: skip


def assert_correctly_rounded(
    results: Codes, codes: Codes, fmt: Minifloat, function: Callable[[Any], Any]
) -> None:
    """Fail unless each result is RNE of function(value of code); finite nonzero arguments only."""
    values = decode(codes, fmt)
    with mpmath.workprec(PRECISION_BITS):
        for code, value, result in zip(
            codes.tolist(), values.tolist(), results.tolist(), strict=True
        ):
            if value == 0 or not np.isfinite(value):
                continue
            true = function(mpmath.mpf(value))
            magnitude = result & (fmt.sign_mask - 1)
            assert magnitude <= fmt.max_code, f"{fmt.name} {code:#x} -> {result:#x} is not finite"
            assert (true < 0) == bool(result & fmt.sign_mask), f"{fmt.name} {code:#x}: sign"
            low, high = _midpoints(magnitude, fmt)
            true = abs(true)
            even = magnitude % 2 == 0
            inside = low <= true <= high if even else low < true < high
            assert inside, f"{fmt.name} {code:#x} ({value}) -> {result:#x}, true value {true}"


def _midpoints(magnitude: int, fmt: Minifloat) -> tuple[float, float]:
    """Return the ends of the interval that rounds to this magnitude; the largest reaches to Inf."""
    around = [max(magnitude - 1, 0), magnitude, min(magnitude + 1, fmt.max_code)]
    below, here, above = decode(np.array(around, dtype=np.uint32), fmt).tolist()
    low = 0.0 if magnitude == 0 else (below + here) / 2
    high = float("inf") if magnitude == fmt.max_code else (here + above) / 2
    return low, high


def all_codes(fmt: Minifloat) -> Codes:
    """Return every code of a format up to 16 bits."""
    return np.arange(1 << fmt.width_bits, dtype=np.uint16)
