"""dot and mx_dot against Fraction: any two element formats, any accumulator."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from plena_cosim.golden import FixedPoint, FormatError, Minifloat, Mx, Scalar, get_format
from plena_cosim.golden.ops import dot, mx_dot

from ..compare import assert_codes
from ..mx_oracle import accumulate, partial
from ..samples import UNUSUAL, label

Q16 = FixedPoint(int_bits=16, frac_bits=16)
Q16_WRAP = FixedPoint(int_bits=16, frac_bits=16, wrap=True)
ACCUMULATORS: tuple[Scalar, ...] = (
    get_format("fp32"),
    get_format("bf16"),
    get_format("e6m5"),
    get_format("fp16"),
    get_format("e4m3"),
    get_format("e5m2fnuz"),
    Q16,
    Q16_WRAP,
    FixedPoint(int_bits=32, frac_bits=0, wrap=True),
    FixedPoint(int_bits=4, frac_bits=20),
    Minifloat(exp_bits=8, man_bits=23),
    UNUSUAL[1],
)
OPERANDS = (
    ("mxint4", "mxint4"),
    ("mxint2", "mxint8"),
    ("mxint8", "mxint8"),
    ("mxint4", "mxint12"),
    ("mxint16", "mxint16"),
    ("mxfp4_e2m1", "mxfp4_e2m1"),
    ("mxfp8_e4m3", "mxfp8_e4m3"),
    ("mxfp8_e5m2", "mxfp8_e5m2"),
    ("mxfp6_e3m2", "mxfp6_e2m3"),
    ("mxfp16_e5m10", "mxfp16_e5m10"),
    ("mxint8", "mxfp4_e2m1"),
    ("mxfp8_e5m2", "mxint16"),
    ("mxfp4_e3m0", "mxint4"),
    ("mxfp8_e4m3fnuz", "mxfp8_e5m2fnuz"),
)
Arrays = tuple[npt.NDArray[np.int64], ...]


def blocks(a: Mx, b: Mx, count: int, seed: int, spread: int = 6) -> Arrays:
    """Random codes; scales around 1, some anywhere, some NaN; sparse and cancelling blocks too."""
    rng = np.random.default_rng(seed)
    size = a.block_size
    a_codes = rng.integers(0, 1 << a.element.width_bits, (count, size))
    b_codes = rng.integers(0, 1 << b.element.width_bits, (count, size))
    sparse = rng.random((count, size)) < rng.random((count, 1))
    a_codes[sparse] = 0
    scales = []
    for mx in (a, b):
        bias, top = (1 << (mx.scale_bits - 1)) - 1, (1 << mx.scale_bits) - 1
        scale = np.clip(bias + rng.integers(-spread, spread + 1, count), 0, top)
        anywhere = rng.random(count) < 0.15
        scale[anywhere] = rng.integers(0, top + 1, int(anywhere.sum()))
        scale[rng.random(count) < 0.03] = top
        scales.append(scale)
    return a_codes, scales[0], b_codes, scales[1]


def assert_dots(a: Mx, b: Mx, acc: Scalar, arrays: Arrays) -> None:
    got = dot(*arrays, a, b, acc)
    rows = list(zip(*(array.tolist() for array in arrays), strict=True))
    want = [partial(*row, a, b, acc) for row in rows]
    assert_codes(got, want, lambda i: f"{a.name} . {b.name} -> {label(acc)}: {rows[i]}")


@pytest.mark.parametrize("acc", ACCUMULATORS, ids=label)
@pytest.mark.parametrize("names", OPERANDS, ids="-".join)
def test_partials(names: tuple[str, str], acc: Scalar) -> None:
    a, b = (get_format(name, block_size=7) for name in names)
    assert_dots(a, b, acc, blocks(a, b, 60, seed=11))
    assert_dots(a, b, acc, blocks(a, b, 20, seed=12, spread=30))


@pytest.mark.parametrize("acc", [Q16, Q16_WRAP, get_format("bf16")], ids=label)
def test_narrow_scales_and_full_range_codes(acc: Scalar) -> None:
    a = get_format("mxint8", block_size=4, scale_bits=4, symmetric=False)
    b = get_format("mxfp8_e4m3", block_size=4, scale_bits=6)
    assert_dots(a, b, acc, blocks(a, b, 150, seed=13))


@pytest.mark.parametrize("name", ["mxint16", "mxfp16_e5m10", "mxfp8_e5m2", "mxfp8_e4m3", "mxint8"])
@pytest.mark.parametrize("size", [1, 32, 1024])
def test_the_largest_blocks_do_not_overflow(name: str, size: int) -> None:
    mx = get_format(name, block_size=size, symmetric=False)
    top = mx.element.max_code
    most = 1 << (mx.element.width_bits - 1) if name.startswith("mxint") else top
    codes = np.full((2, size), top)
    codes[1] = most
    scale = np.array([127, 127])
    for acc in (get_format("fp32"), get_format("e6m5")):
        assert_dots(mx, mx, acc, (codes, scale, codes, scale))


@pytest.mark.parametrize("offset", range(-3, 4))
def test_ties_that_only_a_far_element_breaks(offset: int) -> None:
    """1 + half an fp32 unit + something 2^-60 smaller: one rounding of the exact dot."""
    mx = get_format("mxfp16_e5m10", block_size=3)
    one, tiny = 15 << 10, 1
    a = np.array([[one, one, tiny], [one, one, tiny | 0x8000], [one, one, 0]])
    b = np.array([[one, (15 - 12) << 10, tiny]] * 3)
    scale = np.full(3, 127)
    for acc in (get_format("fp32"), get_format("e6m5"), get_format("fp16"), Q16_WRAP):
        assert_dots(mx, mx, acc, (a, scale, b, scale + offset))


def test_a_long_dot_wraps_by_its_low_bits() -> None:
    mx = get_format("mxfp8_e5m2", block_size=2)
    codes, top = np.array([[0x7B, 0x01]]), 57344**2  # 57344, 2^-16
    got = dot(codes, [147], codes, [127], mx, mx, Q16_WRAP)  # (top + 2^-32) * 2^20
    assert got.tolist() == [1 << 4]  # 2^-12 in units of 2^-16: top * 2^20 wraps away
    assert (top * 2**20) % 2**16 == 0
    assert dot(codes, [147], codes, [127], mx, mx, Q16).tolist() == [0x7FFFFFFF]


@pytest.mark.parametrize("name", ["mxfp8_e5m2", "mxfp8_e4m3"])
def test_a_special_element_makes_the_partial_nan(name: str) -> None:
    mx = get_format(name, block_size=2)
    ones = np.array([[mx.element.bias_value << mx.element.man_bits] * 2])
    codes = ones.copy()
    codes[0, 1] = mx.element.nan_code
    assert dot(codes, [127], ones, [127], mx, mx, get_format("fp32")).tolist() == [0x7FC00000]
    assert dot(ones, [127], codes, [127], mx, mx, get_format("e6m5")).tolist() == [0x7FF]
    assert dot(ones, [255], ones, [127], mx, mx, Q16_WRAP).tolist() == [0x7FFFFFFF]


def test_an_exact_zero_is_plus_zero() -> None:
    mx = get_format("mxfp4_e2m1", block_size=2)
    got = dot([[2, 10], [8, 8]], [127, 127], [[2, 2], [2, 2]], [127, 0], mx, mx, get_format("bf16"))
    assert got.tolist() == [0, 0]


# --- accumulation --------------------------------------------------------------------------------


@pytest.mark.parametrize("acc", ACCUMULATORS, ids=label)
@pytest.mark.parametrize("names", [OPERANDS[0], OPERANDS[7], OPERANDS[10]], ids="-".join)
def test_running_accumulator(names: tuple[str, str], acc: Scalar) -> None:
    a, b = (get_format(name, block_size=4) for name in names)
    arrays = blocks(a, b, 120, seed=17)
    for first in (
        [1, *[0] * 119],
        [0] * 120,
        [1] * 120,
        [int(i % 7 in (0, 3)) for i in range(120)],
    ):
        got = mx_dot(*arrays, first, a, b, acc)
        total, want = 0, []
        rows = zip(*(array.tolist() for array in arrays), first, strict=True)
        for a_codes, a_scale, b_codes, b_scale, restart in rows:
            part = partial(a_codes, a_scale, b_codes, b_scale, a, b, acc)
            total = accumulate(0 if restart else total, part, acc)
            want.append(total)
        assert_codes(got, want, lambda i: f"step {i} of {names} in {label(acc)}")


def test_no_vectors_give_no_results() -> None:
    mx = get_format("mxint4", block_size=4)
    none, codes = np.zeros(0, dtype=int), np.zeros((0, 4), dtype=int)
    assert mx_dot(codes, none, codes, none, none, mx, mx, get_format("fp32")).shape == (0,)


def test_wrap_takes_two_to_the_15_to_its_negative() -> None:
    mx = get_format("mxint8", block_size=1)
    step = ([[64]], [127 + 14], [[64]], [127])  # 2^14
    arrays = [np.repeat(np.array(x), 2, axis=0) for x in step]
    wrapped = mx_dot(*arrays, [1, 0], mx, mx, Q16_WRAP)
    assert wrapped.tolist() == [0x40000000, 0x80000000]  # 2^14, -2^15
    assert mx_dot(*arrays, [1, 0], mx, mx, Q16).tolist() == [0x40000000, 0x7FFFFFFF]


# --- bad input -----------------------------------------------------------------------------------


def test_block_sizes_must_agree() -> None:
    a, b = get_format("mxint8", block_size=2), get_format("mxfp4_e2m1", block_size=4)
    with pytest.raises(FormatError) as caught:
        dot([[1, 2]], [127], [[1, 2]], [127], a, b, get_format("fp32"))
    assert str(caught.value) == (
        "operands of a block dot need one block size, got mxint8 with 2 and mxfp4_e2m1 with 4"
    )


@pytest.mark.parametrize("shapes", [((2, 3), (2, 3)), ((2, 4), (3, 4)), ((4,), (4,))])
def test_shapes_must_be_blocks(shapes: tuple[tuple[int, ...], ...]) -> None:
    mx = get_format("mxint8", block_size=4)
    a, b = (np.zeros(shape, dtype=int) for shape in shapes)
    with pytest.raises(FormatError) as caught:
        dot(a, np.zeros(2, int), b, np.zeros(2, int), mx, mx, get_format("fp32"))
    assert str(caught.value) == (f"dot: need two (n, 4) arrays, got {shapes[0]} and {shapes[1]}")


def test_every_block_needs_its_scale_and_its_flag() -> None:
    mx, fp32 = get_format("mxint8", block_size=2), get_format("fp32")
    codes, two = np.zeros((2, 2), int), np.zeros(2, int)
    for scales in ((two[:1], two), (two, two[:1]), (two[:, None], two)):
        with pytest.raises(FormatError, match=r"^dot: need one scale a block, \(2,\), got \("):
            dot(codes, scales[0], codes, scales[1], mx, mx, fp32)
    with pytest.raises(FormatError, match=r"^mx_dot: need first of shape \(2,\), got \(3,\)$"):
        mx_dot(codes, two, codes, two, [1, 0, 0], mx, mx, fp32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v[0].__setitem__((0, 1), 16), r"mxint4: code 0x10 at \[0\]\[1\] does not fit"),
        (lambda v: v[1].__setitem__(0, 256), r"mxint4 scale: code 0x100 at \[0\] does not fit"),
        (lambda v: v[2].__setitem__((0, 0), -1), r"mxint4: code -0x1 at \[0\]\[0\] does not fit"),
        (lambda v: v[3].__setitem__(0, 999), r"mxint4 scale: code 0x3e7 at \[0\] does not fit"),
    ],
)
def test_codes_wider_than_the_format_are_named(
    change: Callable[[list[npt.NDArray[np.int64]]], None], message: str
) -> None:
    mx = get_format("mxint4", block_size=2)
    arrays = [np.zeros(shape, dtype=int) for shape in ((1, 2), 1, (1, 2), 1)]
    change(arrays)
    with pytest.raises(FormatError, match=message):
        dot(*arrays, mx, mx, get_format("fp32"))


def test_an_accumulator_without_nan_stays_silent() -> None:
    mx = get_format("mxint4", block_size=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mx_dot([[1]], [255], [[1]], [127], [1], mx, mx, get_format("e6m5"))
