"""Golden gives the same codes whatever mode the thread's floating-point unit is in."""

from __future__ import annotations

import ctypes
import ctypes.util
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from plena_cosim import golden
from plena_cosim.golden import float_environment
from plena_cosim.golden.float_environment import ExactnessError, rounds_to_nearest

BF16, FP32 = golden.get_format("bf16"), golden.get_format("fp32")

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64",
    reason="sets the control register of x86-64 by glibc's layout of fenv_t",
)

MODES = {"flush": 0x8040, "up": 0x4000, "down": 0x2000, "zero": 0x6000}
"""Bits of MXCSR: flush to zero with denormals are zero; rounding control."""

MXCSR_OFFSET = 28


@contextmanager
def floating_point_mode(mode: str) -> Iterator[None]:
    libm = ctypes.CDLL(ctypes.util.find_library("m"))
    saved, changed = ctypes.create_string_buffer(32), ctypes.create_string_buffer(32)
    libm.fegetenv(saved)
    libm.fegetenv(changed)
    register = ctypes.c_uint32.from_buffer(changed, MXCSR_OFFSET)
    register.value |= MODES[mode]
    libm.fesetenv(changed)
    try:
        yield
    finally:
        libm.fesetenv(saved)


TINY = np.array([1e-40, -3e-39, 1.0, 0.1], dtype=np.float32)
MX = golden.get_format("mxint8", block_size=2)
INT4 = golden.affine.AffineInt(bits=4, zero_point="int32")
E2M1 = golden.affine.ScaledFp(element="e2m1")
CODES = np.array([0x00000001, 0x80400000, 0x3F800000, 0x3DCCCCCD], dtype=np.uint32)
HALVES = np.array([0x0001, 0x3F80, 0xBF81, 0x4040], dtype=np.uint16)


def product() -> Any:
    x = golden.quantize(np.array([[0.1, 1e-38], [3.0, 2e-39]], dtype=np.float32), MX)
    w = golden.quantize(np.array([[0.7, 1.1], [1e-3, 5.0]]), MX, axis=0)
    return golden.ops.matmul(x, w, golden.HardwareConfig())


CALLS: dict[str, Callable[[], Any]] = {
    "encode": lambda: golden.encode(TINY, FP32),
    "encode float64": lambda: golden.encode([5e-324, 0.1], FP32, rounding="rup"),
    "decode": lambda: golden.decode(CODES, FP32).view(np.uint64),
    "quantize": lambda: golden.quantize(TINY, MX).codes,
    "scales": lambda: golden.quantize(TINY, MX).scales,
    "dequantize": lambda: golden.quantize(TINY, MX).dequantize(np.float32).view(np.uint32),
    "add": lambda: golden.ops.add(CODES, CODES[::-1], FP32),
    "mul": lambda: golden.ops.mul(CODES, CODES[::-1], FP32),
    "exp": lambda: golden.ops.exp(CODES, FP32),
    "table": lambda: golden.ops.exp(
        HALVES & 0xFF, golden.Minifloat(exp_bits=5, man_bits=2, bias=300)
    ),
    "matmul": product,
    "quantize_affine": lambda: golden.affine.quantize_affine(TINY, INT4).codes,
    "affine_scale": lambda: golden.affine.affine_scale(TINY, TINY, E2M1)[0].view(np.uint32),
    "dequantize_affine": lambda: golden.affine.dequantize_affine(([1, -3], TINY[0], 2), INT4).view(
        np.uint32
    ),
    "softmax": lambda: golden.ops.softmax(HALVES, 1, BF16, FP32),
    "rms_norm": lambda: golden.ops.rms_norm(HALVES, HALVES, 0x3727, BF16, FP32),
    "rope_tables": lambda: golden.ops.rope_tables(range(4), 4, BF16),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", CALLS)
def test_the_mode_changes_no_code(name: str, mode: str) -> None:
    with floating_point_mode(mode):
        found = CALLS[name]()
    np.testing.assert_array_equal(np.asarray(found), np.asarray(CALLS[name]()))


@pytest.mark.parametrize("mode", MODES)
def test_codes_are_those_of_exact_arithmetic(mode: str) -> None:
    unit = Fraction(2) ** -149
    with floating_point_mode(mode):
        codes = golden.encode(TINY[:2], FP32).tolist()
        total = golden.ops.add([0x00000001], [0x00000002], FP32).tolist()
    assert codes == [round(Fraction(1e-40) / unit), 1 << 31 | round(Fraction(3e-39) / unit)]
    assert total == [3]


@pytest.mark.parametrize("mode", MODES)
def test_the_thread_keeps_its_mode(mode: str) -> None:
    one, little, least = 1.0, 2.0**-60, sys.float_info.min

    def seen() -> tuple[bool, bool, bool]:
        return one + little == one, one - little == one, least * 0.5 != 0.0

    with floating_point_mode(mode):
        before = seen()
        golden.encode(TINY, FP32)
        assert seen() == before
        with pytest.raises(golden.FormatError):
            golden.encode([np.nan], golden.get_format("e2m1"), strict=True)
        assert seen() == before
    assert before != (True, True, True)
    assert rounds_to_nearest()


def test_where_the_mode_cannot_be_changed_golden_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(float_environment, "_library", lambda: (None, None))
    with floating_point_mode("flush"), pytest.raises(ExactnessError, match="flushes subnormal"):
        golden.encode(TINY, FP32)
    assert golden.encode([1.0], FP32).tolist() == [0x3F800000]


INTEGERS_ONLY = {"block_bytes", "pack_blocks", "unpack_blocks", "get_op", "neg", "abs"}


@pytest.mark.parametrize("name", sorted(golden.ops.__all__))
def test_every_operation_is_guarded(name: str) -> None:
    function = getattr(golden.ops, name)
    if callable(function) and not isinstance(function, type) and name not in INTEGERS_ONLY:
        assert function.__wrapped__.__name__ == name
