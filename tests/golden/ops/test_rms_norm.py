"""rms_norm against its six steps, one number at a time."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from plena_cosim.golden import FormatError, Minifloat, get_format
from plena_cosim.golden.ops import rms_norm

from ..compare import assert_codes
from .step_oracle import Steps, over_formats, rows

BF16, FP32 = get_format("bf16"), get_format("fp32")


def mean_of(step: Steps, x: list[int], lanes: int) -> int:
    """cast_V(sum in R) times RN_V(1 / n)."""
    inverse = step.constant(Fraction(1, len(x)))
    return step.mul(step.row_sum(x, [1] * len(x), lanes), inverse)


def rms_norm_of(step: Steps, x: list[int], gamma: list[int], eps: int, lanes: int) -> list[int]:
    square = mean_of(step, [step.mul(a, a) for a in x], lanes)
    r = step.reciprocal(step.sqrt(step.add(square, eps)))
    return [step.mul(step.mul(a, r), g) for a, g in zip(x, gamma, strict=True)]


@pytest.mark.parametrize(("length", "lanes"), [(1, 1), (8, 8), (7, 4), (12, 4), (13, 16)])
@pytest.mark.parametrize(("fmt", "red"), **over_formats)
def test_rms_norm(fmt: Minifloat, red: Minifloat, length: int, lanes: int) -> None:
    x, gamma = rows(fmt, 24, length, seed=length), rows(fmt, 24, length, seed=lanes + 99)
    step = Steps(fmt, red)
    eps = np.array([step.constant(e) for e in (Fraction(0), Fraction(1, 10**5), Fraction(2))])
    eps = np.tile(eps, 8)
    want = [
        rms_norm_of(step, *row, lanes)
        for row in zip(x.tolist(), gamma.tolist(), eps.tolist(), strict=True)
    ]
    got = rms_norm(x, gamma, eps, fmt, red, lanes=lanes)
    assert_codes(got, np.array(want), lambda i: f"row {x[i // length].tolist()} lane {i % length}")


def test_special_rows() -> None:
    nan, inf = 0x7FC0, 0x7F80
    assert rms_norm([0, 0x8000], 0x3F80, 0x3727, BF16, FP32).tolist() == [0, 0x8000]
    assert rms_norm([0, 0x8000], 0x3F80, 0, BF16, FP32).tolist() == [nan, nan]
    assert rms_norm([inf, 0xBF80], 0x3F80, 0, BF16, FP32).tolist() == [nan, 0x8000]
    assert rms_norm([0x7F81, 0xBF80], 0x3F80, 0, BF16, FP32).tolist() == [nan, nan]
    assert rms_norm([0, 0], 1, 0, get_format("e6m5"), FP32).tolist() == [0, 0]


def test_gain_and_eps_broadcast() -> None:
    x = rows(BF16, 6, 7, seed=3).reshape(2, 3, 7)
    gamma = rows(BF16, 1, 7, seed=4)[0]
    whole = rms_norm(x, gamma, 0x3727, BF16, FP32, lanes=4)
    for i, j in np.ndindex(2, 3):
        np.testing.assert_array_equal(
            whole[i, j], rms_norm(x[i, j], gamma, 0x3727, BF16, FP32, lanes=4)
        )


def test_an_empty_row_is_named() -> None:
    with pytest.raises(FormatError, match=r"a mean needs rows of at least one element"):
        rms_norm(np.zeros((2, 0), dtype=int), 0, 0, BF16, FP32)
