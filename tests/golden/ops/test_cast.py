"""cast: every code of every source up to 16 bits into many destinations."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

from plena_cosim.golden import FixedPoint, FormatError, NanReplacedWarning, Scalar, get_format
from plena_cosim.golden.ops import cast

from ..compare import assert_codes
from ..oracle import MODES, OVERFLOWS, encode_all, scalar
from ..samples import FIXED_POINTS, REGISTERED, UNUSUAL, corner_codes, random_codes

FIXED = [
    FixedPoint(int_bits=16, frac_bits=16),
    FixedPoint(int_bits=16, frac_bits=16, wrap=True),
    FIXED_POINTS[2],
    FIXED_POINTS[14],
]
EVERYTHING: list[Scalar] = [*REGISTERED, *UNUSUAL, *FIXED]
PAIRS = [(s, d) for s, d in itertools.product(EVERYTHING, EVERYTHING) if s is not d]


def assert_cast(codes: np.ndarray, src: Scalar, dst: Scalar, mode: str, overflow: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NanReplacedWarning)
        got = cast(codes, src, dst, rounding=mode, overflow=overflow)
    values = [scalar(src).value(int(code)) for code in codes]
    assert_codes(got, encode_all(values, dst, mode, overflow), lambda i: f"{codes[i]:#x}")


def some_codes(src: Scalar) -> np.ndarray:
    if src.width_bits <= 6:
        return np.arange(1 << src.width_bits)
    random = random_codes(src, 60, 31)
    if isinstance(src, FixedPoint):
        edges = [0, 1, 2, 3, src.max_code - 1, src.max_code, src.max_code + 1, 2 * src.max_code]
        return np.concatenate([np.array(edges, dtype=np.uint32), random])
    return np.concatenate([corner_codes(src), random])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("overflow", OVERFLOWS)
def test_every_pair_of_formats(mode: str, overflow: str) -> None:
    for index, (src, dst) in enumerate(PAIRS):
        if index % 10 == MODES.index(mode) * 2 + OVERFLOWS.index(overflow):
            assert_cast(some_codes(src), src, dst, mode, overflow)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("src", "dst"),
    [
        *[("e5m2", "e4m3"), ("e4m3", "e5m2"), ("e3m4", "e2m1"), ("e4m3", "q4.4"), ("q2.6", "e2m3")],
        *[
            ("e5m2", "e4m3fnuz"),
            ("e4m3fnuz", "e5m2fnuz"),
            ("e4m3fnuz", "e4m3"),
            ("e3m4", "e4m3b11fnuz"),
        ],
        *[("q4.4", "e4m3fnuz"), ("e5m2fnuz", "q4.4")],
    ],
)
def test_every_code_of_eight_bits(src: str, dst: str, mode: str) -> None:
    for overflow in OVERFLOWS:
        assert_cast(np.arange(256), get_format(src), get_format(dst), mode, overflow)


@pytest.mark.parametrize("dst", ["e4m3", "e2m1", "e6m5", "fp16", "q8.8", "e5m2fnuz"])
def test_every_bf16_code(dst: str) -> None:
    assert_cast(np.arange(1 << 16), get_format("bf16"), get_format(dst), "rne", "saturate")


def test_widening_and_back_changes_nothing() -> None:
    for name in ("bf16", "fp16", "e6m5", "e4m3", "e4m3fnuz"):
        fmt, fp32 = get_format(name), get_format("fp32")
        codes = np.arange(1 << fmt.width_bits)
        values = np.array([float(scalar(fmt).value(int(code))) for code in codes])
        there = cast(codes, fmt, fp32)
        back = cast(there, fp32, fmt) if fmt.has_nan else cast(there, fp32, fmt, strict=True)
        keep = ~np.isnan(values)
        np.testing.assert_array_equal(back[keep], codes[keep])


def test_inf_and_nan_by_destination() -> None:
    bf16 = get_format("bf16")
    specials = [0x7F80, 0xFF80, 0x7FC0, 0xFFFF]
    assert cast(specials, bf16, get_format("e5m2")).tolist() == [0x7C, 0xFC, 0x7E, 0x7E]
    e4m3 = get_format("e4m3")
    assert cast(specials, bf16, e4m3).tolist() == [0x7E, 0xFE, 0x7F, 0x7F]
    assert cast(specials, bf16, e4m3, overflow="ieee").tolist() == [0x7F, 0x7F, 0x7F, 0x7F]
    with pytest.warns(NanReplacedWarning, match=r"e2m1 has no NaN: 2 NaN became 6\.0"):
        assert cast(specials, bf16, get_format("e2m1")).tolist() == [7, 15, 7, 7]


def test_strict_refuses_what_the_destination_cannot_hold() -> None:
    with pytest.raises(FormatError, match=r"e4m3 cannot hold inf \(value\[1\], 1 such values\)"):
        cast([0x3F80, 0x7F80], get_format("bf16"), get_format("e4m3"), strict=True)
