"""micro_dot against Fraction: mixed widths, every accumulator, sums in order, error texts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from plena_cosim.golden import FixedPoint, FormatError, Scalar, get_format
from plena_cosim.golden.blocks import MicroMx, get_block_format
from plena_cosim.golden.ops import micro_dot

from ..compare import assert_codes
from ..mx_oracle import accumulate
from ..oracle import pow2, scalar
from ..samples import UNUSUAL, label

ACCUMULATORS: tuple[Scalar, ...] = (
    *(get_format(name) for name in ("fp32", "bf16", "e6m5", "fp16", "e4m3", "e5m2fnuz")),
    FixedPoint(int_bits=16, frac_bits=16),
    FixedPoint(int_bits=16, frac_bits=16, wrap=True),
    UNUSUAL[1],
)
WIDTHS = ((3, 3), (5, 5), (8, 8), (3, 8), (16, 2), (16, 16))
Arrays = tuple[npt.NDArray[np.int64], ...]


def values(
    codes: Sequence[int], micros: Sequence[int], scale: int, bits: int
) -> list[Fraction] | None:
    """What a block stands for; None for NaN."""
    if scale == 255:
        return None
    signed = [code - (1 << bits if code >> (bits - 1) else 0) for code in codes]
    return [
        code * pow2(scale - 127 - micros[index // 2] - bits + 2)
        for index, code in enumerate(signed)
    ]


def blocks(a: int, b: int, count: int, size: int, seed: int, spread: int = 6) -> Arrays:
    """Any codes, the lowest too; scales around 1, some anywhere, some NaN; sparse blocks."""
    rng = np.random.default_rng(seed)
    sides: list[npt.NDArray[np.int64]] = []
    for bits in (a, b):
        codes = rng.integers(0, 1 << bits, (count, size))
        codes[rng.random((count, size)) < rng.random((count, 1))] = 0
        codes[rng.random(count) < 0.05] = 1 << (bits - 1)
        micro = (rng.random((count, size // 2)) < rng.choice([0, 0.5, 1], (count, 1))).astype(int)
        scale = np.clip(127 + rng.integers(-spread, spread + 1, count), 0, 255)
        anywhere = rng.random(count) < 0.15
        scale[anywhere] = rng.integers(0, 256, int(anywhere.sum()))
        scale[rng.random(count) < 0.03] = 255
        sides += [codes, micro, scale]
    return tuple(sides)


def expected(arrays: Arrays, first: Sequence[int], a: int, b: int, acc: Scalar) -> list[int]:
    """The accumulator after each step."""
    oracle, total, found = scalar(acc), 0, []
    rows = zip(*(array.tolist() for array in arrays), first, strict=True)
    for *operands, restart in rows:
        left, right = values(*operands[:3], a), values(*operands[3:], b)
        dot: Any = math.nan
        if left is not None and right is not None:
            dot = sum((x * y for x, y in zip(left, right, strict=True)), Fraction(0))
        total = accumulate(0 if restart else total, oracle.encode(dot), acc)
        found.append(total)
    return found


@pytest.mark.parametrize("acc", ACCUMULATORS, ids=label)
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
def test_sums_of_blocks(widths: tuple[int, int], acc: Scalar) -> None:
    a, b = widths
    for size, spread in ((6, 6), (2, 30)):
        arrays = blocks(a, b, 60, size, seed=size, spread=spread)
        formats = [MicroMx(element_bits=bits, block_size=size) for bits in widths]
        for first in ([1] * 60, [0] * 60, [int(i % 7 in (0, 3)) for i in range(60)]):
            got = micro_dot(*arrays, first, *formats, acc)
            assert_codes(
                got,
                expected(arrays, first, a, b, acc),
                lambda i, s=arrays: f"{widths} in {label(acc)}: {[x[i].tolist() for x in s]}",
            )


@pytest.mark.parametrize("acc", [get_format("fp32"), get_format("bf16")], ids=label)
def test_every_product_of_pairs(acc: Scalar) -> None:
    """Both elements and both micro-exponents of two MX4 pairs, the second element beside."""
    a, b, m, n, c = np.meshgrid(*map(np.arange, (8, 8, 2, 2, 8)), indexing="ij")
    a, b, m, n, c = (x.ravel() for x in (a, b, m, n, c))
    scale, fmt = np.full(a.size, 127), get_block_format("mx4", block_size=2)
    arrays = (np.stack([a, c], 1), m[:, None], scale, np.stack([b, a], 1), n[:, None], scale)
    first = [1] * a.size
    got = micro_dot(*arrays, first, fmt, fmt, acc)
    assert_codes(got, expected(arrays, first, 3, 3, acc), lambda i: str([x[i] for x in arrays]))


@pytest.mark.parametrize("size", [2, 32, 4096])
def test_the_largest_blocks_do_not_overflow(size: int) -> None:
    for micro in (0, 1):
        codes, scale = np.full((1, size), 1 << 15), np.array([127])
        side = (codes, np.full((1, size // 2), micro), scale)
        fmt = MicroMx(element_bits=16, block_size=size)
        got = micro_dot(*side, *side, [1], fmt, fmt, "fp32")
        assert got.tolist() == expected((*side, *side), [1], 16, 16, get_format("fp32"))


def test_an_exact_zero_is_plus_zero_and_a_nan_scale_stays() -> None:
    fmt = get_block_format("mx6", block_size=2)
    left = ([[8, 24], [8, 24], [8, 8]], [[0], [1], [1]], [127, 255, 127])
    right = ([[8, 8]] * 3, [[1]] * 3, [127] * 3)
    got = micro_dot(*left, *right, [1, 1, 0], fmt, fmt, "bf16")
    assert got.tolist() == [0, 0x7FC0, 0x7FC0]


def test_no_steps_give_no_results() -> None:
    codes, micro, none = np.zeros((0, 32), int), np.zeros((0, 16), int), np.zeros(0, int)
    side = (codes, micro, none)
    assert micro_dot(*side, *side, none, "mx9", "mx4", "fp32").shape == (0,)


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "array", "message"),
    [
        (0, [[1, 2, 3]], r"^micro_dot: need codes of shape \(n, 4\), got \(1, 3\)$"),
        (0, [[0] * 4] * 2, r"^micro_dot: need a micro-exponent a pair, \(2, 2\), got \(1, 2\)$"),
        (1, [[0]], r"^micro_dot: need a micro-exponent a pair, \(1, 2\), got \(1, 1\)$"),
        (1, [[0, 2]], r"^mx6 micro-exponent: code 0x2 at \[0\]\[1\] does not fit"),
        (0, [[0, 0, 32, 0]], r"^mx6: code 0x20 at \[0\]\[2\] does not fit"),
        (2, [256], r"^mx6 scale: code 0x100 at \[0\] does not fit"),
        (2, [127, 127], r"^micro_dot: need one scale a block, \(1,\), got \(2,\) and \(1,\)$"),
        (6, [1, 0], r"^micro_dot: need first of shape \(1,\), got \(2,\)$"),
    ],
)
def test_arrays_that_do_not_fit_are_named(place: int, array: Any, message: str) -> None:
    fmt = get_block_format("mx6", block_size=4)
    side: list[Any] = [[[0] * 4], [[0] * 2], [127]]
    arrays = [*side, *side, [1]]
    arrays[place] = array
    with pytest.raises(FormatError, match=message):
        micro_dot(*arrays, fmt, fmt, "fp32")


def test_blocks_must_agree() -> None:
    four, two = (get_block_format("mx6", block_size=size) for size in (4, 2))
    side: list[Any] = [[[0] * 4], [[0] * 2], [127]]
    words = r"^operands of a block dot need one block size, got mx6 with 4 and mx6 with 2$"
    with pytest.raises(FormatError, match=words):
        micro_dot(*side, *side, [1], four, two, "fp32")
    longer: list[Any] = [[[0] * 4] * 2, [[0] * 2] * 2, [127] * 2]
    with pytest.raises(FormatError, match=r"as many blocks of a as of b, got \(1, 4\) and \(2, 4"):
        micro_dot(*side, *longer, [1], four, four, "fp32")
