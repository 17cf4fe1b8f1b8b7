"""hadamard against a recursive transform, one exact step at a time, and Sylvester's matrix."""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

import numpy as np
import pytest

from plena_cosim.golden import FormatError, Minifloat, decode, encode, get_format
from plena_cosim.golden.ops import hadamard

from ..compare import assert_codes
from .step_oracle import Steps, over_formats, rows

BF16 = get_format("bf16")


def butterflies(step: Steps, x: list[int]) -> list[int]:
    """The last stage joins the two halves, which are transforms of their own."""
    if len(x) == 1:
        return x
    half = len(x) // 2
    low, high = butterflies(step, x[:half]), butterflies(step, x[half:])
    sums = [step.add(a, b) for a, b in zip(low, high, strict=True)]
    return sums + [step.sub(a, b) for a, b in zip(low, high, strict=True)]


def hadamard_of(step: Steps, x: list[int], block: int) -> list[int]:
    gain = step.constant(Fraction(isqrt((1 << 400) // block), 1 << 200))
    pieces = [butterflies(step, x[i : i + block]) for i in range(0, len(x), block)]
    return [step.mul(a, gain) for piece in pieces for a in piece]


@pytest.mark.parametrize(
    ("length", "block"), [(1, None), (2, None), (8, None), (16, 4), (24, None), (12, 2), (5, None)]
)
@pytest.mark.parametrize(("fmt", "red"), **over_formats)
def test_hadamard(fmt: Minifloat, red: Minifloat, length: int, block: int | None) -> None:
    x, step = rows(fmt, 20, length, seed=length), Steps(fmt)
    size = {24: 8, 5: 1}.get(length, length) if block is None else block
    want = [hadamard_of(step, row, size) for row in x.tolist()]
    got = hadamard(x, fmt, block=block)
    assert_codes(got, np.array(want), lambda i: f"row {x[i // length].tolist()} at {i % length}")


def test_rows_of_576_are_nine_transforms_of_64() -> None:
    x = rows(BF16, 3, 576, seed=1)
    whole = hadamard(x, BF16)
    for index in range(9):
        piece = slice(64 * index, 64 * index + 64)
        np.testing.assert_array_equal(whole[:, piece], hadamard(x[:, piece], BF16))


def test_small_integers_are_sylvesters_matrix() -> None:
    """4^k elements: the gain is a power of two and nothing rounds."""
    x = np.random.default_rng(2).integers(-3, 4, (10, 16))
    matrix = np.array([[(-1) ** (i & j).bit_count() for j in range(16)] for i in range(16)])
    got = decode(hadamard(encode(x, get_format("fp32")), get_format("fp32")), get_format("fp32"))
    np.testing.assert_array_equal(got, x @ matrix / 4)


def test_sums_saturate_and_inf_spreads() -> None:
    assert hadamard([0x7F7F, 0x7F7F], BF16).tolist() == [0x7F34, 0]
    assert hadamard([0x7F80, 0x7F80], BF16).tolist() == [0x7F80, 0x7FC0]
    assert hadamard([0x7FC1], BF16).tolist() == [0x7FC0]


@pytest.mark.parametrize("block", [0, 3, 16, -4])
def test_bad_blocks_are_named(block: int) -> None:
    message = f"^hadamard: block must be a power of two that divides the 8 .* got {block}$"
    with pytest.raises(FormatError, match=message):
        hadamard([0] * 8, BF16, block=block)
    with pytest.raises(FormatError, match="divides the 0 elements"):
        hadamard(np.zeros((1, 0), dtype=int), BF16)
