"""add and sub: every pair up to 8 bits, corners and random above, every mode."""

from __future__ import annotations

import numpy as np
import pytest

from plena_cosim.golden import FormatError, Minifloat, get_format
from plena_cosim.golden.ops import add, neg, sub

from .. import oracle
from ..oracle import MODES, OVERFLOWS, Real
from ..samples import BEYOND_PAIRWISE, PAIRWISE, REGISTERED, label
from .pairs import all_pairs, assert_pairs, corner_pairs

BF16 = get_format("bf16")
SUBTRACTED = [get_format(name) for name in ("e5m2", "e4m3", "e4m3fnuz", "bf16")]


def real_sub(a: Real, b: Real, mode: str) -> Real:
    return oracle.add(a, oracle.negate(b), mode)


@pytest.mark.parametrize("fmt", PAIRWISE, ids=label)
def test_add_every_pair(fmt: Minifloat) -> None:
    assert_pairs(add, oracle.add, *all_pairs(fmt), fmt)


@pytest.mark.parametrize("fmt", BEYOND_PAIRWISE, ids=label)
def test_add_corners_and_random(fmt: Minifloat) -> None:
    assert_pairs(add, oracle.add, *corner_pairs(fmt), fmt)


@pytest.mark.parametrize("fmt", SUBTRACTED, ids=label)
def test_sub_is_the_exact_difference_rounded(fmt: Minifloat) -> None:
    a, b = all_pairs(fmt) if fmt.width_bits == 8 else corner_pairs(fmt)
    assert_pairs(sub, real_sub, a, b, fmt, ["rne", "rdown"], ["ieee"])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("fmt", REGISTERED, ids=label)
def test_sub_is_add_of_the_negated_operand(fmt: Minifloat, mode: str) -> None:
    a, b = corner_pairs(fmt)
    negated = neg(b, fmt)
    for overflow in OVERFLOWS:
        np.testing.assert_array_equal(
            sub(a, b, fmt, rounding=mode, overflow=overflow),
            add(a, negated, fmt, rounding=mode, overflow=overflow),
        )


def test_fp32_agrees_with_the_processor() -> None:
    rng = np.random.default_rng(8)
    a, b = rng.integers(0, 2**32, (2, 200_000), dtype=np.uint32)
    with np.errstate(all="ignore"):
        theirs = a.view(np.float32) + b.view(np.float32)
    want = np.where(np.isnan(theirs), np.uint32(0x7FC00000), theirs.view(np.uint32))
    np.testing.assert_array_equal(add(a, b, get_format("fp32"), overflow="ieee"), want)


def test_cancellation_gives_plus_zero_and_minus_zero_under_rdown() -> None:
    for mode in MODES:
        zero = 0x8000 if mode == "rdown" else 0
        assert add(
            [0x3F80, 0x8000, 0x0000], [0xBF80, 0x8000, 0x0000], BF16, rounding=mode
        ).tolist() == [
            zero,
            0x8000,
            0x0000,
        ]
        assert add([0x8000], [0x0000], BF16, rounding=mode).tolist() == [zero]


def test_finite_sum_saturates_but_inf_stays() -> None:
    assert add([0x7F7F, 0x7F80, 0x7F80], [0x7F7F, 0x7F7F, 0xFF80], BF16).tolist() == [
        0x7F7F,
        0x7F80,
        0x7FC0,
    ]
    assert add([0x7F7F], [0x7F7F], BF16, overflow="ieee").tolist() == [0x7F80]


def test_operands_broadcast() -> None:
    total = add(np.full((3, 1), 0x3F80), np.full((1, 4), 0x3F80), BF16)
    assert total.shape == (3, 4)
    assert (total == 0x4000).all()


def test_code_wider_than_the_format_is_named() -> None:
    with pytest.raises(FormatError, match=r"bf16: code 0x10000 at \[0\] does not fit"):
        add([0x10000], [0], BF16)
