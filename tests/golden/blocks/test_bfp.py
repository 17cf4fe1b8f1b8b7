"""Block floating point with room, against exact rational arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from plena_cosim.golden import MxArray
from plena_cosim.golden.blocks import Bfp, get_block_format, quantize

from ..blocks_oracle import bfp_block
from ..compare import assert_codes
from ..oracle import pow2
from .samples import Values, all_kinds, every_bf16, pairs_of_eighths, reals

WIDTHS = (2, 3, 4, 8, 16)


def made(blocks: Values, fmt: Bfp) -> MxArray:
    found = quantize(blocks, fmt)
    assert isinstance(found, MxArray)
    return found


def assert_blocks(blocks: Values, bits: int) -> None:
    size = blocks.shape[1]
    q = made(blocks, Bfp(element_bits=bits, block_size=size))
    want = [bfp_block(row, bits) for row in reals(blocks)]
    assert_codes(q.scales, [s for _, s in want], lambda i: f"{bits} bits: {blocks[i]}")
    assert_codes(
        q.codes,
        [code % (1 << bits) for codes, _ in want for code in codes],
        lambda i: f"{bits} bits: element {i % size} of {blocks[i // size]}",
    )
    values = [[float(c * pow2(s - 127 - bits + 2)) for c in codes] for codes, s in want]
    np.testing.assert_array_equal(q.dequantize(), values)
    assert q.has_special == (not np.isfinite(blocks).all())


@pytest.mark.parametrize("bits", WIDTHS)
def test_every_pair_of_small_numbers(bits: int) -> None:
    assert_blocks(pairs_of_eighths(36), bits)


@pytest.mark.parametrize("bits", WIDTHS)
def test_blocks_of_every_kind(bits: int) -> None:
    for size in (1, 5, 8):
        assert_blocks(all_kinds(size, seed=bits), bits)


def test_bf16_values_beside_another() -> None:
    x = every_bf16()
    assert_blocks(np.stack([x, np.roll(x, 1 << 14)], axis=1)[::5], 8)


@pytest.mark.parametrize(
    ("largest", "code", "scale"),
    [
        (127.0, 127, 133),
        (127.49, 127, 133),
        (127.5, 64, 134),  # rounds to 128, the even one: made again in steps of 2
        (127.9, 64, 134),
        (-127.9, -128, 133),  # fits
        (-128.0, -64, 134),  # the next binade already
        (128.0, 64, 134),
    ],
)
def test_room_is_made_where_a_code_would_be_128(largest: float, code: int, scale: int) -> None:
    q = made(np.array([[3.0, largest]]), get_block_format("bfp16"))
    assert q.scales.tolist() == [[scale]]
    assert q.codes[0, 1] == code % 256
    assert q.codes[0, 0] == (3 if scale == 133 else 2)  # 1.5 is a tie


def test_the_largest_numbers_saturate_in_the_last_exponent() -> None:
    q = made(np.array([[np.finfo(np.float32).max, 2.0**120]]), get_block_format("bfp16"))
    assert q.scales.tolist() == [[254]]
    assert q.dequantize().tolist() == [[127 * 2.0**121, 0.0]]


def test_nan_and_inf_leave_the_block_its_exponent() -> None:
    x = np.array([[1.0, np.nan, np.inf, -np.inf], [-0.0, np.nan, -np.inf, 0.0]])
    q = made(x, get_block_format("bfp16", block_size=4))
    assert q.scales.ravel().tolist() == [127, 0]
    assert q.codes.tolist() == [[64, 127, 127, 129], [0, 0, 0, 0]]
    assert q.has_special
