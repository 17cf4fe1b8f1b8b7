"""exp and exp2: every code of every format up to 16 bits, against mpmath."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import pytest

from plena_cosim.golden import get_format, ops

from .function_oracle import UNARY_FORMATS, all_codes, assert_correctly_rounded


@pytest.mark.parametrize("name", UNARY_FORMATS)
def test_exp_is_correctly_rounded_for_every_code(name: str) -> None:
    fmt = get_format(name)
    codes = all_codes(fmt)
    assert_correctly_rounded(ops.exp(codes, fmt), codes, fmt, mpmath.exp)


@pytest.mark.parametrize("name", UNARY_FORMATS)
def test_exp2_is_correctly_rounded_for_every_code(name: str) -> None:
    fmt = get_format(name)
    codes = all_codes(fmt)
    assert_correctly_rounded(ops.exp2(codes, fmt), codes, fmt, lambda x: mpmath.mpf(2) ** x)


@pytest.mark.parametrize("op", [ops.exp, ops.exp2])
def test_special_codes(op: Callable[..., Any]) -> None:
    bf16 = get_format("bf16")
    given = [0x0000, 0x8000, 0x7F80, 0xFF80, 0x7F81, 0xFFC0]
    assert op(given, bf16).tolist() == [0x3F80, 0x3F80, 0x7F80, 0x0000, 0x7FC0, 0x7FC0]


def test_overflow_saturates_or_follows_ieee() -> None:
    bf16 = get_format("bf16")
    assert ops.exp([0x42C8], bf16).tolist() == [0x7F7F]  # e^100
    assert ops.exp([0x42C8], bf16, overflow="ieee").tolist() == [0x7F80]
