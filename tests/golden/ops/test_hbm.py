"""hbm_store and hbm_load: bytes by hand, round trips, and the conversions underneath."""

from __future__ import annotations

import numpy as np
import pytest

from plena_cosim.golden import FormatError, get_format
from plena_cosim.golden.ops import (
    block_bytes,
    fp_to_mx,
    hbm_load,
    hbm_store,
    mx_to_fp,
    pack_blocks,
    unpack_blocks,
)

BF16, FP32 = get_format("bf16"), get_format("fp32")
NAMES = ["mxint2", "mxint4", "mxint7", "mxint16", "mxfp4_e2m1", "mxfp6_e3m2", "mxfp8_e5m2"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("block_size", [1, 3, 8])
def test_bytes_are_one_little_endian_number_and_the_scale(name: str, block_size: int) -> None:
    mx = get_format(name, block_size=block_size)
    width_bits = mx.element.width_bits
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 1 << width_bits, (20, block_size))
    scales = rng.integers(0, 256, 20)
    data = pack_blocks(codes, scales, mx)
    assert data.shape == (20, block_bytes(mx))
    for row, scale, stored in zip(codes.tolist(), scales.tolist(), data, strict=True):
        number = sum(code << (place * width_bits) for place, code in enumerate(row))
        assert int.from_bytes(stored[:-1].tobytes(), "little") == number
        assert stored[-1] == scale
    back = unpack_blocks(data, mx)
    np.testing.assert_array_equal(back[0], codes)
    np.testing.assert_array_equal(back[1], scales)


def test_unused_bits_are_ignored() -> None:
    mx = get_format("mxint6", block_size=1, scale_bits=5)
    codes, scales = unpack_blocks([[0xFF, 0xFF]], mx)
    assert (codes.tolist(), scales.tolist()) == ([[0x3F]], [0x1F])


@pytest.mark.parametrize("name", NAMES)
def test_store_and_load_are_the_conversions_and_a_round_trip_is_stable(name: str) -> None:
    mx = get_format(name, block_size=8)
    x = np.random.default_rng(3).integers(0, 1 << 16, (300, 8), dtype=np.uint32)
    stored = hbm_store(x, BF16, mx)
    loaded = hbm_load(stored, mx, FP32)
    np.testing.assert_array_equal(loaded, mx_to_fp(*fp_to_mx(x, BF16, mx), mx, FP32))
    np.testing.assert_array_equal(hbm_store(loaded, FP32, mx), stored)


def test_shapes_that_do_not_fit_are_named() -> None:
    mx = get_format("mxint4", block_size=4)
    with pytest.raises(FormatError, match=r"need bytes of shape \(n, 3\), got \(1, 4\)"):
        hbm_load([[0] * 4], mx, BF16)
    with pytest.raises(FormatError, match="pack_blocks: need codes"):
        pack_blocks([[0] * 3], [0], mx)
