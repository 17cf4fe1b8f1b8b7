"""layer_norm against its steps, one number at a time."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from plena_cosim.golden import Minifloat, get_format
from plena_cosim.golden.ops import layer_norm

from ..compare import assert_codes
from .step_oracle import Steps, over_formats, rows
from .test_rms_norm import mean_of, rms_norm_of

BF16, FP32 = get_format("bf16"), get_format("fp32")


@pytest.mark.parametrize(("length", "lanes"), [(1, 1), (8, 8), (7, 4), (12, 4), (13, 16)])
@pytest.mark.parametrize(("fmt", "red"), **over_formats)
def test_layer_norm(fmt: Minifloat, red: Minifloat, length: int, lanes: int) -> None:
    x, gamma, beta = (rows(fmt, 24, length, seed=length + s) for s in (0, 20, 40))
    step = Steps(fmt, red)
    eps = step.constant(Fraction(1, 10**5))
    want = []
    for row, gains, shifts in zip(x.tolist(), gamma.tolist(), beta.tolist(), strict=True):
        mean = mean_of(step, row, lanes)
        scaled = rms_norm_of(step, [step.sub(a, mean) for a in row], gains, eps, lanes)
        want.append([step.add(a, b) for a, b in zip(scaled, shifts, strict=True)])
    got = layer_norm(x, gamma, beta, eps, fmt, red, lanes=lanes)
    assert_codes(got, np.array(want), lambda i: f"row {x[i // length].tolist()} lane {i % length}")


def test_special_rows() -> None:
    nan, one = 0x7FC0, 0x3F80
    assert layer_norm([one] * 4, one, 0x4000, 0x3727, BF16, FP32).tolist() == [0x4000] * 4
    assert layer_norm([one] * 4, one, 0x4000, 0, BF16, FP32).tolist() == [nan] * 4
    assert layer_norm([0x7F80, 0], one, 0, 0x3727, BF16, FP32).tolist() == [nan, nan]
    assert layer_norm([0x7F81, 0], one, 0, 0x3727, BF16, FP32).tolist() == [nan, nan]
    e6m5 = get_format("e6m5")
    assert layer_norm([0x3E0] * 4, 0x3E0, 0x400, 0, e6m5, FP32).tolist() == [0x400] * 4


def test_gain_and_shift_broadcast() -> None:
    x = rows(BF16, 6, 7, seed=3).reshape(2, 3, 7)
    gamma, beta = rows(BF16, 2, 7, seed=4)
    whole = layer_norm(x, gamma, beta, 0x3727, BF16, FP32)
    for i, j in np.ndindex(2, 3):
        np.testing.assert_array_equal(
            whole[i, j], layer_norm(x[i, j], gamma, beta, 0x3727, BF16, FP32)
        )
