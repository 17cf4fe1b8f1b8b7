"""How functions of one code are evaluated: narrow formats by table, wide ones code by code."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import exp
from typing import Any

import mpmath
import numpy as np
import pytest

from plena_cosim import golden
from plena_cosim.golden import FormatError, get_format, ops
from plena_cosim.golden.rounding import random_bits

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


def test_equal_codes_become_both_neighbours() -> None:
    bf16 = get_format("bf16")
    codes = ops.exp([[0x3FA1] * 500] * 4, bf16, rounding="stochastic")
    value = Fraction(exp(float(golden.decode(0x3FA1, bf16))))  # no draw is near its threshold
    below = ops.exp(0x3FA1, bf16, rounding="rtz")
    low, high = (Fraction(float(golden.decode(code, bf16))) for code in (below, below + 1))
    threshold = int((value - low) / (high - low) * 2**32)
    draws = random_bits(0, np.arange(2000, dtype=np.uint64)).reshape(4, 500)
    np.testing.assert_array_equal(codes, below + (draws < threshold))
    assert set(codes.flat) == {int(below), int(below) + 1}


@pytest.mark.parametrize("name", ["exp", "exp2", "reciprocal", "sqrt", "rsqrt", "sigmoid"])
@pytest.mark.parametrize("fmt", ["bf16", "fp32", "e4m3"])
def test_every_function_and_width_draws_an_element(name: str, fmt: str) -> None:
    spec = golden.get_format(fmt)
    third = int(golden.encode(1 / 3, spec))
    drawn = getattr(golden.ops, name)([third] * 400, spec, rounding="stochastic")
    down = getattr(golden.ops, name)(third, spec, rounding="rtz")
    assert {int(code) - int(down) for code in drawn} == {0, 1}


@pytest.mark.parametrize("name", ["reciprocal", "rsqrt"])
def test_an_infinite_result_where_there_is_no_inf(name: str) -> None:
    function = getattr(golden.ops, name)
    e4m3, e2m1 = golden.get_format("e4m3"), golden.get_format("e2m1")
    assert function([0x00, 0x80], e4m3).tolist() == [0x7E, 0xFE]
    assert function([0x00, 0x80], e4m3, overflow="ieee").tolist() == [0x7F, 0x7F]
    assert function([0x0, 0x8], e2m1, overflow="ieee").tolist() == [0x7, 0xF]
    fnuz = golden.get_format("e4m3fnuz")
    assert function([0x00, 0x80], fnuz).tolist() == [0x7F, 0x80]
    assert function(0x00, fnuz, overflow="ieee") == 0x80
