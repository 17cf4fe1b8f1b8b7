"""fp_to_mx and mx_to_fp against Fraction, specials and error texts included."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt
import pytest

from plena_cosim.golden import (
    FixedPoint,
    FormatError,
    Minifloat,
    Mx,
    NanReplacedWarning,
    Scalar,
    decode,
    get_format,
    quantize,
)
from plena_cosim.golden.ops import fp_to_mx, mx_to_fp

from ..compare import assert_codes
from ..mx_oracle import block_values, quantize_block
from ..oracle import MODES, OVERFLOWS, RULES, encode_all, scalar
from ..samples import MX_FORMATS, corner_codes, label, random_codes

DESTINATIONS: tuple[Scalar, ...] = (
    get_format("bf16"),
    get_format("fp16"),
    get_format("fp32"),
    get_format("e6m5"),
    get_format("e4m3"),
    get_format("e5m2"),
    get_format("e4m3fnuz"),
    FixedPoint(int_bits=8, frac_bits=8),
    FixedPoint(int_bits=16, frac_bits=16, wrap=True),
)


def near_codes(src: Minifloat, shape: tuple[int, int], seed: int) -> npt.NDArray[np.uint32]:
    """Blocks of codes whose exponents lie close together, some with corners."""
    rng = np.random.default_rng(seed)
    start = rng.integers(0, src.max_code, (shape[0], 1))
    magnitude = np.clip(
        start + rng.integers(-6 << src.man_bits, 1 << src.man_bits, shape), 0, src.max_code
    )
    codes = magnitude | np.where(rng.random(shape) < 0.5, src.sign_mask, 0)
    corners = rng.choice(corner_codes(src), shape)
    return np.where(rng.random(shape) < 0.1, corners, codes).astype(np.uint32)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("mx", [*MX_FORMATS, get_format("mxfp8_e4m3fnuz")], ids=label)
def test_fp_to_mx(mx: Mx, rule: str) -> None:
    for src_name, bits in (("bf16", 8), ("fp16", 8), ("fp32", 8), ("e6m5", 5), ("bf16", 3)):
        fmt = Mx(element=mx.element, block_size=5, scale_rule=rule, scale_bits=bits)
        src = get_format(src_name)
        x = near_codes(src, (25, 5), seed=5)
        codes, scales = fp_to_mx(x, src, fmt)
        oracle = scalar(src)
        want = [quantize_block([oracle.value(int(c)) for c in row], fmt) for row in x]
        assert_codes(
            scales, [s for _, s in want], lambda i, x=x, s=src: f"{s.name}: {x[i].tolist()}"
        )
        flat = [c for block, _ in want for c in block]
        assert_codes(codes, flat, lambda i, x=x, s=src: f"{s.name}: {x[i // 5].tolist()}")


def test_fp_to_mx_is_quantize_of_the_values() -> None:
    bf16, mx = get_format("bf16"), get_format("mxfp8_e4m3", block_size=16)
    x = near_codes(bf16, (200, 16), seed=6)
    codes, scales = fp_to_mx(x, bf16, mx)
    q = quantize(decode(x, bf16), mx)
    np.testing.assert_array_equal(codes, q.codes)
    np.testing.assert_array_equal(scales, q.scales[:, 0])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("mx", MX_FORMATS, ids=label)
def test_mx_to_fp(mx: Mx, mode: str) -> None:
    rng = np.random.default_rng(7)
    for index, dst in enumerate(DESTINATIONS):
        fmt = Mx(element=mx.element, block_size=6, scale_bits=(8, 8, 4)[index % 3])
        codes = random_codes(mx.element, 180, 11).reshape(30, 6)
        bias = (1 << (fmt.scale_bits - 1)) - 1
        scales = rng.integers(0, 1 << fmt.scale_bits, 30)
        scales[:10] = np.clip(rng.integers(-8, 9, 10) + bias, 0, (1 << fmt.scale_bits) - 1)
        scales[10:13] = [0, (1 << fmt.scale_bits) - 1, (1 << fmt.scale_bits) - 2]
        values = [
            value
            for row, scale in zip(codes.tolist(), scales.tolist(), strict=True)
            for value in block_values(row, scale, fmt)
        ]
        for overflow in OVERFLOWS:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NanReplacedWarning)
                got = mx_to_fp(codes, scales, fmt, dst, rounding=mode, overflow=overflow)
            want = encode_all(values, dst, mode, overflow)
            assert_codes(
                got,
                want,
                lambda i, c=codes, s=scales, d=dst: (
                    f"{c.ravel()[i]:#x} * 2^({s[i // 6]} - bias) -> {d.name}"
                ),
            )


def test_there_and_back_is_dequantize() -> None:
    fp32, mx = get_format("fp32"), get_format("mxint8", block_size=8)
    x = np.random.default_rng(1).normal(size=(50, 8))
    q = quantize(x, mx)
    back = mx_to_fp(q.codes, q.scales[:, 0], mx, fp32)
    np.testing.assert_array_equal(decode(back, fp32), q.dequantize())


def test_a_nan_scale_is_nan_in_every_lane() -> None:
    mx, bf16 = get_format("mxint4", block_size=3), get_format("bf16")
    assert mx_to_fp([[0, 7, 9]], [255], mx, bf16).tolist() == [[0x7FC0] * 3]
    with pytest.warns(NanReplacedWarning, match="e6m5 has no NaN: 3 NaN became"):
        assert mx_to_fp([[0, 7, 9]], [255], mx, get_format("e6m5")).tolist() == [[0x7FF] * 3]


def test_scale_code_zero_is_two_to_the_minus_127() -> None:
    mx, fp32 = get_format("mxint8", block_size=1), get_format("fp32")
    assert mx_to_fp([[64]], [0], mx, fp32).tolist() == [[0x00400000]]  # 2^-127, subnormal
    assert mx_to_fp([[1]], [0], mx, fp32).tolist() == [[0x00010000]]  # 2^-133


@pytest.mark.parametrize("shape", [(4,), (2, 3), (1, 2, 4)])
def test_a_wrong_shape_is_named(shape: tuple[int, ...]) -> None:
    mx, bf16 = get_format("mxint8", block_size=4), get_format("bf16")
    with pytest.raises(FormatError) as caught:
        fp_to_mx(np.zeros(shape, dtype=int), bf16, mx)
    assert str(caught.value) == f"fp_to_mx: need codes of shape (n, 4), got {shape}"


@pytest.mark.parametrize(
    ("codes", "scales"), [((2, 3), (2,)), ((2, 4), (1,)), ((4,), (1,)), ((2, 4), (2, 1))]
)
def test_mx_to_fp_names_wrong_shapes(codes: tuple[int, ...], scales: tuple[int, ...]) -> None:
    mx, bf16 = get_format("mxint8", block_size=4), get_format("bf16")
    with pytest.raises(FormatError) as caught:
        mx_to_fp(np.zeros(codes, int), np.zeros(scales, int), mx, bf16)
    assert str(caught.value) == (
        f"mx_to_fp: need codes of shape (n, 4) and scales of shape (n,), got {codes} and {scales}"
    )


def test_codes_and_scales_wider_than_the_format_are_named() -> None:
    mx, bf16 = get_format("mxint4", block_size=2, scale_bits=5), get_format("bf16")
    with pytest.raises(FormatError, match=r"code 0x10 at \[0\]\[1\] does not fit.*4 bits"):
        mx_to_fp([[1, 16]], [3], mx, bf16)
    with pytest.raises(FormatError, match=r"mxint4 scale: code 0x20 at \[0\].*5 bits"):
        mx_to_fp([[1, 2]], [32], mx, bf16)
