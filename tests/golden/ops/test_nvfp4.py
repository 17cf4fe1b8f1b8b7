"""fp_to_nvfp4 against Fraction, step by step, and against golden.blocks under the same t."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from plena_cosim.golden import FormatError, Minifloat, blocks, get_format
from plena_cosim.golden.ops import fp_to_nvfp4

from ..compare import assert_codes
from ..oracle import Real, exact, is_special, scalar

FP32, BF16, E2M1, E4M3 = (get_format(name) for name in ("fp32", "bf16", "e2m1", "e4m3"))
Codes = npt.NDArray[np.int64]


def divided(a: Real, b: Real) -> Real:
    """a / b as IEEE 754 has it, of which at most one is Inf, for a positive b."""
    if a == math.inf:
        return a
    if b == math.inf or exact(a) == 0:
        return math.copysign(0.0, a)
    return exact(a) / exact(b)


def times(a: Real, b: Real) -> Real:
    """a * b of a number that is not negative, perhaps Inf, and a positive one."""
    return a if a == math.inf else exact(a) * exact(b)


def block(
    x: list[int], t: int, src: Minifloat, fmt: Minifloat, element: Minifloat, scale: Minifloat
) -> tuple[list[int], int]:
    """The definition of docs/numerics.md, one rounding a step."""
    source, step, elem, group = (scalar(given) for given in (src, fmt, element, scale))

    def rounded(value: Real) -> Real:
        return step.value(step.encode(value, overflow="ieee"))

    values = [source.value(code) for code in x]
    unit = step.value(t)
    lost = any(map(is_special, values))
    cast = [rounded(value) for value in values if not is_special(value)]
    if lost or any(map(is_special, cast)) or is_special(unit) or unit <= 0:
        nan = group.encode(Fraction(10**200)) if group.nan is None else group.nan
        return [0] * len(x), nan
    amax = max(abs(exact(value)) for value in cast)
    share = rounded(amax / exact(elem.max_value))
    code = group.encode(rounded(times(share, unit)))
    divisor = rounded(divided(group.value(code), unit))
    if divisor == 0:
        return [0] * len(x), code
    return [elem.encode(rounded(divided(value, divisor))) for value in cast], code


def check(
    x: Codes, t: Codes, src: Minifloat, fmt: Minifloat, element: Minifloat, scale: Minifloat
) -> None:
    codes, scales = fp_to_nvfp4(x, t, src, fmt, element, scale)
    wanted = [
        block(row, unit, src, fmt, element, scale)
        for row, unit in zip(x.tolist(), t.tolist(), strict=True)
    ]
    lanes = x.shape[1]
    assert_codes(
        codes,
        [code for row, _ in wanted for code in row],
        lambda i: f"{[hex(c) for c in x[i // lanes]]} t {t[i // lanes]:#x}, lane {i % lanes}",
    )
    assert_codes(
        scales, [code for _, code in wanted], lambda i: f"{[hex(c) for c in x[i]]} t {t[i]:#x}"
    )


def near_ties(element: Minifloat, count: int, seed: int) -> tuple[Codes, Codes]:
    """fp32 blocks of 16 whose elements lie at midpoints times the scale, or a step beside."""
    rng = np.random.default_rng(seed)
    t = np.exp2(rng.uniform(-100, 100, count)).astype(np.float32)
    amax = (rng.uniform(0.01, 1, count) * 2688).astype(np.float32) / t
    rows = np.repeat(amax[:, None], 16, axis=1).view(np.uint32)
    _, scales = fp_to_nvfp4(rows, t.view(np.uint32), FP32, FP32, element)
    values = np.array([float(exact(scalar(E4M3).value(code))) for code in scales.tolist()])
    steps = values.astype(np.float32) / t
    magnitudes = [exact(scalar(element).value(code)) for code in range(element.max_code + 1)]
    middles = [float((low + high) / 2) for low, high in pairwise(magnitudes)]
    near = (steps[:, None] * rng.choice(middles, (count, 15))).astype(np.float32)
    codes = near.view(np.uint32).astype(np.int64) + rng.integers(-2, 3, near.shape)
    codes |= rng.integers(0, 2, near.shape) << 31
    return np.hstack([rows[:, :1].astype(np.int64), codes]), t.view(np.uint32).astype(np.int64)


@pytest.mark.parametrize("src", ["fp32", "bf16", "fp16", "e6m5"])
@pytest.mark.parametrize("fmt", ["fp32", "bf16", "fp16", "e6m5"])
def test_any_codes(src: str, fmt: str) -> None:
    source, step, rng = get_format(src), get_format(fmt), np.random.default_rng(1)
    for element, scale, lanes in ((E2M1, E4M3, 16), (get_format("e3m2"), get_format("e5m2"), 3)):
        x = rng.integers(0, 1 << source.width_bits, (60, lanes))
        exponents = rng.integers(-3, 4, (60, lanes)) + (source.bias_value - 3)
        tame = exponents << source.man_bits | x & ((1 << source.man_bits) - 1)
        x = np.where(rng.random((60, 1)) < 0.8, tame | x & source.sign_mask, x)
        t = rng.integers(0, 1 << step.width_bits, 60)
        usual = (step.bias_value + rng.integers(2, 13, 60)) << step.man_bits
        t = np.where(rng.random(60) < 0.8, usual | t & ((1 << step.man_bits) - 1), t)
        check(x, t, source, step, element, scale)


def test_beside_ties_of_elements() -> None:
    for seed, element in enumerate((E2M1, get_format("e3m2"))):
        x, t = near_ties(element, 250, seed)
        check(x, t, FP32, FP32, element, E4M3)


def test_the_quotient_is_rounded_before_the_element() -> None:
    """A quotient just beside a midpoint becomes that midpoint, which then is a tie."""
    x, t = near_ties(E2M1, 400, 7)
    codes, _ = fp_to_nvfp4(x, t, FP32)
    once = 0
    for row, unit, found in zip(x.tolist(), t.tolist(), codes.tolist(), strict=True):
        scale = fp_to_nvfp4([row], [unit], FP32)[1][0]
        step = scalar(FP32)
        unrounded = exact(scalar(E4M3).value(int(scale))) / exact(step.value(unit))
        divisor = exact(step.value(step.encode(unrounded)))
        once += any(
            scalar(E2M1).encode(exact(step.value(code)) / divisor) != element
            for code, element in zip(row, found, strict=True)
        )
    assert once > 20


@pytest.mark.parametrize("exponent", [0, -130, 100, -60])
def test_equals_blocks_under_their_t(exponent: int) -> None:
    rng = np.random.default_rng(2)
    spread = np.exp2(exponent + rng.integers(-9, 9, (50, 1)))
    x = (rng.standard_normal((50, 64)) * spread).astype(np.float32)
    x[0, 3], x[1, 5] = np.nan, -np.inf
    quantised = blocks.quantize(x, "nvfp4")
    t = np.full(200, quantised.tensor_scale).view(np.uint32)
    codes, scales = fp_to_nvfp4(x.reshape(-1, 16).view(np.uint32), t, "fp32")
    np.testing.assert_array_equal(codes, quantised.codes.reshape(-1, 16))
    np.testing.assert_array_equal(scales, quantised.scales.ravel())


def test_specials_and_zeros() -> None:
    one = 0x3F800000
    for code in (0, 0x80000000, 0xBF800000, 0x7F800000, 0x7FC00000):  # no t
        assert [part.tolist() for part in fp_to_nvfp4([[one, one]], [code], "fp32")] == [
            [[0, 0]],
            [0x7F],
        ]
    codes, scales = fp_to_nvfp4([[one, 0x7F800000], [0x80000000, 0]], [one, one], "fp32")
    assert codes.tolist() == [[0, 0], [0, 0]]
    assert scales.tolist() == [0x7F, 0]
    codes, _ = fp_to_nvfp4([[one, 0x80000000]], [0x43E00000], "fp32")
    assert codes.tolist() == [[7, 8]]  # -0 stays
    assert fp_to_nvfp4([[0x7C00]], [one], "fp16", scale="e3m2")[1].tolist() == [0x1F]  # no NaN


@pytest.mark.parametrize(
    ("x", "t", "element", "says"),
    [
        (np.zeros(4, int), [0], "e2m1", r"need codes of shape \(n, lanes\).*got \(4,\) and \(1,\)"),
        (np.zeros((2, 4), int), [0], "e2m1", r"got \(2, 4\) and \(1,\)"),
        (np.zeros((1, 0), int), [0], "e2m1", r"got \(1, 0\) and \(1,\)"),
        (np.zeros((1, 4), int), [0], "e5m2", "an element has -0 and no Inf, such as e2m1; got"),
        (np.full((1, 4), 1 << 16), [0], "e2m1", r"bf16: code 0x10000 at \[0\]\[0\] does not fit"),
    ],
)
def test_errors(x: Codes, t: list[int], element: str, says: str) -> None:
    with pytest.raises(FormatError, match=says):
        fp_to_nvfp4(x, t, BF16, element=element)
