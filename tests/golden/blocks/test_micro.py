"""Shared micro-exponents, against exact rational arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from plena_cosim.golden.blocks import MicroArray, MicroMx, get_block_format, quantize

from ..blocks_oracle import micro_block, micro_values
from ..compare import assert_codes
from .samples import Values, all_kinds, every_bf16, pairs_of_eighths, reals

NAMES = ("mx4", "mx6", "mx9")
WIDTHS = (2, 3, 5, 8, 16)


def made(blocks: Values, fmt: MicroMx) -> MicroArray:
    found = quantize(blocks, fmt)
    assert isinstance(found, MicroArray)
    return found


def assert_blocks(blocks: Values, bits: int) -> None:
    size = blocks.shape[1]
    q = made(blocks, MicroMx(element_bits=bits, block_size=size))
    want = [micro_block(row, bits) for row in reals(blocks)]
    assert_codes(q.scales, [s for _, _, s in want], lambda i: f"{bits} bits: {blocks[i]}")
    assert_codes(
        q.micro,
        [m for _, micros, _ in want for m in micros],
        lambda i: f"{bits} bits: pair {i % (size // 2)} of {blocks[i // (size // 2)]}",
    )
    assert_codes(
        q.codes,
        [code % (1 << bits) for codes, _, _ in want for code in codes],
        lambda i: f"{bits} bits: element {i % size} of {blocks[i // size]}",
    )
    values = np.array([micro_values(*block, bits) for block in want])
    np.testing.assert_array_equal(q.dequantize(), values)
    assert not np.signbit(q.dequantize()[q.codes == 0]).any()
    assert q.has_special == (not np.isfinite(blocks).all())


@pytest.mark.parametrize("bits", WIDTHS)
def test_every_pair_of_small_numbers(bits: int) -> None:
    pairs = pairs_of_eighths(36)
    assert_blocks(pairs, bits)
    assert_blocks(np.hstack([pairs[::5], np.full((len(pairs[::5]), 2), 4.0)]), bits)


@pytest.mark.parametrize("bits", WIDTHS)
def test_blocks_of_every_kind(bits: int) -> None:
    for size in (2, 6, 32):
        assert_blocks(all_kinds(size, seed=bits), bits)


@pytest.mark.parametrize("bits", [3, 8])
def test_bf16_values_beside_another(bits: int) -> None:
    x = every_bf16()
    assert_blocks(np.stack([x, np.roll(x, 1 << 14)], axis=1)[::5], bits)


def test_a_pair_by_hand() -> None:
    # shared 2^0; step of mx6 2^-3. The second pair is below 1: step 2^-4. The third is not.
    q = made(np.array([[1.0, -0.3, 0.99, -0.03125, 1.9, 0.0625]]), get_block_format("mx6"))
    assert q.scales.tolist() == [[127]]
    assert q.micro.tolist() == [[0, 1, 0]]
    assert q.codes.tolist() == [[8, 32 - 2, 15, 0, 15, 0]]  # 0.99 clamps, the ties go to even
    assert q.dequantize().tolist() == [[1.0, -0.25, 0.9375, 0.0, 1.875, 0.0]]


def test_a_pair_of_which_one_reaches_the_shared_binade_is_not_shifted() -> None:
    q = made(np.array([[1.5, 0.1, 0.1, -1.0, 0.5, 0.9999]]), get_block_format("mx9"))
    assert q.micro.tolist() == [[0, 0, 1]]


@pytest.mark.parametrize("name", NAMES)
def test_special_blocks(name: str) -> None:
    fmt = get_block_format(name, block_size=2)
    q = made(np.array([[0.0, -0.0], [1.0, np.nan], [-np.inf, 0.0], [1.0, 1.0]]), fmt)
    assert q.scales.ravel().tolist() == [0, 255, 255, 127]
    assert not q.codes[:3].any()
    assert not q.micro[:3].any()
    assert np.isnan(q.dequantize()[1:3]).all()
    assert np.array_equal(q.dequantize()[[0, 3]], [[0.0, 0.0], [1.0, 1.0]])


@pytest.mark.parametrize("name", NAMES)
def test_the_paper_s_bits_per_value(name: str) -> None:
    fmt = get_block_format(name, block_size=16)
    assert fmt.bits_per_value == int(name[2:])


@pytest.mark.parametrize("name", NAMES)
def test_a_second_time_changes_nothing(name: str) -> None:
    fmt = get_block_format(name, block_size=6)
    once = made(all_kinds(6, seed=9), fmt)
    twice = made(once.dequantize(), fmt)
    np.testing.assert_array_equal(twice.dequantize(), once.dequantize())
