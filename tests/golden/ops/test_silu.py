"""silu and swiglu: every code of every format up to 16 bits, against their steps."""

from __future__ import annotations

import numpy as np
import pytest

from plena_cosim.golden import Minifloat, get_format
from plena_cosim.golden.ops import silu, swiglu

from ..compare import assert_codes
from ..samples import random_codes
from .step_oracle import Steps, elementwise_codes, over_formats

BF16 = get_format("bf16")


def silu_of(step: Steps, x: int) -> int:
    one = step.constant(1)
    return step.mul(x, step.reciprocal(step.add(one, step.exp(step.neg(x)))))


@pytest.mark.parametrize(("fmt", "red"), **over_formats)
def test_silu(fmt: Minifloat, red: Minifloat) -> None:
    x, step = elementwise_codes(fmt), Steps(fmt)
    want = [silu_of(step, a) for a in x.tolist()]
    assert_codes(silu(x, fmt), want, lambda i: f"{x[i]:#x}")


@pytest.mark.parametrize(("fmt", "red"), **over_formats)
def test_swiglu(fmt: Minifloat, red: Minifloat) -> None:
    gate, step = elementwise_codes(fmt), Steps(fmt)
    up = random_codes(fmt, gate.size, 3)
    pairs = zip(gate.tolist(), up.tolist(), strict=True)
    want = [step.mul(silu_of(step, a), b) for a, b in pairs]
    assert_codes(swiglu(gate, up, fmt), want, lambda i: f"{gate[i]:#x}, {up[i]:#x}")


def test_special_codes() -> None:
    given = [0x0000, 0x8000, 0x7F80, 0xFF80, 0xFFC1, 0x7F7F]
    assert silu(given, BF16).tolist() == [0, 0x8000, 0x7F80, 0x7FC0, 0x7FC0, 0x7F7F]


def test_far_below_zero_the_exponential_saturates() -> None:
    """x = -100: e^100 saturates at 3.39e38, whose reciprocal rounds to 2^-128."""
    assert silu([0xC2C8], BF16).tolist() == [0x82C8]


def test_operands_broadcast() -> None:
    assert swiglu(np.full((3, 1), 0x3F80), np.full((1, 4), 0x4000), BF16).shape == (3, 4)
