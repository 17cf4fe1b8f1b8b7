"""gelu_sigmoid and gelu_tanh against their steps, with constants from mpmath."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

from plena_cosim.golden import Minifloat, decode, get_format
from plena_cosim.golden.ops import gelu_sigmoid, gelu_tanh

from ..compare import assert_codes
from .step_oracle import Steps, elementwise_codes

BF16 = get_format("bf16")


def tanh_slope() -> Fraction:
    with mpmath.workprec(300):
        slope = 2 * mpmath.sqrt(2 / mpmath.pi)
        return Fraction(int(mpmath.floor(slope * 2**280)), 2**280)


FORMATS = ("bf16", "fp16", "fp32", "e4m3", "e5m2", "e6m5", "e5m6", "e2m3")
"""fp32 tells the constants from their neighbours."""


@pytest.mark.parametrize("fmt", [get_format(name) for name in FORMATS], ids=FORMATS)
def test_gelu_sigmoid(fmt: Minifloat) -> None:
    x, step = elementwise_codes(fmt), Steps(fmt)
    slope = step.constant(Fraction(1702, 1000))
    want = [step.mul(a, step.sigmoid(step.mul(a, slope))) for a in x.tolist()]
    assert_codes(gelu_sigmoid(x, fmt), want, lambda i: f"{x[i]:#x}")


@pytest.mark.parametrize("fmt", [get_format(name) for name in FORMATS], ids=FORMATS)
def test_gelu_tanh(fmt: Minifloat) -> None:
    x, step = elementwise_codes(fmt), Steps(fmt)
    cube, slope = step.constant(Fraction(44715, 10**6)), step.constant(tanh_slope())
    want = []
    for a in x.tolist():
        inner = step.add(a, step.mul(cube, step.mul(step.mul(a, a), a)))
        want.append(step.mul(a, step.sigmoid(step.mul(slope, inner))))
    assert_codes(gelu_tanh(x, fmt), want, lambda i: f"{x[i]:#x}")


@pytest.mark.parametrize("op", [gelu_sigmoid, gelu_tanh])
def test_special_codes(op: Any) -> None:
    given = [0x0000, 0x8000, 0x7F80, 0xFF80, 0xFFC1, 0x7F7F, 0xFF7F]
    got = op(given, BF16).tolist()
    assert got[:6] == [0, 0x8000, 0x7F80, 0x7FC0, 0x7FC0, 0x7F7F]
    assert got[6] in (0x8000, 0xBF80)


@pytest.mark.parametrize("op", [gelu_sigmoid, gelu_tanh])
def test_close_to_gelu(op: Any) -> None:
    """The approximations are off by up to 0.021 and 0.0005; bf16 adds 8 roundings below 4."""
    codes = np.arange(0x3C00, 0x4080)
    codes = np.concatenate([codes, codes | 0x8000])
    values = decode(codes, BF16)
    real = [float(x * mpmath.ncdf(x)) for x in values]
    bound = 0.021 if op is gelu_sigmoid else 0.0005
    assert np.abs(decode(op(codes, BF16), BF16) - real).max() < bound + 8 * 4 * 2.0**-9
