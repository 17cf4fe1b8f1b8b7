"""Functions of one code: stochastic rounding draws an element; Inf where there is none."""

from __future__ import annotations

from fractions import Fraction
from math import exp

import numpy as np
import pytest

from plena_cosim import golden
from plena_cosim.golden.rounding import random_bits

BF16 = golden.get_format("bf16")


def test_equal_codes_become_both_neighbours() -> None:
    codes = golden.ops.exp([[0x3FA1] * 500] * 4, BF16, rounding="stochastic")
    value = Fraction(exp(float(golden.decode(0x3FA1, BF16))))  # the threshold is far from 2^-32
    below = golden.ops.exp(0x3FA1, BF16, rounding="rtz")
    low, high = (Fraction(float(golden.decode(code, BF16))) for code in (below, below + 1))
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
