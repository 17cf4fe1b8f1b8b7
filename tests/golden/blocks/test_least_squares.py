"""MXFP4 with the better of two scales, against exact rational arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from plena_cosim import golden
from plena_cosim.golden import MxArray
from plena_cosim.golden.blocks import LeastSquaresMx, get_block_format, quantize

from ..blocks_oracle import least_squares_block
from ..compare import assert_codes
from .samples import Values, all_kinds, every_bf16, pairs_of_eighths, reals


def made(blocks: Values, size: int) -> MxArray:
    found = quantize(blocks, LeastSquaresMx(block_size=size))
    assert isinstance(found, MxArray)
    return found


def assert_blocks(blocks: Values) -> None:
    size = blocks.shape[1]
    q = made(blocks, size)
    want = [least_squares_block(row) for row in reals(blocks)]
    assert_codes(q.scales, [s for _, s in want], lambda i: f"{blocks[i]}")
    assert_codes(
        q.codes,
        [code for codes, _ in want for code in codes],
        lambda i: f"element {i % size} of {blocks[i // size]}",
    )
    assert q.has_special == (not np.isfinite(blocks).all())


def test_every_pair_of_small_numbers() -> None:
    assert_blocks(pairs_of_eighths(36))


@pytest.mark.parametrize("size", [1, 5, 32])
def test_blocks_of_every_kind(size: int) -> None:
    assert_blocks(all_kinds(size, seed=size))


def test_bf16_values_beside_another() -> None:
    x = every_bf16()
    assert_blocks(np.stack([x, np.roll(x, 1 << 14), np.roll(x, 3)], axis=1)[::24])


def test_gaussian_blocks_take_either_scale() -> None:
    blocks = np.random.default_rng(3).normal(size=(200, 32))
    assert_blocks(blocks)
    ceil = golden.quantize(blocks, golden.get_format("mxfp4_e2m1", scale_rule="ceil"))
    lower = ceil.scales - made(blocks, 32).scales
    assert set(lower.ravel().tolist()) == {0, 1}


@pytest.mark.parametrize(
    ("block", "scale"),
    [
        ([4.0, 3.0, 0.5], 127),  # exact with e; e - 1 clips 4 to 3
        ([4.0, 0.25, 0.25], 127),  # clipping 4 costs 1, losing both quarters 1/8
        ([3.0, 0.25], 126),
        ([3.0, 0.5], 127),  # both exact
        ([3.25, 3.25], 127),  # 3 in both
        ([3.5, 0.25], 126),  # 4 and 3: as far off
    ],
)
def test_a_choice_by_hand(block: list[float], scale: int) -> None:
    assert made(np.array([block]), 32).scales.tolist() == [[scale]]


@pytest.mark.parametrize("last_bit", [2.0**-26, 2.0**-55])
def test_sums_are_compared_exactly(last_bit: float) -> None:
    # Clipping 4 to 3 costs 1. Each 1/4 gains 1/16 by e - 1, each 3/16 half of that.
    for bits, scale in (((0, 0), 127), ((0, 1), 126), ((0, -1), 127), ((7, -6), 126)):
        block = [4.0, *[0.25] * 15, *(0.1875 + bit * last_bit for bit in bits)]
        assert made(np.array([block]), 32).scales.tolist() == [[scale]]


def test_elements_zeros_and_specials_are_those_of_mxfp4() -> None:
    fmt = get_block_format("mxfp4_diffs", block_size=2)
    q = quantize([[0.0, -0.0], [1.0, np.inf], [4.0, -0.0], [4.0, -0.01]], fmt)
    assert isinstance(q, MxArray)
    assert q.mx == golden.get_format("mxfp4_e2m1", block_size=2, scale_rule="ceil")
    assert q.scales.ravel().tolist() == [0, 255, 127, 127]
    assert q.codes.tolist() == [[0, 0], [0, 0], [6, 8], [6, 8]]
