"""sigmoid: every code of every format up to 16 bits, against mpmath."""

from __future__ import annotations

import mpmath
import pytest

from plena_cosim.golden import get_format, ops

from .function_oracle import UNARY_FORMATS, all_codes, assert_correctly_rounded


@pytest.mark.parametrize("name", UNARY_FORMATS)
def test_correctly_rounded_for_every_code(name: str) -> None:
    fmt = get_format(name)
    codes = all_codes(fmt)

    def sigmoid(x: mpmath.mpf) -> mpmath.mpf:
        return 1 / (1 + mpmath.exp(-x))

    assert_correctly_rounded(ops.sigmoid(codes, fmt), codes, fmt, sigmoid)


def test_special_codes() -> None:
    bf16 = get_format("bf16")
    given = [0x0000, 0x8000, 0x7F80, 0xFF80, 0x7F81]
    assert ops.sigmoid(given, bf16).tolist() == [0x3F00, 0x3F00, 0x3F80, 0x0000, 0x7FC0]
