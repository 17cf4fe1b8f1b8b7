"""reduce_sum and reduce_max against a recursive tree of exact sums, each rounded once."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from plena_cosim.golden import FormatError, Minifloat, get_format
from plena_cosim.golden.ops import reduce_max, reduce_rows, reduce_sum

from ..compare import assert_codes
from ..samples import corner_codes, random_codes
from .step_oracle import larger, reduced, rounded_sum

BF16, FP32 = get_format("bf16"), get_format("fp32")
NAMES = (
    ("bf16", "fp32"), ("bf16", "bf16"), ("e4m3", "fp32"), ("e4m3", "fp16"), ("e6m5", "fp32"),
    ("e6m5", "e6m5"), ("e5m2", "e4m3"), ("fp16", "e2m1"), ("e2m1", "e3m2"),
    ("e5m2", "e4m3fnuz"), ("e5m2fnuz", "bf16"),
)  # fmt: skip
PAIRS = tuple((get_format(v), get_format(r)) for v, r in NAMES)
PAIR_IDS = [f"{v.name}-{r.name}" for v, r in PAIRS]


REDUCTIONS = [(reduce_sum, rounded_sum), (reduce_max, larger)]


def vectors(src: Minifloat, dst: Minifloat, lanes: int, count: int) -> tuple[Any, Any, Any]:
    """Corners, random codes, and values of one size so that sums round."""
    rng = np.random.default_rng(lanes)
    corners = corner_codes(src)
    x = np.where(
        rng.random((count, lanes)) < 0.3,
        corners[rng.integers(0, corners.size, (count, lanes))],
        random_codes(src, count * lanes, lanes).reshape(count, lanes),
    )
    one = src.bias_value << src.man_bits
    near = one + rng.integers(0, 4 << src.man_bits, (count, lanes))
    near = np.where(near < src.max_code, near, one) | rng.integers(0, 2, near.shape) << (
        src.width_bits - 1
    )
    x = np.where(np.arange(count)[:, None] % 2 == 0, x, near)
    seeds = np.where(np.arange(count) % 3 == 0, 0, random_codes(dst, count, 7))
    mask = rng.integers(0, 8, (count, lanes)) > 0
    mask[:4] = [[False], [True], [False], [True]]
    return x, mask, seeds


@pytest.mark.parametrize(("op", "combine"), REDUCTIONS, ids=["sum", "max"])
@pytest.mark.parametrize("lanes", [1, 2, 3, 5, 8, 11, 16])
@pytest.mark.parametrize(("src", "dst"), PAIRS, ids=PAIR_IDS)
def test_tree(src: Minifloat, dst: Minifloat, lanes: int, op: Any, combine: Any) -> None:
    x, mask, seeds = vectors(src, dst, lanes, 60)
    want = [
        reduced(a, m, s, src, dst, combine)
        for a, m, s in zip(x.tolist(), mask.tolist(), seeds.tolist(), strict=True)
    ]
    got = op(x, mask, seeds, src, dst)
    assert_codes(got, want, lambda i: f"{x[i].tolist()} mask {mask[i].tolist()} seed {seeds[i]:#x}")


@pytest.mark.parametrize(("op", "combine"), REDUCTIONS, ids=["sum", "max"])
@pytest.mark.parametrize("name", ["e2m1", "e1m2"])
def test_every_pair_of_four_bits_with_every_mask(name: str, op: Any, combine: Any) -> None:
    fmt = get_format(name)
    inputs = list(itertools.product(range(16), range(16), (0, 1), (0, 1), (0, 3, 8, 15)))
    x, mask = np.array([i[:2] for i in inputs]), np.array([i[2:4] for i in inputs])
    seeds = np.array([i[4] for i in inputs])
    want = [reduced([a, b], [m, n], s, fmt, fmt, combine) for a, b, m, n, s in inputs]
    assert_codes(op(x, mask, seeds, fmt, fmt), want, lambda i: str(inputs[i]))


def bf16(*values: float) -> npt.NDArray[Any]:
    return np.array(values, dtype=np.float32).view(np.uint32) >> 16


def test_neighbours_come_first() -> None:
    """In bf16 1 + 2^-8 is 1: lanes 2 and 3 must meet before they meet lane 0."""
    x = bf16(1.0, 0.0, 2.0**-8, 2.0**-8)
    assert reduce_sum(x, 1, 0, BF16, BF16) == 0x3F81
    assert reduce_sum(x[[0, 2, 1, 3]], 1, 0, BF16, BF16) == 0x3F80


def test_the_seed_comes_last() -> None:
    x = bf16(2.0**-8, 2.0**-8, 2.0**-8)
    # 2^-8 + 2^-8 + 2^-8 = 1.5 * 2^-7, so 1 + it is a tie; one after the other, nothing would change
    assert reduce_sum(x, 1, 0x3F80, BF16, BF16) == 0x3F82


def test_lanes_without_a_neighbour_move_up() -> None:
    """Five lanes: the fifth meets the sum of the other four."""
    x = bf16(1.0, 2.0**-8, 0.0, 0.0, 2.0**-7)
    assert reduce_sum(x, 1, 0, BF16, BF16) == 0x3F81


def test_masked_lanes_are_as_if_absent() -> None:
    nan, minus_zero, minus_inf = 0x7FC0, 0x8000, 0xFF80
    assert reduce_sum([nan, 0x7F80, minus_inf], [0, 1, 0], 0, BF16, FP32) == 0x7F800000
    assert reduce_sum([nan, nan], [0, 0], 0x80000000, BF16, FP32) == 0x80000000
    assert reduce_sum([minus_zero] * 2, [1, 1], 0x80000000, BF16, FP32) == 0x80000000
    assert reduce_sum([minus_zero] * 2, [1, 1], 0, BF16, FP32) == 0
    assert reduce_max([0x3F80, minus_inf], [0, 1], 0xFF800000, BF16, FP32) == 0xFF800000
    assert reduce_max([0x3F80, 0x3F80], [0, 0], 0xFF800000, BF16, FP32) == 0xFF800000
    assert reduce_max([nan, nan], [1, 0], 0xFFC00001, BF16, FP32) == 0x7FC00000


def test_specials_of_the_sum() -> None:
    inf, minus_inf, nan = 0x7F80, 0xFF80, 0x7FC1
    assert reduce_sum([inf, minus_inf], 1, 0, BF16, FP32) == 0x7FC00000
    assert reduce_sum([inf, 0x3F80], 1, 0xFF800000, BF16, FP32) == 0x7FC00000
    assert reduce_sum([nan, 0x3F80], 1, 0, BF16, FP32) == 0x7FC00000
    assert reduce_sum([0x7F7F, 0x7F7F], 1, 0, BF16, BF16) == 0x7F7F
    assert reduce_sum([nan, 0x3F80], 1, 0, BF16, get_format("e6m5")) == 0x7FF


@pytest.mark.parametrize(("op", "combine"), REDUCTIONS, ids=["sum", "max"])
@pytest.mark.parametrize("length", [1, 7, 8, 9, 24, 27])
def test_long_rows_chain_by_the_seed(length: int, op: Any, combine: Any) -> None:
    x, _, seeds = vectors(BF16, FP32, length, 12)
    want = []
    for row, seed in zip(x.tolist(), seeds.tolist(), strict=True):
        for start in range(0, length, 8):
            piece = row[start : start + 8]
            empty = 8 - len(piece)
            seed = reduced(piece + [0] * empty, [1] * len(piece) + [0] * empty, seed, BF16, FP32,
                           combine)  # fmt: skip
        want.append(seed)
    got = reduce_rows(op, x, seeds, BF16, FP32, lanes=8)
    assert_codes(got, want, lambda i: f"{x[i].tolist()} seed {seeds[i]:#x}")


@pytest.mark.parametrize("op", [reduce_sum, reduce_max])
def test_batches_stay_apart(op: Any) -> None:
    x = random_codes(BF16, 2 * 3 * 6, 5).reshape(2, 3, 6)
    mask, seeds = random_codes(get_format("e1m2"), 36, 6).reshape(2, 3, 6) > 5, x[..., 0] * 65536
    whole = op(x, mask, seeds, BF16, FP32)
    assert whole.shape == (2, 3)
    for i, j in np.ndindex(2, 3):
        assert whole[i, j] == op(x[i, j], mask[i, j], seeds[i, j], BF16, FP32)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(FormatError, match=r"^reduce_sum: need x of at least one lane, got .*\(0,"):
        reduce_sum(np.zeros((0,), dtype=int), 1, 0, BF16, FP32)
    with pytest.raises(FormatError, match=r"^reduce_max: mask of shape \(2, 2\) does not fit x "):
        reduce_max([0, 0], [[1, 1], [1, 1]], 0, BF16, FP32)
    with pytest.raises(FormatError, match=r"^reduce_sum: need one seed a vector, \(1,\), got .*2,"):
        reduce_sum([[0, 0]], 1, [0, 0], BF16, FP32)
    with pytest.raises(FormatError, match=r"reduce_sum seed \(fp32\): code 0x100000000 "):
        reduce_sum([0, 0], 1, 1 << 32, BF16, FP32)
    with pytest.raises(FormatError, match="reduce_rows: lanes must be at least 1, got 0"):
        reduce_rows(reduce_sum, [0, 0], 0, BF16, FP32, lanes=0)
    with pytest.raises(FormatError, match=r"reduce_rows: need rows of at least one lane"):
        reduce_rows(reduce_sum, 0, 0, BF16, FP32, lanes=2)
