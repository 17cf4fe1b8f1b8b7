"""Every block format along any axis, from any dtype."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from plena_cosim.golden import FormatError
from plena_cosim.golden.blocks import BLOCK_FORMATS, get_block_format, quantize

over_formats = pytest.mark.parametrize("name", BLOCK_FORMATS)


def array(shape: tuple[int, ...]) -> np.ndarray:
    rng = np.random.default_rng(1)
    return np.ldexp(rng.normal(size=shape), rng.integers(-6, 3, shape)).astype(np.float32)


@over_formats
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_an_axis_is_moved_there_and_back(name: str, axis: int) -> None:
    x = array((37, 19, 21))
    q = quantize(x, name, axis)
    moved = quantize(np.ascontiguousarray(np.moveaxis(x, axis, -1)), name)
    size = get_block_format(name).block_size
    assert q.shape == q.codes.shape == x.shape
    assert q.axis == axis % 3
    assert q.scales.shape[axis] == -(-x.shape[axis] // size)
    np.testing.assert_array_equal(np.moveaxis(q.codes, axis, -1), moved.codes)
    np.testing.assert_array_equal(np.moveaxis(q.scales, axis, -1), moved.scales)
    np.testing.assert_array_equal(np.moveaxis(q.dequantize(), axis, -1), moved.dequantize())


@over_formats
def test_a_ragged_tail_is_a_block_padded_with_zeros(name: str) -> None:
    x = array((3, 41))
    padded = np.zeros((3, 64), dtype=np.float32)
    padded[:, :41] = x
    want = quantize(padded, name).dequantize()[:, :41]
    np.testing.assert_array_equal(quantize(x, name).dequantize(), want)


@over_formats
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_narrow_dtypes_are_their_values(name: str, dtype: type) -> None:
    x = array((4, 40)).astype(dtype)
    want = quantize(x.astype(np.float64), name)
    got = quantize(x, name)
    np.testing.assert_array_equal(got.codes, want.codes)
    np.testing.assert_array_equal(got.dequantize(), want.dequantize())


@over_formats
def test_values_are_near(name: str) -> None:
    x = np.random.default_rng(2).normal(size=(8, 64))
    error = np.abs(quantize(x, name).dequantize() - x).max()
    assert error < {"mx9": 0.02, "bfp16": 0.04, "mx6": 0.16}.get(name, 1.0)


@over_formats
def test_dequantize_rounds_once_to_a_narrower_dtype(name: str) -> None:
    q = quantize(array((2, 32)), name)
    for dtype in (np.float16, np.float32):
        assert q.dequantize(dtype).dtype == dtype
        np.testing.assert_array_equal(q.dequantize(dtype), q.dequantize().astype(dtype))


@over_formats
def test_no_row_is_no_error(name: str) -> None:
    for shape, axis in (((0, 64), -1), ((64, 0), 0), ((2, 0, 3), 2)):
        q = quantize(np.zeros(shape), name, axis)
        assert q.shape == q.dequantize().shape == shape


@over_formats
def test_strict_names_the_first_special_value(name: str) -> None:
    x = array((2, 3, 40))
    x[1, 2, 37] = -np.inf
    assert quantize(x, name).has_special
    for axis, place in ((-1, "row 5, position 37"), (0, "row 117, position 1")):
        with pytest.raises(FormatError, match=f"quantize to {name}: -inf at {place} along the"):
            quantize(x, name, axis, strict=True)


def test_no_block_format_is_an_error() -> None:
    with pytest.raises(FormatError, match="unknown block format 'mx7'"):
        quantize([1.0], "mx7")


@pytest.mark.parametrize("amax", [-1.0, np.nan, np.inf, 1e300])
def test_a_bad_amax_of_the_tensor_is_named(amax: float) -> None:
    with pytest.raises(FormatError, match="nvfp4: tensor_amax is 0 or more and finite in fp32"):
        quantize([1.0], "nvfp4", tensor_amax=amax)


def test_a_format_without_a_tensor_scale_takes_no_amax() -> None:
    with pytest.raises(FormatError, match=r"mx9 has no scale of the tensor .* \(got 2.0\)"):
        quantize([1.0], "mx9", tensor_amax=2.0)
