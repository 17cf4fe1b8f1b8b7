"""mul: every pair up to 8 bits, corners and random above, every mode."""

from __future__ import annotations

import numpy as np
import pytest

from plena_cosim.golden import Minifloat, get_format
from plena_cosim.golden.ops import mul

from .. import oracle
from ..oracle import Real
from ..samples import BEYOND_PAIRWISE, PAIRWISE, label
from .pairs import all_pairs, assert_pairs, corner_pairs

FAR_BIASES = (
    Minifloat(exp_bits=8, man_bits=23, bias=-256),
    Minifloat(exp_bits=8, man_bits=23, bias=512),
)
BF16 = get_format("bf16")


def real_mul(a: Real, b: Real, mode: str) -> Real:
    return oracle.mul(a, b)


@pytest.mark.parametrize("fmt", PAIRWISE, ids=label)
def test_every_pair(fmt: Minifloat) -> None:
    assert_pairs(mul, real_mul, *all_pairs(fmt), fmt)


@pytest.mark.parametrize("fmt", [*BEYOND_PAIRWISE, *FAR_BIASES], ids=label)
def test_corners_and_random(fmt: Minifloat) -> None:
    assert_pairs(mul, real_mul, *corner_pairs(fmt), fmt)


def test_fp32_agrees_with_the_processor() -> None:
    rng = np.random.default_rng(8)
    a, b = rng.integers(0, 2**32, (2, 200_000), dtype=np.uint32)
    with np.errstate(all="ignore"):
        theirs = a.view(np.float32) * b.view(np.float32)
    want = np.where(np.isnan(theirs), np.uint32(0x7FC00000), theirs.view(np.uint32))
    np.testing.assert_array_equal(mul(a, b, get_format("fp32"), overflow="ieee"), want)


def test_zero_keeps_the_xor_of_the_signs() -> None:
    assert mul([0x0000, 0x8000, 0x8000], [0xBF80, 0xBF80, 0x0000], BF16).tolist() == [
        0x8000,
        0x0000,
        0x8000,
    ]


def test_zero_times_inf_is_the_canonical_nan() -> None:
    assert mul([0x8000, 0x7F80, 0xFFFF], [0xFF80, 0x0000, 0x3F80], BF16).tolist() == [0x7FC0] * 3


def test_a_negative_product_that_underflows_is_minus_zero() -> None:
    assert mul([0x8001], [0x0001], BF16).tolist() == [0x8000]
