"""mx_mm, mx_mv, mx_bmm against the whole product of `matmul` and against Fraction."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from plena_cosim.golden import FormatError, HardwareConfig, MxArray, Scalar, get_format
from plena_cosim.golden.ops import matmul, mx_bmm, mx_mm, mx_mv

from ..mx_oracle import accumulate, partial
from ..oracle import scalar
from .test_mx_tile import FORMATS, name, operand

Codes = npt.NDArray[np.int64]
FP32 = get_format("fp32")


def slices(codes: Codes, count: int) -> Codes:
    """(heads, lines, k) as beats: (count, heads, lines, k / count)."""
    heads, lines, length = codes.shape
    return codes.reshape(heads, lines, count, length // count).transpose(2, 0, 1, 3)


def in_order(beats: Codes, transposed: Codes) -> Codes:
    """(n, heads, cols, depth) as the port has it: (cols, depth) or (depth, cols) in each beat."""
    rows = [
        (beat if flag else beat.swapaxes(-1, -2)).ravel()
        for beat, flag in zip(beats, transposed, strict=True)
    ]
    return np.array(rows)


@pytest.mark.parametrize("formats", FORMATS, ids=name)
@pytest.mark.parametrize(
    ("heads", "rows", "cols", "blocks"), [(1, 3, 2, 1), (1, 1, 4, 2), (2, 2, 3, 2)]
)
def test_slices_of_k_are_matmul(
    formats: tuple[str, str, Scalar, str], heads: int, rows: int, cols: int, blocks: int
) -> None:
    a, b = (get_format(text, block_size=4) for text in formats[:2])
    acc, v = formats[2], get_format(formats[3])
    count, depth = 6, 4 * blocks
    left, left_scale = operand(a, heads * rows, count * blocks, seed=1)
    right, right_scale = operand(b, heads * cols, count * blocks, seed=2)
    transposed = np.array([0, 1, 1, 0, 1, 0])
    sides = [
        array.reshape(heads, lines, -1)
        for array, lines in ((left, rows), (left_scale, rows), (right, cols), (right_scale, cols))
    ]
    beats = [slices(array, count) for array in sides]
    ports = [array.reshape(count, -1) for array in beats[:2]]
    ports += [in_order(array, transposed) for array in beats[2:]]
    first, write = np.array([1, 0, 0, 0, 1, 0]), np.ones(count)
    size: dict[str, Any] = {"rows": rows, "cols": cols, "depth": depth}
    arguments = (*ports, transposed, first, write, a, b, acc, v)
    got = mx_bmm(*arguments, heads=heads, **size)
    hw = HardwareConfig(accumulator_format=acc, vector_format=v)
    for start, end in ((0, 4), (4, 6)):
        k, blocks_k = slice(start * depth, end * depth), slice(start * blocks, end * blocks)
        for head in range(heads):
            codes, scales = ([side[head] for side in sides[kind::2]] for kind in (0, 1))
            want = matmul(
                MxArray(codes=codes[0][:, k], scales=scales[0][:, blocks_k], mx=a, axis=1),
                MxArray(codes=codes[1][:, k].T, scales=scales[1][:, blocks_k].T, mx=b, axis=0),
                hw,
            )
            result = got[end - 1].reshape(heads, rows, cols)[head]
            np.testing.assert_array_equal(result, want)
    if heads == 1:
        np.testing.assert_array_equal(mx_mm(*arguments, **size), got)
    if heads == rows == 1:
        np.testing.assert_array_equal(mx_mv(*arguments, cols=cols, depth=depth), got)


@pytest.mark.parametrize("transposed", [0, 1])
def test_every_output_against_fractions(transposed: int) -> None:
    a, b = get_format("mxint4", block_size=2), get_format("mxfp4_e2m1", block_size=2)
    acc, v = get_format("bf16"), get_format("e6m5")
    rng = np.random.default_rng(3)
    left, right = rng.integers(0, 16, (2, 4)), rng.integers(0, 16, (4, 3))  # (rows, k), (k, cols)
    left_scale, right_scale = rng.integers(124, 130, (2, 2)), rng.integers(124, 130, (2, 3))
    given = [x.T if transposed else x for x in (right, right_scale)]
    ports = [x.reshape(1, -1) for x in (left, left_scale, *given)]
    size = {"rows": 2, "cols": 3, "depth": 4}
    got = mx_mm(*ports, [transposed], [1], [1], a, b, acc, v, **size).reshape(2, 3)
    for i, j in np.ndindex(2, 3):
        total = 0
        for block in range(2):
            k = slice(2 * block, 2 * block + 2)
            scales = int(left_scale[i, block]), int(right_scale[block, j])
            codes = left[i, k].tolist(), right[k, j].tolist()
            part = partial(codes[0], scales[0], codes[1], scales[1], a, b, acc)
            total = accumulate(total, part, acc)
        assert got[i, j] == scalar(v).encode(scalar(acc).value(total)), (i, j)


def test_sums_go_on_over_unwritten_beats_and_start_at_zero() -> None:
    mx = get_format("mxint8", block_size=1)
    ones, scale = np.full((4, 1), 64), np.full((4, 1), 127)
    flags = (np.zeros(4), [0, 0, 1, 0], [0, 1, 0, 1])
    got = mx_mv(ones, scale, ones, scale, *flags, mx, mx, FP32, FP32, cols=1, depth=1)
    assert [hex(c) for c in got[:, 0]] == ["0x3f800000", "0x40000000", "0x3f800000", "0x40000000"]


def test_no_beats() -> None:
    mx = get_format("mxint8", block_size=2)
    none, flags = np.zeros((0, 4), dtype=int), np.zeros(0, dtype=int)
    two = np.zeros((0, 2), dtype=int)
    got = mx_mm(
        none, two, none, two, flags, flags, flags, mx, mx, FP32, FP32, rows=2, cols=2, depth=2
    )
    assert got.shape == (0, 4)


def test_bad_input_is_named() -> None:
    mx, other = get_format("mxint8", block_size=2), get_format("mxint8", block_size=4)
    codes, scale, flag = np.zeros((1, 4), dtype=int), np.zeros((1, 2), dtype=int), [0]
    ports = (codes, scale, codes, scale, flag, flag, flag)
    with pytest.raises(FormatError, match=r"^mx_bmm: depth 3 is no positive multiple of"):
        mx_mm(*ports, mx, mx, FP32, FP32, rows=2, cols=2, depth=3)
    with pytest.raises(FormatError, match=r"^mx_bmm: need arrays of shapes \[\(1, 6\), \(1, 3\)"):
        mx_mm(*ports, mx, mx, FP32, FP32, rows=3, cols=2, depth=2)
    with pytest.raises(FormatError, match="need one block size"):
        mx_mm(*ports, mx, other, FP32, FP32, rows=2, cols=2, depth=2)
