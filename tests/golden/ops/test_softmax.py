"""softmax against its six steps, one number and one rounding at a time."""

from __future__ import annotations

import numpy as np
import pytest

from plena_cosim.golden import FormatError, Minifloat, decode, encode, get_format
from plena_cosim.golden.ops import softmax

from ..compare import assert_codes
from .step_oracle import Steps, masks, over_formats, rows

BF16, FP32 = get_format("bf16"), get_format("fp32")


def softmax_of(step: Steps, x: list[int], mask: list[int], lanes: int) -> list[int]:
    m = step.row_max(x, mask, lanes)
    e = [step.exp(step.sub(a, m)) for a in x]
    r = step.reciprocal(step.row_sum(e, mask, lanes))
    return [step.mul(a, r) if on else 0 for a, on in zip(e, mask, strict=True)]


@pytest.mark.parametrize(("length", "lanes"), [(1, 1), (8, 8), (5, 4), (12, 4), (13, 16)])
@pytest.mark.parametrize(("fmt", "red"), **over_formats)
def test_softmax(fmt: Minifloat, red: Minifloat, length: int, lanes: int) -> None:
    x, mask = rows(fmt, 24, length, seed=length), masks(24, length, seed=lanes)
    step = Steps(fmt, red)
    want = [softmax_of(step, *row, lanes) for row in zip(x.tolist(), mask.tolist(), strict=True)]
    got = softmax(x, mask, fmt, red, lanes=lanes)
    assert_codes(got, np.array(want), lambda i: f"row {x[i // length].tolist()} lane {i % length}")


def test_a_row_is_one_vector_by_default() -> None:
    x = rows(BF16, 20, 11, seed=1)
    np.testing.assert_array_equal(softmax(x, 1, BF16, BF16), softmax(x, 1, BF16, BF16, lanes=11))
    assert (softmax(x, 1, BF16, BF16) != softmax(x, 1, BF16, BF16, lanes=2)).any()


def test_special_rows() -> None:
    nan, inf, minus_inf = 0x7FC0, 0x7F80, 0xFF80
    given = [
        ([0, 0], [1, 1], [0x3F00, 0x3F00]),
        ([minus_inf, 0], [1, 1], [0, 0x3F80]),
        ([minus_inf, minus_inf], [1, 1], [nan, nan]),
        ([inf, 0], [1, 1], [nan, nan]),
        ([0xFFC1, 0], [1, 1], [nan, nan]),
        ([0xFFC1, 0], [0, 1], [0, 0x3F80]),
        ([inf, 0], [0, 0], [0, 0]),
        ([0xFF7F, 0x7F7F], [1, 1], [0, 0x3F80]),
    ]
    for x, mask, want in given:
        assert softmax(x, mask, BF16, FP32).tolist() == want, (x, mask)


def test_no_inf_a_row_of_lowest_values_is_uniform() -> None:
    e6m5 = get_format("e6m5")
    lowest, half = 0xFFF, int(encode(0.5, e6m5))
    assert softmax([lowest, lowest], 1, e6m5, FP32).tolist() == [half, half]
    assert softmax([lowest, 0], 1, e6m5, FP32).tolist() == [0, int(encode(1.0, e6m5))]


def test_close_to_the_real_softmax() -> None:
    """Six roundings of 2^-9 each, the exponent's argument off by up to 2^-8 of |d| <= 16."""
    x = encode(np.random.default_rng(2).normal(size=(50, 33)) * 2, BF16)
    values = decode(x, BF16)
    real = np.exp(values - values.max(axis=-1, keepdims=True))
    real /= real.sum(axis=-1, keepdims=True)
    error = np.abs(decode(softmax(x, 1, BF16, FP32), BF16) / real - 1)
    assert error.max() < 6 * 2.0**-9 + 16 * 2.0**-8


def test_batches_stay_apart() -> None:
    x = rows(BF16, 6, 7, seed=3).reshape(2, 3, 7)
    whole = softmax(x, 1, BF16, FP32, lanes=4)
    for i, j in np.ndindex(2, 3):
        np.testing.assert_array_equal(whole[i, j], softmax(x[i, j], 1, BF16, FP32, lanes=4))


def test_bad_arguments_are_named() -> None:
    with pytest.raises(FormatError, match="need rows of at least one lane"):
        softmax(np.zeros((2, 0), dtype=int), 1, BF16, FP32)
    with pytest.raises(FormatError, match=r"bf16: code 0x10000 at \[1\] does not fit"):
        softmax([0, 0x10000], 1, BF16, FP32)
