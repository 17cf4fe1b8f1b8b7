"""How functions of one code are evaluated: narrow formats by table, wide ones code by code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

from plena_cosim.golden import FormatError, get_format, ops

from .function_oracle import assert_correctly_rounded

Op = Callable[..., Any]
TRUE: dict[Op, Callable[[Any], Any]] = {
    ops.exp: mpmath.exp,
    ops.exp2: lambda x: mpmath.mpf(2) ** x,
    ops.reciprocal: lambda x: 1 / x,
    ops.sqrt: mpmath.sqrt,
    ops.rsqrt: lambda x: 1 / mpmath.sqrt(x),
    ops.sigmoid: lambda x: 1 / (1 + mpmath.exp(-x)),
}


@pytest.mark.parametrize("op", TRUE)
def test_fp32_is_correctly_rounded(op: Op) -> None:
    fp32 = get_format("fp32")
    codes = np.random.default_rng(0).integers(0x2000_0000, 0x4280_0000, 500).astype(np.uint32)
    assert_correctly_rounded(op(codes, fp32), codes, fp32, TRUE[op])


@pytest.mark.parametrize("op", TRUE)
def test_any_shape_goes_through(op: Op) -> None:
    bf16 = get_format("bf16")
    codes = np.arange(0x3F00, 0x3F18, dtype=np.uint16).reshape(2, 3, 4)
    result = op(codes, bf16)
    assert result.shape == codes.shape
    assert result.ravel().tolist() == op(codes.ravel(), bf16).tolist()


def test_a_code_that_does_not_fit_is_refused() -> None:
    with pytest.raises(FormatError, match="does not fit"):
        ops.exp([0x100], get_format("e4m3"))
