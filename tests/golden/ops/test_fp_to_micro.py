"""fp_to_micro against Fraction: every source format, specials and error texts included."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from plena_cosim.golden import FormatError, Minifloat, decode, get_format
from plena_cosim.golden.blocks import MicroArray, MicroMx, get_block_format, quantize
from plena_cosim.golden.ops import fp_to_micro

from ..blocks_oracle import micro_block
from ..compare import assert_codes
from ..oracle import scalar
from ..samples import UNUSUAL, corner_codes, label, random_codes

SOURCES = (
    *(get_format(name) for name in ("bf16", "fp16", "fp32", "e6m5", "e4m3", "e5m2", "e4m3fnuz")),
    *UNUSUAL,
)


def assert_blocks(x: Any, src: Minifloat, bits: int) -> None:
    """Compare blocks of codes (n, size) with the oracle's, part by part."""
    size, oracle = x.shape[1], scalar(src)
    codes, micro, scales = fp_to_micro(x, src, MicroMx(element_bits=bits, block_size=size))
    want = [micro_block([oracle.value(int(code)) for code in row], bits) for row in x]
    assert_codes(scales, [s for _, _, s in want], lambda i: f"{label(src)}: {x[i].tolist()}")
    flat = [m for _, micros, _ in want for m in micros]
    assert_codes(micro, flat, lambda i: f"{label(src)}: {x[i // (size // 2)].tolist()}")
    flat = [c % (1 << bits) for elements, _, _ in want for c in elements]
    assert_codes(codes, flat, lambda i: f"{label(src)}: {x[i // size].tolist()}")


@pytest.mark.parametrize("bits", [2, 3, 5, 8, 16])
@pytest.mark.parametrize("src", SOURCES, ids=label)
def test_blocks(src: Minifloat, bits: int) -> None:
    rng = np.random.default_rng(bits)
    assert_blocks(random_codes(src, 60, seed=bits).reshape(-1, 6), src, bits)
    assert_blocks(rng.choice(corner_codes(src), (20, 4)), src, bits)
    near = rng.integers(0, src.max_code, (20, 1)) - rng.integers(0, 4 << src.man_bits, (20, 4))
    signs = rng.integers(0, 2, (20, 4)) * (1 << (src.width_bits - 1))
    assert_blocks(np.maximum(near, 0) | signs, src, bits)


@pytest.mark.parametrize("src", ["e2m1", "e3m2", "e2m3"])
@pytest.mark.parametrize("bits", [2, 3, 5])
def test_every_pair_of_codes(src: str, bits: int) -> None:
    fmt = get_format(src)
    codes = np.arange(1 << fmt.width_bits)
    pairs = np.stack(np.meshgrid(codes, codes, indexing="ij"), axis=-1).reshape(-1, 2)
    assert_blocks(pairs, fmt, bits)
    beside = np.hstack([pairs[::7], np.full((len(pairs[::7]), 2), fmt.max_code)])
    assert_blocks(beside, fmt, bits)


def test_it_is_quantize_of_the_values() -> None:
    bf16, mx9 = get_format("bf16"), get_block_format("mx9", block_size=16)
    x = random_codes(bf16, 1600, seed=4).reshape(-1, 16) & 0xBFFF
    codes, micro, scales = fp_to_micro(x, bf16, mx9)
    q = quantize(decode(x, bf16), mx9)
    assert isinstance(q, MicroArray)
    np.testing.assert_array_equal(codes, q.codes)
    np.testing.assert_array_equal(micro, q.micro)
    np.testing.assert_array_equal(scales, q.scales[:, 0])


def test_zeros_and_specials() -> None:
    mx4 = get_block_format("mx4", block_size=4)
    one, inf, nan = 0x3F80, 0xFF80, 0x7FC1
    rows = [[0, 0x8000, 0, 0], [one, inf, 0, 0], [one, 0, 0, nan], [one, 0, 0, 0]]
    codes, micro, scales = fp_to_micro(rows, "bf16", mx4)
    assert codes.tolist() == [[0] * 4, [0] * 4, [0] * 4, [2, 0, 0, 0]]
    assert micro.tolist() == [[0, 0], [0, 0], [0, 0], [0, 1]]
    assert scales.tolist() == [0, 255, 255, 127]


def test_no_blocks() -> None:
    parts = fp_to_micro(np.zeros((0, 32), int), "bf16", "mx6")
    assert [part.shape for part in parts] == [(0, 32), (0, 16), (0,)]


@pytest.mark.parametrize("shape", [(4,), (2, 3), (1, 2, 4)])
def test_a_wrong_shape_is_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(FormatError) as caught:
        fp_to_micro(np.zeros(shape, int), "bf16", get_block_format("mx6", block_size=4))
    assert str(caught.value) == f"fp_to_micro: need codes of shape (n, 4), got {shape}"
