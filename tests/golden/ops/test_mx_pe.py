"""mx_pe against Fraction, pair by pair, and against the dot unit."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from plena_cosim.golden import FixedPoint, FormatError, Mx, Scalar, decode, get_format
from plena_cosim.golden.ops import mx_dot, mx_pe
from plena_cosim.golden.ops.mx_pe import block_places

from ..compare import assert_codes
from ..mx_oracle import accumulate, partial
from ..samples import label

ACCUMULATORS: tuple[Scalar, ...] = (
    get_format("fp32"),
    get_format("bf16"),
    get_format("e6m5"),
    FixedPoint(int_bits=16, frac_bits=16),
    FixedPoint(int_bits=16, frac_bits=16, wrap=True),
)
OPERANDS = (
    ("mxint8", "mxint4"),
    ("mxfp4_e2m1", "mxfp4_e2m1"),
    ("mxfp8_e5m2", "mxint16"),
    ("mxfp8_e4m3", "mxfp8_e4m3"),
)
Arrays = list[npt.NDArray[np.int64]]


def pairs(a: Mx, b: Mx, count: int, seed: int) -> Arrays:
    """Random element codes, scales near 1, a few of them anywhere or NaN."""
    rng = np.random.default_rng(seed)
    arrays = []
    for mx in (a, b):
        codes = rng.integers(0, 1 << mx.element.width_bits, count)
        codes[~np.isfinite(mx_values(codes, mx)) & (rng.random(count) < 0.9)] = 0
        scales = mx.scale_bias + rng.integers(-4, 5, count)
        anywhere = rng.random(count) < 0.05
        scales[anywhere] = rng.integers(0, 1 << mx.scale_bits, int(anywhere.sum()))
        arrays += [codes, scales]
    return arrays


def mx_values(codes: npt.NDArray[np.int64], mx: Mx) -> npt.NDArray[np.float64]:
    return decode(codes, mx.element)


def walked(arrays: Arrays, first: list[int], a: Mx, b: Mx, acc: Scalar) -> list[int]:
    """The definition: collect pairs, round and add when there are block_size of them."""
    total, block, shown = 0, [], []
    for a_code, a_scale, b_code, b_scale, restart in zip(*arrays, first, strict=True):
        if restart:
            total, block = 0, []
        block.append((int(a_code), int(b_code)))
        if len(block) == a.block_size:
            left, right = zip(*block, strict=True)
            part = partial(left, int(a_scale), right, int(b_scale), a, b, acc)
            total, block = accumulate(total, part, acc), []
        shown.append(total)
    return shown


@pytest.mark.parametrize("size", [1, 3, 4])
@pytest.mark.parametrize("acc", ACCUMULATORS, ids=label)
@pytest.mark.parametrize("names", OPERANDS, ids="-".join)
def test_every_beat(names: tuple[str, str], acc: Scalar, size: int) -> None:
    a, b = (get_format(name, block_size=size) for name in names)
    count = 150
    arrays = pairs(a, b, count, seed=3)
    rng = np.random.default_rng(4)
    for density in (0.0, 0.05, 0.4, 1.0):
        first = (rng.random(count) < density).astype(int).tolist()
        got = mx_pe(*arrays, first, a, b, acc)
        want = walked(arrays, first, a, b, acc)
        assert_codes(got, want, lambda i: f"beat {i} of {names} in {label(acc)}")


def test_whole_blocks_are_the_dot_unit() -> None:
    a, b, acc = get_format("mxint8", block_size=4), get_format("mxint4", block_size=4), "bf16"
    codes_a, scale_a, codes_b, scale_b = pairs(a, b, 80, seed=5)
    first = np.zeros(80, dtype=int)
    first[[0, 12, 40]] = 1
    elements = mx_pe(codes_a, scale_a, codes_b, scale_b, first, a, b, get_format(acc))
    blocks = mx_dot(
        codes_a.reshape(-1, 4),
        scale_a[3::4],
        codes_b.reshape(-1, 4),
        scale_b[3::4],
        first[::4],
        a,
        b,
        get_format(acc),
    )
    np.testing.assert_array_equal(elements[3::4], blocks)


def test_only_the_last_scale_of_a_block_counts() -> None:
    mx, fp32 = get_format("mxint8", block_size=2), get_format("fp32")
    one = [64, 64]
    for scales, want in (([255, 127], 0x40000000), ([127, 255], 0x7FC00000)):
        assert mx_pe(one, scales, one, [127, 127], [1, 0], mx, mx, fp32).tolist() == [0, want]


def test_a_special_element_spoils_its_block_and_first_heals() -> None:
    mx, fp32 = get_format("mxfp8_e4m3", block_size=2), get_format("fp32")
    codes, ones = [0x7F, 0x38, 0x38, 0x38, 0x38], [0x38] * 5
    got = mx_pe(codes, [127] * 5, ones, [127] * 5, [1, 0, 0, 1, 0], mx, mx, fp32)
    assert [hex(c) for c in got] == ["0x0", "0x7fc00000", "0x7fc00000", "0x0", "0x40000000"]


def test_an_unfinished_block_is_dropped() -> None:
    mx, fp32 = get_format("mxint8", block_size=2), get_format("fp32")
    codes, scale = [64] * 5, [127] * 5
    got = mx_pe(codes, scale, codes, scale, [0, 0, 0, 1, 0], mx, mx, fp32)
    assert [hex(c) for c in got] == ["0x0", "0x40000000", "0x40000000", "0x0", "0x40000000"]


def test_places_restart() -> None:
    assert block_places([1, 0, 0, 0, 1, 1, 0], 3).tolist() == [0, 1, 2, 0, 0, 0, 1]
    assert block_places([], 3).tolist() == []


def test_no_beats_and_no_complete_block() -> None:
    mx, fp32 = get_format("mxint4", block_size=4), get_format("fp32")
    none = np.zeros(0, dtype=int)
    assert mx_pe(none, none, none, none, none, mx, mx, fp32).shape == (0,)
    assert mx_pe([1], [127], [1], [127], [1], mx, mx, fp32).tolist() == [0]


def test_bad_input_is_named() -> None:
    mx, other, fp32 = get_format("mxint4", block_size=2), get_format("mxint8"), get_format("fp32")
    with pytest.raises(FormatError, match=r"^mx_pe: need five arrays of one shape \(n,\), got \["):
        mx_pe([1, 2], [127], [1, 2], [127, 127], [1, 0], mx, mx, fp32)
    with pytest.raises(FormatError, match="need one block size, got mxint4 with 2 and mxint8"):
        mx_pe([1], [127], [1], [127], [1], mx, other, fp32)
    with pytest.raises(FormatError, match="mxint4: code 0x10 at"):
        mx_pe([16, 0], [127, 127], [1, 0], [127, 127], [1, 0], mx, mx, fp32)
