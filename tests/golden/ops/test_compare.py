"""compare: every pair of small formats against Python's own comparison of exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from plena_cosim.golden import Minifloat, decode, get_format
from plena_cosim.golden.ops import compare

from ..samples import label
from .pairs import all_pairs, corner_pairs


def real(value: float) -> Fraction | float:
    return Fraction(value) if math.isfinite(value) else value


@pytest.mark.parametrize("name", ["e2m1", "e3m2", "e4m3", "e5m2", "e5m2fnuz"])
def test_every_pair(name: str) -> None:
    fmt = get_format(name)
    a, b = all_pairs(fmt)
    flags = compare(a, b, fmt)
    values = [real(value) for value in decode(np.arange(1 << fmt.width_bits), fmt).tolist()]
    for left, right, *found in zip(a.tolist(), b.tolist(), *flags, strict=True):
        x, y = values[left], values[right]
        assert found == [x < y, x == y, x != x or y != y], (left, right)


@pytest.mark.parametrize("fmt", [get_format(name) for name in ("bf16", "fp32")], ids=label)
def test_at_most_one_flag(fmt: Minifloat) -> None:
    a, b = corner_pairs(fmt)
    flags, swapped = compare(a, b, fmt), compare(b, a, fmt)
    assert (np.sum(flags, axis=0) + swapped.less == 1).all()
    np.testing.assert_array_equal(flags.equal, swapped.equal)
    np.testing.assert_array_equal(flags.unordered, swapped.unordered)


def test_zeros_are_equal_and_nan_is_unordered_with_itself() -> None:
    bf16 = get_format("bf16")
    flags = compare([0x8000, 0x7FC0], [0x0000, 0x7FC0], bf16)
    assert [flag.tolist() for flag in flags] == [[0, 0], [1, 0], [0, 1]]
