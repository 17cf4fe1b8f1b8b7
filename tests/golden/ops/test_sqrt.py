"""sqrt and rsqrt: every code of every format up to 16 bits, against mpmath."""

from __future__ import annotations

import mpmath
import pytest

from plena_cosim.golden import get_format, ops

from .function_oracle import UNARY_FORMATS, all_codes, assert_correctly_rounded


@pytest.mark.parametrize("name", UNARY_FORMATS)
def test_sqrt_is_correctly_rounded_for_every_code(name: str) -> None:
    fmt = get_format(name)
    codes = all_codes(fmt)[: fmt.sign_mask]
    assert_correctly_rounded(ops.sqrt(codes, fmt), codes, fmt, mpmath.sqrt)


@pytest.mark.parametrize("name", UNARY_FORMATS)
def test_rsqrt_is_correctly_rounded_for_every_code(name: str) -> None:
    fmt = get_format(name)
    codes = all_codes(fmt)[: fmt.sign_mask]
    assert_correctly_rounded(ops.rsqrt(codes, fmt), codes, fmt, lambda x: 1 / mpmath.sqrt(x))


def test_special_codes() -> None:
    bf16 = get_format("bf16")
    given = [0x0000, 0x8000, 0x7F80, 0xFF80, 0xBF80, 0x7F81]
    assert ops.sqrt(given, bf16).tolist() == [0x0000, 0x8000, 0x7F80, 0x7FC0, 0x7FC0, 0x7FC0]
    assert ops.rsqrt(given, bf16).tolist() == [0x7F80, 0xFF80, 0x0000, 0x7FC0, 0x7FC0, 0x7FC0]


def test_a_negative_number_gives_the_largest_value_where_there_is_no_nan() -> None:
    e6m5 = get_format("e6m5")
    assert ops.sqrt([0xBE0], e6m5).tolist() == ops.rsqrt([0xBE0], e6m5).tolist() == [0x7FF]
