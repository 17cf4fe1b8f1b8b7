"""hadamard against a recursive transform, one exact step at a time, and Sylvester's matrix."""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

import numpy as np
import pytest

from plena_cosim.golden import FormatError, Minifloat, decode, encode, get_format
from plena_cosim.golden.hadamard_matrices import hadamard_matrix
from plena_cosim.golden.hadamard_sizes import hadamard_orders
from plena_cosim.golden.ops import hadamard

from ..compare import assert_codes
from .step_oracle import Steps, over_formats, rounded_sum, rows, tree

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


def group_of(
    step: Steps, x: list[int], group: int, block: int, k: int, *, inverse: bool
) -> list[int]:
    """One group of a block: elements of one place are summed with signs; then the group turns."""
    gain = step.constant(Fraction(isqrt((1 << 400) // block), 1 << 200))
    matrix, width = hadamard_matrix(k), block // k
    signs = (matrix[:, group] if inverse else matrix[group]).tolist()
    sums = []
    for place in range(width):
        column = x[place::width]
        signed = [a if sign > 0 else step.neg(a) for a, sign in zip(column, signs, strict=True)]
        sums.append(tree(signed, rounded_sum, step.fmt))
    return [step.mul(a, gain) for a in butterflies(step, sums)]


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize(("block", "k"), [(12, 12), (24, 12), (80, 20), (92, 92)])
@pytest.mark.parametrize(("fmt", "red"), **over_formats)
def test_hadamard_of_other_sizes(
    fmt: Minifloat, red: Minifloat, block: int, k: int, inverse: bool
) -> None:
    x, step = rows(fmt, 3, 2 * block, seed=block), Steps(fmt)
    got = hadamard(x, fmt, block=block, inverse=inverse).reshape(6, k, -1)
    groups = list(range(0, k, 1 + k // 5))
    want = [
        [group_of(step, piece, group, block, k, inverse=inverse) for group in groups]
        for piece in x.reshape(6, block).tolist()
    ]
    assert_codes(got[:, groups], np.array(want), lambda i: f"element {i} of the chosen groups")


@pytest.mark.parametrize("size", [12, 144, 184, 576])
def test_small_integers_are_the_matrix_times_sylvesters(size: int) -> None:
    """In fp32 nothing rounds before the gain, which is the correctly rounded 1 / sqrt(n)."""
    fp32 = get_format("fp32")
    x = np.random.default_rng(size).integers(-3, 4, (5, size))
    k = {12: 12, 144: 36, 184: 92, 576: 36}[size]
    sylvester = [[(-1) ** (i & j).bit_count() for j in range(size // k)] for i in range(size // k)]
    matrix = np.kron(hadamard_matrix(k).astype(np.int64), np.array(sylvester))
    np.testing.assert_array_equal(matrix @ matrix.T, size * np.eye(size, dtype=np.int64))
    gain = np.float32(1 / np.sqrt(np.float64(size)))
    for inverse in (False, True):
        sums = x @ (matrix if inverse else matrix.T)
        got = decode(hadamard(encode(x, fp32), fp32, block=size, inverse=inverse), fp32)
        np.testing.assert_array_equal(got, sums.astype(np.float32) * gain)


def test_the_inverse_differs_for_williamsons_alone() -> None:
    for k in hadamard_orders():
        x = rows(BF16, 2, k, seed=k)[1:]  # without corners
        both = [hadamard(x, BF16, block=k, inverse=inverse).tolist() for inverse in (False, True)]
        assert (both[0] != both[1]) is (k in (92, 116, 156, 172))


def test_sums_of_other_sizes_saturate_and_keep_zeros() -> None:
    assert set(hadamard([0x8000] * 12, BF16, block=12).tolist()) == {0x8000, 0}
    assert hadamard([0x8000] * 12, BF16, block=12)[0] == 0x8000
    spread = hadamard([0x7F80] + [0] * 11, BF16, block=12)
    assert set(spread.tolist()) == {0x7F80}
    largest = [hadamard([0x7F7F] * n + [0] * (12 - n), BF16, block=12)[0] for n in (1, 12)]
    assert largest[0] == largest[1]


@pytest.mark.parametrize("block", [0, 3, 16, -4])
def test_bad_blocks_are_named(block: int) -> None:
    nearest = {0: "2", -4: "2", 3: "2, 4", 16: "8"}[block]
    message = (
        r"^hadamard: block must be a power of two or K \* 2\^r \(K = 12, 20, 28 … 172\) that "
        rf"divides the axis of 8 elements, got {block}; nearest: {nearest}$"
    )
    with pytest.raises(FormatError, match=message):
        hadamard([0] * 8, BF16, block=block)
    with pytest.raises(FormatError, match=r"rows of at least one element, got shape \(1, 0\)"):
        hadamard(np.zeros((1, 0), dtype=int), BF16)
