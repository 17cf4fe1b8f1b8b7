"""matmul against Fraction: order, rounding points, broadcasting, bad input."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plena_cosim.golden import (
    FixedPoint,
    FormatError,
    HardwareConfig,
    MxArray,
    Scalar,
    decode,
    get_format,
    quantize,
)
from plena_cosim.golden.ops import matmul, mx_dot

from ..compare import assert_codes
from ..mx_oracle import accumulate, partial
from ..oracle import scalar
from ..samples import label

ACCUMULATORS: tuple[Scalar, ...] = (
    get_format("fp32"),
    get_format("bf16"),
    get_format("e6m5"),
    get_format("e4m3"),
    FixedPoint(int_bits=16, frac_bits=16),
    FixedPoint(int_bits=16, frac_bits=16, wrap=True),
    FixedPoint(int_bits=6, frac_bits=10, wrap=True),
)
OPERANDS = (
    ("mxint4", "mxint4"),
    ("mxint8", "mxint4"),
    ("mxint16", "mxint16"),
    ("mxfp4_e2m1", "mxfp4_e2m1"),
    ("mxfp8_e4m3", "mxint8"),
    ("mxfp8_e5m2", "mxfp8_e5m2"),
    ("mxfp16_e5m10", "mxfp16_e5m10"),
)


def one_output(a: MxArray, b: MxArray, row: int, column: int, hw: HardwareConfig) -> int:
    """a[row] . b[:, column], block by block, then one cast."""
    acc, size = hw.accumulator_format, a.mx.block_size
    total = 0
    for index in range(a.scales.shape[-1]):
        block = slice(index * size, (index + 1) * size)
        part = partial(
            a.codes[row, block].tolist(),
            int(a.scales[row, index]),
            b.codes[block, column].tolist(),
            int(b.scales[index, column]),
            a.mx,
            b.mx,
            acc,
        )
        total = accumulate(total, part, acc)
    return scalar(hw.vector_format).encode(scalar(acc).value(total))


def assert_matmul(a: MxArray, b: MxArray, hw: HardwareConfig) -> None:
    got = matmul(a, b, hw)
    rows, columns = a.shape[0], b.shape[1]
    want = [one_output(a, b, i, j, hw) for i in range(rows) for j in range(columns)]
    assert got.shape == (rows, columns)
    assert_codes(got, want, lambda i: f"{a.mx.name} @ {b.mx.name}, output {divmod(i, columns)}")


def operands(
    names: tuple[str, str], m: int, k: int, n: int, size: int, seed: int
) -> tuple[MxArray, MxArray]:
    rng = np.random.default_rng(seed)
    gain = np.ldexp(1.0, rng.integers(-3, 4, (m, k)))
    left = quantize(rng.normal(size=(m, k)) * gain, get_format(names[0], block_size=size))
    right = quantize(rng.normal(size=(k, n)), get_format(names[1], block_size=size), axis=0)
    return left, right


@pytest.mark.parametrize("acc", ACCUMULATORS, ids=label)
@pytest.mark.parametrize("names", OPERANDS, ids="-".join)
def test_matmul(names: tuple[str, str], acc: Scalar) -> None:
    a, b = operands(names, 4, 22, 3, 4, seed=1)  # the last block is ragged
    for vector in ("bf16", "e6m5"):
        assert_matmul(
            a, b, HardwareConfig(accumulator_format=acc, vector_format=get_format(vector))
        )


@pytest.mark.parametrize("acc", ACCUMULATORS, ids=label)
def test_nan_blocks_and_special_elements(acc: Scalar) -> None:
    a, b = operands(("mxfp8_e5m2", "mxfp8_e4m3"), 4, 8, 3, 4, seed=2)
    a.codes[1, 5], a.codes[2, 0], a.scales[3, 1] = 0x7C, 0xFE, 255
    b.codes[3, 2] = 0x7F
    for vector in ("bf16", "e6m5", "e4m3"):
        hw = HardwareConfig(accumulator_format=acc, vector_format=get_format(vector))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert_matmul(a, b, hw)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(OPERANDS[:6]),
    st.tuples(st.integers(1, 4), st.integers(1, 20), st.integers(1, 4)),
    st.integers(1, 9),
    st.sampled_from(ACCUMULATORS),
    st.integers(0, 2**32 - 1),
)
def test_any_shape(
    names: tuple[str, str], shape: tuple[int, int, int], size: int, acc: Scalar, seed: int
) -> None:
    assert_matmul(*operands(names, *shape, size, seed), HardwareConfig(accumulator_format=acc))


def test_batches_broadcast_and_stay_apart() -> None:
    rng = np.random.default_rng(3)
    mx, hw = get_format("mxint8", block_size=4), HardwareConfig()
    x, w = rng.normal(size=(2, 3, 5, 10)), rng.normal(size=(3, 10, 6))
    whole = matmul(quantize(x, mx), quantize(w, mx, axis=-2), hw)
    assert whole.shape == (2, 3, 5, 6)
    for i in range(2):
        for j in range(3):
            one = matmul(quantize(x[i, j], mx), quantize(w[j], mx, axis=0), hw)
            np.testing.assert_array_equal(whole[i, j], one)


def test_the_order_is_ascending_k() -> None:
    """In bf16 1 + 2^-8 + 2^-8 ... stays 1, but 2^-8 + 2^-8 ... + 1 does not."""
    mx = get_format("mxint8", block_size=1)
    x = np.array([[1.0, *[2.0**-8] * 4]])
    ones = np.ones((5, 1))
    bf16 = get_format("bf16")
    hw = HardwareConfig(accumulator_format=bf16)
    up = matmul(quantize(x, mx), quantize(ones, mx, axis=0), hw)
    down = matmul(quantize(x[:, ::-1], mx), quantize(ones, mx, axis=0), hw)
    assert (decode(up, bf16).item(), decode(down, bf16).item()) == (1.0, 1.015625)


@pytest.mark.parametrize("acc", ACCUMULATORS, ids=label)
def test_matmul_is_the_dot_unit_block_after_block(acc: Scalar) -> None:
    a, b = operands(("mxint8", "mxfp4_e2m1"), 3, 40, 2, 8, seed=4)
    vector = get_format("fp32")
    got = matmul(a, b, HardwareConfig(accumulator_format=acc, vector_format=vector))
    for row, column in np.ndindex(3, 2):
        steps = mx_dot(
            a.codes[row].reshape(-1, 8),
            a.scales[row],
            b.codes[:, column].reshape(-1, 8),
            b.scales[:, column],
            [1, 0, 0, 0, 0],
            a.mx,
            b.mx,
            acc,
        )
        assert decode(got[row, column], vector) == decode(steps[-1], acc)


def coded(codes: list[int], name: str, axis: int) -> MxArray:
    """One block of given codes with scale 1, as a row (axis 1) or a column (axis 0)."""
    mx = get_format(name, block_size=len(codes))
    array = np.expand_dims(np.array(codes, dtype=np.uint16), 1 - axis)
    return MxArray(codes=array, scales=np.array([[127]], dtype=np.uint8), mx=mx, axis=axis)


def test_a_dot_of_79_bits_is_exact() -> None:
    """2^30 + 2^6 is a tie in fp32, which only +-2^-48 decides."""
    hw = HardwareConfig(vector_format=get_format("fp32"))
    big, small, one, tiny = 30 << 10, 21 << 10, 15 << 10, 1  # 2^15, 2^6, 1, 2^-24
    for last, want in ((0, 0x4E800000), (tiny, 0x4E800001), (tiny | 0x8000, 0x4E800000)):
        a = coded([big, small, tiny], "mxfp16_e5m10", 1)
        b = coded([big, one, last], "mxfp16_e5m10", 0)
        assert matmul(a, b, hw).tolist() == [[want]]


def test_a_long_dot_wraps_by_its_low_bits() -> None:
    """57344 * 57344 + 2^-31 in q1.31: the multiple of 2 wraps away and 2^-31 stays."""
    acc = FixedPoint(int_bits=1, frac_bits=31, wrap=True)
    hw = HardwareConfig(accumulator_format=acc, vector_format=get_format("fp32"))
    a, b = coded([0x7B, 0x01], "mxfp8_e5m2", 1), coded([0x7B, 0x02], "mxfp8_e5m2", 0)
    assert decode(matmul(a, b, hw), get_format("fp32")).item() == 2.0**-31


def test_mlen_changes_nothing() -> None:
    a, b = operands(("mxint4", "mxint4"), 3, 64, 3, 8, seed=5)
    one, other = (matmul(a, b, HardwareConfig(mlen=mlen)) for mlen in (8, 64))
    np.testing.assert_array_equal(one, other)


def bad(shape_a: tuple[int, ...], shape_b: tuple[int, ...], axis_a: int, axis_b: int) -> str:
    mx = get_format("mxint8", block_size=2)
    a = quantize(np.ones(shape_a), mx, axis_a)
    b = quantize(np.ones(shape_b), mx, axis_b)
    with pytest.raises(FormatError) as caught:
        matmul(a, b, HardwareConfig())
    return str(caught.value)


def test_bad_operands_are_named() -> None:
    shapes = "matmul: cannot multiply {} by {}; need (…, m, k) and (…, k, n)"
    assert bad((2, 3), (4, 5), -1, 0) == shapes.format((2, 3), (4, 5))
    assert bad((3,), (3, 5), -1, 0) == shapes.format((3,), (3, 5))
    axes = "matmul: blocks must run along k: axis 1 of a and 0 of b, got {} and {}"
    assert bad((2, 4), (4, 5), 0, 0) == axes.format(0, 0)
    assert bad((2, 4), (4, 5), 1, 1) == axes.format(1, 1)
    a = quantize(np.ones((2, 4)), get_format("mxint8", block_size=2))
    b = quantize(np.ones((4, 2)), get_format("mxint8", block_size=4), axis=0)
    with pytest.raises(FormatError, match="need one block size, got mxint8 with 2 and mxint8 with"):
        matmul(a, b, HardwareConfig())


def reference(x: npt.NDArray[np.float64], w: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return x @ w


def test_small_integers_multiply_exactly() -> None:
    rng = np.random.default_rng(6)
    x, w = rng.integers(-7, 8, (5, 33)) * 1.0, rng.integers(-7, 8, (33, 4)) * 1.0
    x[:, ::8] = w[::8] = 7  # every block of 8 has the same scale
    mx, fp32 = get_format("mxint8", block_size=8), get_format("fp32")
    got = matmul(quantize(x, mx), quantize(w, mx, axis=0), HardwareConfig(vector_format=fp32))
    np.testing.assert_array_equal(decode(got, fp32), reference(x, w))
