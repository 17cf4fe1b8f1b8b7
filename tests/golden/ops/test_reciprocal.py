"""reciprocal: every code of every format up to 16 bits, against mpmath."""

from __future__ import annotations

import pytest

from plena_cosim.golden import get_format, ops

from .function_oracle import UNARY_FORMATS, all_codes, assert_correctly_rounded


@pytest.mark.parametrize("name", UNARY_FORMATS)
def test_correctly_rounded_for_every_code(name: str) -> None:
    fmt = get_format(name)
    codes = all_codes(fmt)
    assert_correctly_rounded(ops.reciprocal(codes, fmt), codes, fmt, lambda x: 1 / x)


def test_special_codes() -> None:
    bf16 = get_format("bf16")
    given = [0x0000, 0x8000, 0x7F80, 0xFF80, 0xFFC1]
    assert ops.reciprocal(given, bf16).tolist() == [0x7F80, 0xFF80, 0x0000, 0x8000, 0x7FC0]


def test_zero_gives_the_largest_value_where_there_is_no_inf() -> None:
    assert ops.reciprocal([0x000, 0x800], get_format("e6m5")).tolist() == [0x7FF, 0xFFF]


def test_rounding_modes_bracket_a_third() -> None:
    bf16 = get_format("bf16")
    below = ops.reciprocal([0x4040], bf16, rounding="rdown")
    above = ops.reciprocal([0x4040], bf16, rounding="rup")
    assert (below.tolist(), above.tolist()) == ([0x3EAA], [0x3EAB])
