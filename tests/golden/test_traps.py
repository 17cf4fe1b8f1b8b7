"""Traps that other quantisers fall into, one test each, in the order of the project's numerics.

Expected codes are worked out by hand from the definitions, so that a test can be read by itself.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from plena_cosim.golden import FixedPoint, HardwareConfig, decode, encode, get_format, quantize
from plena_cosim.golden.mx import decode_scale
from plena_cosim.golden.ops import add, matmul, mx_dot, mx_to_fp

BF16, FP32 = get_format("bf16"), get_format("fp32")
E2M1, E4M3, E5M2 = get_format("e2m1"), get_format("e4m3"), get_format("e5m2")
ROUNDED_LOG2 = [(k, 2.0**k * (1 - 2.0**-24), 2.0**k * (1 + 2.0**-23)) for k in range(-125, 128)]


def scale_exp(x: float, name: str, dtype: type = np.float32, **fields: object) -> int:
    """Scale exponent of a block that holds x alone."""
    mx = get_format(name, block_size=1, **fields)
    return int(quantize(np.array([x], dtype=dtype), mx).scales[0]) - 127


def test_trap_01_log2_rounds_at_powers_of_two() -> None:
    assert np.floor(np.log2(np.float32(8 * (1 - 2**-24)))) == 3  # the trap
    assert scale_exp(8 * (1 - 2**-24), "mxint8") == 2
    for k, below, above in ROUNDED_LOG2:
        for dtype in (np.float32, np.float64):
            assert scale_exp(below, "mxint8", dtype) == k - 1
            assert scale_exp(2.0**k, "mxint8", dtype) == k
            assert scale_exp(2.0**k, "mxint8", dtype, scale_rule="ceil") == k
            assert scale_exp(below, "mxint8", dtype, scale_rule="ceil") == k
            assert scale_exp(above, "mxint8", dtype, scale_rule="ceil") == min(k + 1, 127)
            assert scale_exp(above, "mxint8", dtype, scale_rule="mase") == k


def test_trap_02_powers_of_two_are_exact() -> None:
    mx = get_format("mxint8", block_size=1)
    values = decode_scale(np.arange(256), mx)
    assert math.isnan(values[255])
    assert [Fraction(v) for v in values[:255]] == [Fraction(2) ** (s - 127) for s in range(255)]
    assert quantize([2.0**127], mx).dequantize()[0] == 2.0**127
    assert quantize([2.0**127], mx).dequantize(np.float32).tobytes() == b"\x00\x00\x00\x7f"


@pytest.mark.parametrize("x", [65504.0, 32768.0, 40000.0, 0.999512, 2.0**-24, 6e-8])
def test_trap_03_half_precision_input_takes_the_same_scale(x: float) -> None:
    half = np.array([x, 1.0], dtype=np.float16)
    for name in ("mxint8", "mxfp4_e2m1", "mxfp8_e4m3"):
        mx = get_format(name, block_size=2)
        a, b = quantize(half, mx), quantize(half.astype(np.float64), mx)
        assert (a.codes.tolist(), a.scales.tolist()) == (b.codes.tolist(), b.scales.tolist())
        assert np.isfinite(a.dequantize()).all()


def test_trap_04_no_double_rounding_through_fp32() -> None:
    epsilon = 2.0**-40
    assert decode(encode(2.5 + epsilon, E2M1), E2M1) == 3
    assert decode(encode(2.5, E2M1), E2M1) == 2
    assert decode(encode(17 + epsilon, E4M3), E4M3) == 18
    assert decode(encode(17 - epsilon, E4M3), E4M3) == 16
    assert decode(encode(17, E4M3), E4M3) == 16
    q = quantize(np.array([4.0, 2.5 + epsilon]), get_format("mxfp4_e2m1", block_size=2))
    assert q.dequantize().tolist() == [4.0, 3.0]


def test_trap_05_a_rounding_carry_bumps_the_exponent() -> None:
    assert decode(encode([1.9, -1.9, 3.9, 5.9], E2M1), E2M1).tolist() == [2, -2, 4, 6]
    assert encode(1.99, BF16) == 0x3FFF
    assert encode(1.999, BF16) == 0x4000
    assert encode(255.9, E4M3) == 0x78  # 256


def test_trap_06_subnormals_are_on_the_grid() -> None:
    assert encode([0.5, 0.25, 0.26, 0.75, 0.74], E2M1).tolist() == [1, 0, 1, 2, 1]
    least = 2.0**-9
    assert encode([least, 7.5 * least, 7.4 * least, 0.5 * least], E4M3).tolist() == [1, 8, 7, 0]
    assert decode([1, 7, 8], E4M3).tolist() == [least, 7 * least, 8 * least]
    assert encode(2.0**-126 * (1 - 2.0**-9), BF16) == 0x0080  # rounds to the smallest normal


def test_trap_07_scale_code_zero_and_tiny_blocks() -> None:
    mx = get_format("mxint8", block_size=1)
    assert mx_to_fp([[64]], [0], mx, FP32).tolist() == [[1 << 22]]  # 2^-127, not its half
    assert quantize(np.float32([2.0**-127]), mx).scales.tolist() == [0]
    for x in (2.0**-149, 2.0**-130, 2.0**-126):  # fp32 subnormals: multiples of 2^-133 survive
        q = quantize(np.float32([x]), mx)
        assert q.dequantize()[0] == (x if x >= 2.0**-133 else 0)
    for x in (1e-12, 1e-30):  # no "+ 1e-9"
        value = quantize(np.float32([x]), mx).dequantize()[0]
        assert 0.99 < value / x < 1.01
    assert quantize(np.float32([1e-30, 0]), get_format("mxfp4_e2m1", block_size=2)).scales == 25


def test_trap_08_blocks_stay_in_their_row() -> None:
    mx = get_format("mxint8", block_size=4)
    x = np.ones((3, 6), dtype=np.float32)
    x[0, 4:] = 100.0
    q = quantize(x, mx)
    assert q.scales.tolist() == [[127, 133], [127, 127], [127, 127]]
    for batch in (x[1:2], x[1:], x[[1, 0, 0, 2]]):
        assert quantize(batch, mx).codes[0].tolist() == q.codes[1].tolist()
    assert quantize(x.T, mx, axis=0).scales.T.tolist() == q.scales.tolist()


def test_trap_09_a_maximum_of_exactly_two_to_the_k() -> None:
    for k in (-3, 0, 5):
        x = [2.0**k]
        floor = quantize(x, get_format("mxint4", block_size=1))
        mase = quantize(x, get_format("mxint4", block_size=1, scale_rule="mase"))
        assert floor.dequantize().tolist() == x
        assert mase.dequantize().tolist() == [0.875 * 2.0**k]


def test_trap_10_twos_complement_and_all_ones_exponents() -> None:
    q = quantize([1.0, -1.0, -0.25], get_format("mxint4", block_size=3))
    assert q.codes.tolist() == [0b0100, 0b1100, 0b1111]
    assert decode(0b1000, get_format("mxint4").element) == -2.0
    assert decode(0x78, E4M3) == 256.0  # a number in E4M3
    assert decode(0x7E, E4M3) == 448.0
    assert math.isnan(decode(0x7F, E4M3))
    assert decode(0x7C, E5M2) == math.inf
    assert math.isnan(decode(0x7D, E5M2))
    assert decode(0b0111, E2M1) == 6.0  # a number in E2M1
    assert decode(0x7FF, get_format("e6m5")) == 1.96875 * 2.0**32


def test_trap_11_wrap_or_saturate_is_a_choice() -> None:
    wrap = FixedPoint(int_bits=16, frac_bits=16, wrap=True)
    saturate = get_format("q16.16")
    assert decode(encode(2.0**15, wrap), wrap) == -32768.0
    assert decode(encode(2.0**15, saturate), saturate) == 32768 - 2.0**-16
    mx = get_format("mxint8", block_size=1)
    steps = ([[64]] * 3, [141] * 3, [[64]] * 3, [127] * 3, [1, 0, 0], mx, mx)  # 3 times 2^14
    assert decode(mx_dot(*steps, wrap), wrap).tolist() == [16384, -32768, -16384]
    assert decode(mx_dot(*steps, saturate), saturate).tolist()[1:] == [32768 - 2.0**-16] * 2
    x, w = quantize([[2.0**14] * 3], mx), quantize([[1.0]] * 3, mx, axis=0)
    for acc, want in ((wrap, -16384.0), (saturate, 32768.0)):
        hw = HardwareConfig(accumulator_format=acc)
        assert decode(matmul(x, w, hw), BF16).item() == want


def test_trap_12_largest_values_and_e_max() -> None:
    assert (E4M3.max_value, E4M3.emax) == (448.0, 8)
    assert (E5M2.max_value, E5M2.emax) == (57344.0, 15)
    assert scale_exp(1.0, "mxfp8_e4m3") == -8
    assert scale_exp(1.0, "mxfp8_e5m2") == -15
    assert scale_exp(1.0, "mxfp4_e2m1") == -2
    assert scale_exp(1.0, "mxint8") == 0
    assert add(0x7E, 0x7E, E4M3) == 0x7E
