"""mx_tile against the whole product of `matmul` and, pair by pair, against Fraction."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from plena_cosim.golden import (
    FixedPoint,
    FormatError,
    HardwareConfig,
    Mx,
    MxArray,
    Scalar,
    get_format,
)
from plena_cosim.golden.ops import matmul, mx_tile

from ..mx_oracle import accumulate, partial
from ..oracle import scalar
from ..samples import label

FORMATS: tuple[tuple[str, str, Scalar, str], ...] = (
    ("mxint8", "mxint4", get_format("fp32"), "bf16"),
    ("mxfp4_e2m1", "mxfp4_e2m1", get_format("bf16"), "e6m5"),
    ("mxfp8_e4m3", "mxint8", FixedPoint(int_bits=16, frac_bits=16), "bf16"),
    ("mxfp8_e5m2", "mxfp8_e4m3", get_format("fp32"), "e4m3"),
    ("mxint8", "mxint8", FixedPoint(int_bits=8, frac_bits=8, wrap=True), "fp16"),
)
Codes = npt.NDArray[np.int64]


def name(formats: tuple[str, str, Scalar, str]) -> str:
    left, right, acc, vector = formats
    return f"{left}-{right}-{label(acc)}-{vector}"


def operand(mx: Mx, lines: int, blocks: int, seed: int) -> tuple[Codes, Codes]:
    """Codes (lines, blocks * block_size) and scales (lines, blocks), a few of them special."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 1 << mx.element.width_bits, (lines, blocks * mx.block_size))
    codes[rng.random(codes.shape) < 0.3] = 0
    scales = mx.scale_bias + rng.integers(-3, 4, (lines, blocks))
    scales[rng.random(scales.shape) < 0.05] = (1 << mx.scale_bits) - 1
    return codes, scales


@pytest.mark.parametrize("formats", FORMATS, ids=name)
@pytest.mark.parametrize("size", [1, 4])
def test_sums_one_after_the_other_are_matmul(
    formats: tuple[str, str, Scalar, str], size: int
) -> None:
    a, b = (get_format(text, block_size=size) for text in formats[:2])
    acc, v = formats[2], get_format(formats[3])
    hw = HardwareConfig(accumulator_format=acc, vector_format=v)
    rows, cols, sums, streams, ends, want = 3, 2, (4, 1, 7), [], [], []
    for index, blocks in enumerate(sums):
        left, left_scale = operand(a, rows, blocks, seed=2 * index)
        right, right_scale = operand(b, cols, blocks, seed=2 * index + 1)
        first = np.zeros(blocks * size, dtype=int)
        first[0] = 1
        scales = [np.repeat(scale, size, axis=1).T for scale in (left_scale, right_scale)]
        streams.append((left.T, scales[0], right.T, scales[1], first))
        ends.append(sum(sums[: index + 1]) * size - 1)
        product = matmul(
            MxArray(codes=left, scales=left_scale, mx=a, axis=1),
            MxArray(codes=right.T, scales=right_scale.T, mx=b, axis=0),
            hw,
        )
        want.append(product.ravel())
    arrays = [np.concatenate(parts) for parts in zip(*streams, strict=True)]
    got = mx_tile(*arrays, np.zeros(len(arrays[0])), a, b, acc, v, rows, cols)
    assert got.shape == (sum(sums) * size, rows * cols)
    np.testing.assert_array_equal(got[ends], want)


def test_every_beat_against_fractions() -> None:
    """Two lanes, blocks of 2, a sum cut off inside a block: the complete blocks are shown."""
    a, b = get_format("mxint4", block_size=2), get_format("mxfp4_e2m1", block_size=2)
    acc, v = get_format("bf16"), get_format("e6m5")
    count = 40
    rng = np.random.default_rng(9)
    left, right = rng.integers(0, 16, (count, 1)), rng.integers(0, 16, (count, 2))
    left_scale, right_scale = (rng.integers(120, 132, x.shape) for x in (left, right))
    first = np.zeros(count, dtype=int)
    first[[0, 7, 8, 20]] = 1
    arrays = (left, left_scale, right, right_scale, first, np.ones(count))
    got = mx_tile(*arrays, a, b, acc, v, rows=1, cols=2)
    for col in range(2):
        total, begun = 0, 0
        for k in range(count):
            if first[k]:
                total, begun = 0, k
            if (k - begun) % 2 == 1:
                block = slice(k - 1, k + 1)
                part = partial(
                    left[block, 0].tolist(),
                    int(left_scale[k, 0]),
                    right[block, col].tolist(),
                    int(right_scale[k, col]),
                    a,
                    b,
                    acc,
                )
                total = accumulate(total, part, acc)
            assert got[k, col] == scalar(v).encode(scalar(acc).value(total)), (k, col)


def test_write_changes_no_sum() -> None:
    mx, fp32 = get_format("mxint8", block_size=2), get_format("fp32")
    codes, scale = np.full((8, 2), 64), np.full((8, 2), 127)
    first = [1, *[0] * 7]
    results = [
        mx_tile(codes, scale, codes, scale, first, write, mx, mx, fp32, fp32, 2, 2)
        for write in ([0] * 8, [1] * 8, [0, 1] * 4)
    ]
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_no_beats() -> None:
    mx, fp32 = get_format("mxint8", block_size=2), get_format("fp32")
    two, none = np.zeros((0, 2), dtype=int), np.zeros(0, dtype=int)
    assert mx_tile(two, two, two, two, none, none, mx, mx, fp32, fp32, 2, 2).shape == (0, 4)


def test_bad_shapes_are_named() -> None:
    mx, fp32 = get_format("mxint8", block_size=2), get_format("fp32")
    two, flags = np.zeros((4, 2), dtype=int), np.zeros(4, dtype=int)
    with pytest.raises(FormatError, match=r"^mx_tile: need arrays of shapes \(\(4, 2\), \(4, 2\)"):
        mx_tile(two, two, two, two, flags, flags, mx, mx, fp32, fp32, 2, 3)
    other = get_format("mxint8", block_size=4)
    with pytest.raises(FormatError, match="need one block size"):
        mx_tile(two, two, two, two, flags, flags, mx, other, fp32, fp32, 2, 2)
