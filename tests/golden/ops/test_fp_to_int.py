"""fp_to_int against Fraction, and against AffineInt under a given scale."""

from __future__ import annotations

import math

import numpy as np
import pytest

from plena_cosim.golden import FormatError, get_format
from plena_cosim.golden.affine import AffineInt, quantize_affine
from plena_cosim.golden.ops import fp_to_int

from ..compare import assert_codes
from ..oracle import mul, scalar


@pytest.mark.parametrize("dst", ["q8.0", "q4.0"])
@pytest.mark.parametrize(("src", "fmt"), [("bf16", "fp32"), ("fp32", "fp32"), ("fp16", "bf16")])
def test_codes_of_all_kinds(src: str, fmt: str, dst: str) -> None:
    source, step, integer = get_format(src), get_format(fmt), get_format(dst)
    rng = np.random.default_rng(3)
    x = rng.integers(0, 1 << source.width_bits, 4000)
    reciprocal = rng.integers(0, 1 << step.width_bits, 4000)
    near = rng.random(4000) < 0.9  # products of a few bits
    tame = source.bias_value + rng.integers(-3, 4, 4000) << source.man_bits
    x = np.where(near, tame | x & ((1 << source.man_bits) - 1) | x & source.sign_mask, x)
    few = step.bias_value + rng.integers(-2, 7, 4000) << step.man_bits
    reciprocal = np.where(near, few | reciprocal & ((1 << step.man_bits) - 1), reciprocal)
    left, middle, right = scalar(source), scalar(step), scalar(integer)
    wanted = []
    for a, b in zip(x.tolist(), reciprocal.tolist(), strict=True):
        value = middle.value(middle.encode(left.value(a), overflow="ieee"))
        factor = middle.value(b)
        product = middle.encode(mul(value, factor), overflow="ieee")
        lost = isinstance(factor, float) and math.isnan(factor)
        wanted.append(0 if lost else right.encode(middle.value(product)))
    found = fp_to_int(x, reciprocal, source, step, integer)
    assert_codes(found, wanted, lambda i: f"{x[i]:#x} {reciprocal[i]:#x}")


@pytest.mark.parametrize("bits", [4, 8])
def test_equals_an_affine_integer_under_its_scale(bits: int) -> None:
    """The reciprocal is one division of fp32, of a scale that is at least 2^-126."""
    rng = np.random.default_rng(5)
    scales = np.concatenate(
        [np.exp2(rng.uniform(-40, 40, 500)), [2.0**-149, 2.0**-126, 3e38, np.nan]]
    ).astype(np.float32)
    x = (rng.standard_normal((len(scales), 40)) * 2 ** (bits - 2)).astype(np.float32)
    with np.errstate(over="ignore"):
        x *= scales[:, None]
        x[:, :20] = (np.arange(20, dtype=np.float32) - 9.5) * scales[:, None]  # ties
    x[:, 20:23] = np.nan, np.inf, -np.inf
    wanted = quantize_affine(x, AffineInt(bits=bits, quotient="reciprocal"), scale=scales).codes
    reciprocals = np.float32(1) / np.maximum(scales, np.finfo(np.float32).tiny)
    found = fp_to_int(
        x.view(np.uint32), reciprocals.view(np.uint32)[:, None], "fp32", dst=f"q{bits}.0"
    )
    signed = found.astype(np.int64) - ((found >> (bits - 1)).astype(np.int64) << bits)
    np.testing.assert_array_equal(signed, wanted)


def test_nan() -> None:
    one, nan = 0x3F800000, 0x7FC00000
    assert fp_to_int([nan, one, nan], [one, nan, nan], "fp32").tolist() == [127, 0, 0]
    assert fp_to_int([0, 0x7F800000], [0x7F800000, 0], "fp32").tolist() == [127, 127]


@pytest.mark.parametrize("dst", ["q4.4", "e4m3"])
def test_only_integers(dst: str) -> None:
    with pytest.raises(FormatError, match=r"^fp_to_int: dst must be an integer format that"):
        fp_to_int([0], [0], "bf16", dst=dst)
    with pytest.raises(FormatError, match="saturates"):
        fp_to_int([0], [0], "bf16", dst=get_format("q8.0", wrap=True))
