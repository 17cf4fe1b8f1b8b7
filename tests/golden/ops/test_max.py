"""max and min: every pair up to 8 bits, corners and random above."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from plena_cosim.golden import FormatError, Minifloat, get_format
from plena_cosim.golden.ops import max as golden_max
from plena_cosim.golden.ops import min as golden_min

from ..compare import assert_codes
from ..oracle import Float, Real, is_negative, scalar
from ..samples import REGISTERED, UNUSUAL, label
from .pairs import all_pairs, corner_pairs


def larger(a: int, b: int, oracle: Float, side: int) -> int:
    """The code of max (side 1) or min (side -1), by value; zeros by sign."""
    x, y = oracle.value(a), oracle.value(b)
    if math.isnan(x) and math.isnan(y):
        assert oracle.nan is not None
        return oracle.nan
    if math.isnan(x) or math.isnan(y):
        return b if math.isnan(x) else a

    def key(v: Real) -> tuple[Real, int]:
        return side * v, -side * is_negative(v) if v == 0 else 0

    return a if key(x) >= key(y) else b


@pytest.mark.parametrize(("op", "side"), [(golden_max, 1), (golden_min, -1)], ids=["max", "min"])
@pytest.mark.parametrize("fmt", [*REGISTERED, *UNUSUAL], ids=label)
def test_chooses_by_value(fmt: Minifloat, op: Callable[..., Any], side: int) -> None:
    oracle = scalar(fmt)
    assert isinstance(oracle, Float)
    a, b = all_pairs(fmt) if fmt.width_bits <= 6 else corner_pairs(fmt)
    want = [larger(x, y, oracle, side) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    assert_codes(op(a, b, fmt), want, lambda i: f"{a[i]:#x}, {b[i]:#x}")


@pytest.mark.parametrize("name", ["e4m3", "e5m2", "e3m4", "e4m3fnuz"])
def test_every_pair_of_eight_bits(name: str) -> None:
    fmt = get_format(name)
    a, b = all_pairs(fmt)
    values = np.array([float(scalar(fmt).value(c)) for c in range(256)])
    number = np.fmax(values[a], values[b])
    got = golden_max(a, b, fmt)
    np.testing.assert_array_equal(values[got], number)
    np.testing.assert_array_equal(values[golden_min(a, b, fmt)], np.fmin(values[a], values[b]))


def test_zero_and_nan() -> None:
    bf16 = get_format("bf16")
    a, b = [0x8000, 0x0000, 0x7FC1, 0xFFC1, 0xFF80], [0x0000, 0x8000, 0xFF80, 0x7F81, 0x7FFF]
    assert golden_max(a, b, bf16).tolist() == [0, 0, 0xFF80, 0x7FC0, 0xFF80]
    assert golden_min(a, b, bf16).tolist() == [0x8000, 0x8000, 0xFF80, 0x7FC0, 0xFF80]


def test_code_wider_than_the_format_is_named() -> None:
    with pytest.raises(FormatError, match=r"e2m1: code 0x10 at \[1\] does not fit"):
        golden_min([0, 16], [0, 0], get_format("e2m1"))
