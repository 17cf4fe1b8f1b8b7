"""MX quantisation by the definition, against exact rational arithmetic."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from plena_cosim import golden
from plena_cosim.golden import FixedPoint, FormatError, Minifloat, Mx, get_format, quantize
from plena_cosim.golden.mx import quantize_blocks, scale_exponent

from .compare import assert_arrays, assert_codes
from .mx_oracle import block_values, fraction_bits, quantize_block, scale_exp
from .oracle import MODES, RULES, exact, floor_log2, is_special, pow2, real, scalar
from .samples import MX_FORMATS, label

FULL_RANGE = tuple(get_format(f"mxint{w}", symmetric=False) for w in (2, 3, 4, 8, 16))
UNNAMED = (
    get_format("mxfp4_e3m0"),
    get_format("mxfp2_e1m0"),
    get_format("mxfp16_e5m10"),
    get_format("mxfp12_e4m7"),
    Mx(element=Minifloat(exp_bits=4, man_bits=3, bias=130)),
    get_format("mxfp8_e4m3fnuz"),
    get_format("mxfp8_e5m2fnuz"),
)
ALL_MX = (*MX_FORMATS, *FULL_RANGE, *UNNAMED)


def nasty_magnitudes() -> list[float]:
    """Powers of two and their neighbours in fp32 and fp64, subnormals, the largest numbers."""
    exps = [*range(-20, 20), *range(-149, -120), *range(120, 128), -64, -65, 64, 65, -100, 100]
    exps += [-1074, -1073, -1022, -1021, -300, 300, 1023]
    found = []
    for exp in exps:
        base = math.ldexp(1.0, exp)
        found += [base, base * (1 + 2**-23), base * (1 - 2**-24), base * 1.5, base * 1.75]
        found += [math.nextafter(base, 0), math.nextafter(base, math.inf), base * 1.875]
        found += [base * 1.1875, base * (1.1875 - 2**-52), base * (1.1875 - 2**-24), base * 1.125]
        found += [base * 1.9375, base * (2 - 2**-4), base * (2 - 2**-5), base * 1.25]
    found += [3.4028234663852886e38, 1.7976931348623157e308, 5e-324, 1.1754942e-38, 0.1, 8 / 3]
    return sorted({x for x in found if 0 < x < math.inf})


NASTY = nasty_magnitudes()


def variants(mx: Mx) -> list[Mx]:
    return [
        get_format_like(mx, scale_rule=rule, scale_bits=bits)
        for rule in RULES
        for bits in range(2, 9)
    ]


def get_format_like(mx: Mx, **fields: object) -> Mx:
    keys = ("element", "block_size", "scale_bits", "scale_rule", "symmetric", "rounding", "name")
    return Mx(**({key: getattr(mx, key) for key in keys} | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize("mx", ALL_MX, ids=label)
def test_scale_rules_on_nasty_magnitudes(mx: Mx) -> None:
    largest = exact(scalar(mx.element).max_value)
    own = [largest * pow2(k) for k in (-140, -127, -3, 0, 1, 90)]
    own += [x * f for x in own for f in (1 + Fraction(1, 2**40), 1 - Fraction(1, 2**40))]
    magnitudes = sorted({*NASTY, *(float(x) for x in own)})
    for rule in RULES:
        wide = get_format_like(mx, scale_rule=rule)
        exps = {x: scale_exp(Fraction(x), wide) for x in magnitudes}
        for bits in range(2, 9):
            narrow = get_format_like(mx, scale_rule=rule, scale_bits=bits)
            bias = (1 << (bits - 1)) - 1
            high = 127 if bits == 8 else (1 << bits) - 1 - bias
            want = [max(-bias, min(high, exps[x])) for x in magnitudes]
            got = scale_exponent(np.array([0.0, *magnitudes]), narrow)
            assert_codes(
                got,
                [-bias, *want],
                lambda i, r=rule, b=bits: f"{r}, S={b}: amax {([0.0, *magnitudes][i]).hex()}",
            )


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", ["mxint4", "mxint8", "mxfp4_e2m1", "mxfp8_e4m3", "mxfp8_e5m2"])
def test_every_fp32_exponent_with_the_fractions_around_each_threshold(name: str, rule: str) -> None:
    mx = get_format(name, block_size=1, scale_rule=rule)
    fractions = {0, 1, 2, 0x3FFFFF, 0x400000, 0x400001, 0x600000, 0x700000, 0x77FFFF, 0x780000}
    fractions |= {0x17FFFF, 0x180000, 0x180001, 0x1FFFFF, 0x100000, 0x140000}
    fractions |= {0x7FBFFF, 0x7FC000, 0x7FC001, 0x7BFFFE, 0x7C0001}
    fractions |= {0x7FFFFE, 0x7FFFFF, 0x6FFFFF, 0x600001, 0x7BFFFF, 0x7C0000, 0x7EFFFF, 0x7F0000}
    patterns = (np.arange(255)[:, None] << 23 | np.array(sorted(fractions))).astype(np.uint32)
    values = patterns.ravel().view(np.float32)
    want = [quantize_block([real(float(x))], mx) for x in values]
    q = quantize(values[:, None], mx)
    assert_codes(q.scales, [s for _, s in want], lambda i: float(values[i]).hex())
    assert_codes(q.codes, [c[0] for c, _ in want], lambda i: float(values[i]).hex())


def random_blocks(count: int, size: int, seed: int) -> npt.NDArray[np.float64]:
    """Blocks of very different kinds: Gaussian, wide, ties, nasty, zeros, special values."""
    rng = np.random.default_rng(seed)
    gaussian = rng.normal(size=(count, size))
    wide = np.ldexp(rng.uniform(-2, 2, (count, size)), rng.integers(-140, 128, (count, size)))
    ties = rng.integers(-64, 65, (count, size)) * np.ldexp(1.0, rng.integers(-9, 1, (count, 1)))
    nasty = rng.choice(NASTY, (count, size)) * rng.choice([-1, 1], (count, size))
    zeros = np.where(rng.random((count, size)) < 0.7, -0.0, rng.normal(size=(count, size)))
    special = np.where(
        rng.random((count, size)) < 0.2, rng.choice([np.inf, -np.inf, np.nan], (count, size)), ties
    )
    nothing = np.where(rng.random((2, size)) < 0.5, 0.0, -0.0)
    only_special = rng.choice([np.inf, -np.inf, np.nan, 0.0], (2, size))
    kinds = [gaussian, wide, ties, nasty, zeros, special, nothing, only_special]
    return np.concatenate(kinds)


def assert_blocks(blocks: npt.NDArray[np.float64], mx: Mx, seed: int = 0) -> None:
    size = blocks.shape[1]
    want = [
        quantize_block([real(x) for x in row], mx, seed, index * size)
        for index, row in enumerate(blocks.tolist())
    ]
    q = quantize(blocks, get_format_like(mx, block_size=size), seed=seed)
    assert_codes(q.scales, [s for _, s in want], lambda i: f"{mx}: {blocks[i]}")
    assert_codes(
        q.codes,
        [code for codes, _ in want for code in codes],
        lambda i: f"{mx}: element {i % size} of {blocks[i // size]}",
    )
    assert q.has_special == (not np.isfinite(blocks).all())


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("mx", ALL_MX, ids=label)
def test_blocks_against_fractions(mx: Mx, rule: str) -> None:
    blocks = random_blocks(4, 5, seed=41)
    assert_blocks(blocks, get_format_like(mx, scale_rule=rule))
    assert_blocks(blocks, get_format_like(mx, scale_rule=rule, scale_bits=4))


@pytest.mark.parametrize("mode", [*MODES, "stochastic"])
@pytest.mark.parametrize("name", ["mxint4", "mxint8", "mxfp4_e2m1", "mxfp8_e4m3", "mxfp4_e3m0"])
def test_every_rounding_mode(name: str, mode: str) -> None:
    blocks = random_blocks(8, 7, seed=43)
    for bits in (8, 5, 2):
        assert_blocks(blocks, get_format(name, rounding=mode, scale_bits=bits), seed=-3)
    assert_blocks(blocks, get_format(name, rounding=mode, scale_rule="even"), seed=2**70 + 1)


@pytest.mark.parametrize("mx", ALL_MX, ids=label)
def test_dequantize_is_code_times_scale(mx: Mx) -> None:
    rng = np.random.default_rng(2)
    for bits in (8, 3):
        narrow = get_format_like(mx, block_size=4, scale_bits=bits)
        codes = rng.integers(0, 1 << mx.element.width_bits, (20, 4))
        scales = rng.integers(0, 1 << bits, (20, 1))
        scales[:3, 0] = [0, (1 << bits) - 1, (1 << bits) - 2]
        values = golden.MxArray(codes=codes, scales=scales, mx=narrow, axis=1).dequantize()
        want = [
            [float(x) for x in block_values(row, int(scale[0]), narrow)]
            for row, scale in zip(codes.tolist(), scales, strict=True)
        ]
        np.testing.assert_array_equal(values, want)
        number = ~np.isnan(values)
        np.testing.assert_array_equal(np.signbit(values)[number], np.signbit(want)[number])


@pytest.mark.parametrize("mode", ["rne", "rup", "rdown", "stochastic"])
@pytest.mark.parametrize("bias", [512, 130, -256])
def test_far_biases_reach_into_float64_s_own_ends(bias: int, mode: str) -> None:
    element = Minifloat(exp_bits=5, man_bits=2, bias=bias)
    rng = np.random.default_rng(45)
    centre = np.array([-1074, -900, -801, -800, -799, -640, -400, -250, -130, 0, 127, 300, 1020])
    exps = np.clip(centre[:, None] + rng.integers(-4, 4, (13, 5)), -1074, 1020)
    blocks = np.ldexp(rng.uniform(-2, 2, (13, 5)), exps)
    blocks = np.concatenate([blocks, blocks * rng.choice([1, 2.0**-300, 0], blocks.shape)])
    for rule in ("floor", "rceil"):
        assert_blocks(blocks, Mx(element=element, rounding=mode, scale_rule=rule), seed=1)


def test_dequantize_rounds_once_to_a_narrower_dtype() -> None:
    q = quantize([[1.0, 0.3]], get_format("mxint8", block_size=2))
    for dtype in (np.float16, np.float32, ml_dtypes.bfloat16):
        assert q.dequantize(dtype).dtype == dtype
        np.testing.assert_array_equal(q.dequantize(dtype).astype(float), q.dequantize())


# --- idempotence ---------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["floor", "ceil", "even", "rceil"])
@pytest.mark.parametrize("mx", [*MX_FORMATS, *UNNAMED], ids=label)
def test_quantising_twice_changes_nothing(mx: Mx, rule: str) -> None:
    rng = np.random.default_rng(51)
    blocks = random_blocks(300, 6, seed=50)
    blocks = blocks[np.isfinite(blocks).all(axis=1)]
    grid = rng.integers(-200, 201, (4000, 6)) / 64
    for bits in (8, 4, 2):
        fmt = get_format_like(mx, block_size=6, scale_rule=rule, scale_bits=bits)
        for x in (blocks, grid):
            once = quantize(x, fmt).dequantize()
            twice = quantize(once, fmt).dequantize()
            wrong = np.flatnonzero((once != twice).any(axis=1))
            assert not wrong.size, f"{x[wrong[0]]} -> {once[wrong[0]]} -> {twice[wrong[0]]}"


def test_codes_may_differ_where_values_do_not() -> None:
    """A negative that underflows at the smallest scale keeps its sign once, in an all-zero block
    not twice; and `ceil` takes a smaller scale when amax rounds down to a power of two."""
    mx = get_format("mxfp4_e2m1", block_size=1)
    once = quantize([-1e-45], mx)
    assert (once.codes.tolist(), once.scales.tolist()) == ([8], [0])
    assert quantize(once.dequantize(), mx).codes.tolist() == [0]
    mx = get_format("mxint4", block_size=1, scale_rule="ceil")
    once = quantize([0.51], mx)
    assert (once.codes.tolist(), once.scales.tolist()) == ([2], [127])
    twice = quantize(once.dequantize(), mx)
    assert (twice.codes.tolist(), twice.scales.tolist()) == ([4], [126])


def test_floor_with_the_full_range_is_not_idempotent_smallest_case() -> None:
    """-1.5 becomes -2, which moves the next scale, where 1 is a tie that goes to 0."""
    mx = get_format("mxint2", block_size=2, symmetric=False)
    once = quantize([-1.5, 1.0], mx)
    twice = quantize(once.dequantize(), mx)
    assert (once.codes.tolist(), once.scales.tolist()) == ([2, 1], [127])
    assert once.dequantize().tolist() == [-2.0, 1.0]
    assert (twice.codes.tolist(), twice.scales.tolist()) == ([3, 0], [128])
    assert twice.dequantize().tolist() == [-2.0, 0.0]


def test_mase_is_not_idempotent_smallest_case() -> None:
    """MXINT2 halves 1.0 every time; in MXINT4 a power of two that came from rounding is clipped."""
    x, seen = np.array([1.0]), []
    for _ in range(4):
        x = quantize(x, get_format("mxint2", block_size=1, scale_rule="mase")).dequantize()
        seen.append(x[0])
    assert seen == [0.5, 0.25, 0.125, 0.0625]
    mx = get_format("mxint4", block_size=1, scale_rule="mase")
    assert quantize([0.5625], mx).dequantize().tolist() == [0.5]
    assert quantize([0.5], mx).dequantize().tolist() == [0.4375]


def keeps_its_top_under_clip(mx: Mx) -> bool:
    """Whether no amax from 19/16 on rounds below that, nor is the largest element below it."""
    element = scalar(mx.element)
    largest = exact(element.max_value)
    return fraction_bits(mx) >= 2 and largest / pow2(floor_log2(largest)) >= Fraction(19, 16)


@pytest.mark.parametrize("mx", [*MX_FORMATS, *FULL_RANGE, *UNNAMED], ids=label)
def test_clip_is_idempotent_exactly_with_two_fraction_bits_and_a_top_above(mx: Mx) -> None:
    blocks = random_blocks(300, 6, seed=50)
    blocks = blocks[np.isfinite(blocks).all(axis=1)]
    grid = np.random.default_rng(52).integers(-200, 201, (4000, 6)) / 64
    fmt = get_format_like(mx, block_size=6, scale_rule="clip")
    once = [quantize(x, fmt).dequantize() for x in (blocks, grid)]
    twice = [quantize(x, fmt).dequantize() for x in once]
    same = all(np.array_equal(x, y) for x, y in zip(once, twice, strict=True))
    assert same == keeps_its_top_under_clip(mx)


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("mx", [*MX_FORMATS, *UNNAMED], ids=label)
def test_floor_holds_what_clip_made(mx: Mx, mode: str, bits: int) -> None:
    blocks = random_blocks(60, 6, seed=53)
    blocks = blocks[np.isfinite(blocks).all(axis=1)]
    fields = {"block_size": 6, "rounding": mode, "scale_bits": bits}
    once = quantize(blocks, get_format_like(mx, scale_rule="clip", **fields)).dequantize()
    again = quantize(once, get_format_like(mx, scale_rule="floor", **fields)).dequantize()
    np.testing.assert_array_equal(once, again)


def test_clip_is_not_idempotent_smallest_cases() -> None:
    """MXINT2 halves all every time; MXINT3 and E2M1 round amax down to a power of two first."""
    for name, first, seen in (
        ("mxint2", 1.0, [0.5, 0.25, 0.125]),
        ("mxint3", 1.25, [1.0, 0.75, 0.75]),
        ("mxfp4_e2m1", 4.75, [4.0, 3.0, 3.0]),
    ):
        x, mx = np.array([first]), get_format(name, block_size=1, scale_rule="clip")
        for want in seen:
            x = quantize(x, mx).dequantize()
            assert x[0] == want, name


def test_clip_gives_up_the_largest_for_finer_others() -> None:
    mx = get_format("mxint4", block_size=4, scale_rule="clip")
    below, at = np.nextafter(np.float32(1.1875), np.float32(0)), np.float32(1.1875)
    for dtype in (np.float32, np.float64):
        clipped = quantize(np.array([below, -1.0, 0.35, -0.1], dtype=dtype), mx)
        assert clipped.dequantize().tolist() == [0.875, -0.875, 0.375, -0.125]
        whole = quantize(np.array([at, -1.0, 0.35, -0.1], dtype=dtype), mx)
        assert whole.dequantize().tolist() == [1.25, -1.0, 0.25, 0.0]


def test_clip_errs_less_than_floor_on_gaussian_mxint4_as_documented() -> None:
    """The figures of docs/numerics.md: sigma anywhere in a binade, squared error by sigma^2.

    They are given to 0.01 %, and the mean of 2^14 blocks has a standard error of 0.008 % at most.
    """
    rng = np.random.default_rng(54)
    sigma = np.exp2(rng.random((1 << 14, 1)))
    x = rng.standard_normal((1 << 14, 32)) * sigma
    for rule, percent in (("floor", 1.62), ("clip", 1.38)):
        error = (quantize(x, get_format("mxint4", scale_rule=rule)).dequantize() - x) / sigma
        assert abs(100 * np.mean(error**2) - percent) < 0.03


@pytest.mark.parametrize("mx", [f for f in ALL_MX if f.symmetric], ids=label)
def test_symmetric_formats_are_odd_functions(mx: Mx) -> None:
    blocks = random_blocks(20, 6, seed=60)
    blocks = blocks[np.isfinite(blocks).all(axis=1)]
    for rule in RULES:
        fmt = get_format_like(mx, block_size=6, scale_rule=rule)
        np.testing.assert_array_equal(
            quantize(-blocks, fmt).dequantize(), -quantize(blocks, fmt).dequantize()
        )


@pytest.mark.parametrize("mx", ALL_MX, ids=label)
def test_rceil_never_clips_and_no_smaller_scale_would_do(mx: Mx) -> None:
    fmt = get_format_like(mx, scale_rule="rceil")
    largest = exact(scalar(mx.element).max_value)
    for x in NASTY:
        exp = int(scale_exponent(np.array([x]), fmt)[0])
        assert exp == 127 or Fraction(x) <= largest * pow2(exp)
        assert exp == -127 or Fraction(x) > largest * pow2(exp - 1)


# --- shapes, axes, dtypes ------------------------------------------------------------------------

SMALL_FLOATS = st.floats(-1e3, 1e3, width=32)
SHAPES = hnp.array_shapes(min_dims=1, max_dims=4, max_side=7)
FORMATS = st.sampled_from(["mxint4", "mxint8", "mxfp4_e2m1", "mxfp8_e4m3", "mxint12"])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_axis_equals_the_transposed_array(data: st.DataObject) -> None:
    x = data.draw(hnp.arrays(np.float32, SHAPES, elements=SMALL_FLOATS))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    mx = get_format(data.draw(FORMATS), block_size=data.draw(st.integers(1, 9)))
    q = quantize(x, mx, axis)
    assert q.shape == q.codes.shape == x.shape
    assert q.axis == axis % x.ndim
    blocks = -(-x.shape[axis] // mx.block_size)
    assert q.scales.shape == tuple(
        blocks if i == axis % x.ndim else n for i, n in enumerate(x.shape)
    )
    moved = quantize(np.ascontiguousarray(np.moveaxis(x, axis, -1)), mx)
    np.testing.assert_array_equal(np.moveaxis(q.codes, axis, -1), moved.codes)
    np.testing.assert_array_equal(np.moveaxis(q.scales, axis, -1), moved.scales)
    np.testing.assert_array_equal(np.moveaxis(q.dequantize(), axis, -1), moved.dequantize())


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_each_row_is_its_own_blocks_whatever_the_batch(data: st.DataObject) -> None:
    rows, length = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 40))
    x = data.draw(hnp.arrays(np.float32, (rows, length), elements=SMALL_FLOATS))
    size = data.draw(st.integers(1, 33))
    mx = get_format(data.draw(FORMATS), block_size=size)
    q = quantize(x, mx)
    for row, first in itertools.product(range(rows), range(0, length, size)):
        block = [real(float(v)) for v in x[row, first : first + size]]
        codes, scale = quantize_block(block, mx)  # a ragged tail is a short block
        assert q.codes[row, first : first + size].tolist() == codes
        assert q.scales[row, first // size] == scale


@settings(max_examples=100, deadline=None)
@given(
    hnp.arrays(np.uint16, hnp.array_shapes(max_dims=2, max_side=40)),
    FORMATS,
    st.sampled_from(["float16", "bfloat16"]),
)
def test_half_dtypes_widen_exactly(bits: npt.NDArray[np.uint16], name: str, dtype: str) -> None:
    x = bits.view(np.float16 if dtype == "float16" else ml_dtypes.bfloat16)
    with np.errstate(invalid="ignore"):
        wide = x.astype(np.float64)
    mx = get_format(name, block_size=8)
    assert_arrays(quantize(x, mx), quantize(wide, mx), dtype)


def test_fp64_is_rounded_from_fp64() -> None:
    mx = get_format("mxfp4_e2m1", block_size=2)
    assert quantize(np.array([4.0, 2.5 + 2**-40]), mx).dequantize().tolist() == [4.0, 3.0]
    assert quantize(np.array([4.0, 2.5], dtype=np.float32), mx).dequantize().tolist() == [4.0, 2.0]


def test_integers_and_booleans_are_numbers() -> None:
    mx = get_format("mxint8", block_size=4)
    assert quantize([1, -2, 3, 0], mx).dequantize().tolist() == [1, -2, 3, 0]
    assert quantize([True, False], mx).dequantize().tolist() == [1, 0]


def test_byte_order_and_strides_do_not_matter() -> None:
    x = np.random.default_rng(0).normal(size=(6, 64)).astype(np.float32)
    mx = get_format("mxint6")
    for other in (x.astype(">f4"), np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2]):
        assert_arrays(quantize(other, mx), quantize(x, mx), "strides")


def test_the_input_is_not_written() -> None:
    x = np.random.default_rng(0).normal(size=(4, 64)).astype(np.float32)
    before = x.copy()
    x.flags.writeable = False
    for name in ("mxint8", "mxfp4_e2m1", "mxint16"):
        quantize(x, get_format(name))
    np.testing.assert_array_equal(x, before)


def test_stochastic_bits_follow_the_position_in_the_padded_array() -> None:
    mx = get_format("mxint4", block_size=4, rounding="stochastic")
    x = np.random.default_rng(3).normal(size=(5, 6))
    padded = np.zeros((5, 8))
    padded[:, :6] = x
    whole = quantize(padded, mx, seed=9)
    np.testing.assert_array_equal(quantize(x, mx, seed=9).codes, whole.codes[:, :6])
    np.testing.assert_array_equal(
        quantize(x.T, mx, axis=0, seed=9).codes.T, quantize(x, mx, seed=9).codes
    )
    many = np.full((40_000, 4), 0.3)  # more than one piece of `quantize`
    many[:, 0] = 1.0
    blocks, _ = quantize_blocks(many, mx, seed=4)
    np.testing.assert_array_equal(quantize(many, mx, seed=4).codes, blocks)


def test_stochastic_rounding_is_right_on_average() -> None:
    mx = get_format("mxint4", block_size=2, rounding="stochastic")
    x = np.tile([1.0, 0.3], (20000, 1))
    mean = float(quantize(x, mx, seed=np.int64(1)).dequantize()[:, 1].mean())
    # one draw is 0.25 or 0.5 with variance 0.25^2 * 0.2 * 0.8; six standard errors of the mean
    assert abs(mean - 0.3) < 6 * 0.25 * math.sqrt(0.16 / 20000)


# --- special blocks and bad input ----------------------------------------------------------------


def test_a_special_value_spoils_its_block_only() -> None:
    mx = get_format("mxint8", block_size=2)
    q = quantize([1.0, np.nan, 1.0, 0.5, -np.inf, 3.0], mx)
    assert q.scales.tolist() == [255, 127, 255]
    assert q.codes.tolist() == [0, 0, 64, 32, 0, 0]
    assert q.has_special
    np.testing.assert_array_equal(q.dequantize(), [np.nan, np.nan, 1, 0.5, np.nan, np.nan])
    np.testing.assert_array_equal(q.scale_values(), [np.nan, 1, np.nan])


def test_without_a_nan_scale_specials_become_the_largest_elements() -> None:
    mx = get_format("mxint4", block_size=4, scale_bits=4)
    q = quantize([1.0, np.inf, -np.inf, np.nan], mx)
    assert (q.codes.tolist(), q.scales.tolist()) == ([4, 7, 9, 7], [7])
    q = quantize([np.inf, -np.inf, -np.nan, -0.0], mx)
    assert (q.codes.tolist(), q.scales.tolist()) == ([7, 9, 7, 0], [0])


def test_an_all_zero_block_is_all_zero_codes() -> None:
    for name in ("mxint8", "mxfp4_e2m1", "mxfp16_e5m10"):
        q = quantize(np.full((2, 4), -0.0), get_format(name, block_size=4))
        assert not q.codes.any()
        assert not q.scales.any()


def test_strict_names_the_first_special_value() -> None:
    x = np.zeros((3, 50), dtype=np.float32)
    x[2, 41] = -np.inf
    with pytest.raises(FormatError) as caught:
        quantize(x, get_format("mxfp8_e4m3"), strict=True)
    assert str(caught.value) == (
        "quantize to mxfp8_e4m3: -inf at row 2, position 41 along the block axis; "
        "strict mode needs finite values"
    )
    big = np.zeros((70_000, 2))
    big[69_999, 1] = np.nan
    with pytest.raises(FormatError, match=r"nan at row 69999, position 1 along the block axis"):
        quantize(big, get_format("mxint4"), strict=True)
    assert not quantize(np.ones(3), get_format("mxint4"), strict=True).has_special


@pytest.mark.parametrize(
    ("x", "axis", "message"),
    [
        (
            np.ones((2, 3)),
            2,
            "quantize: axis 2 does not exist in shape (2, 3); allowed: -2..1",
        ),
        (
            np.ones((2, 3)),
            -3,
            "quantize: axis -3 does not exist in shape (2, 3); allowed: -2..1",
        ),
        (
            np.ones((2, 0)),
            -1,
            "quantize: need at least one value along an axis, got shape (2, 0)",
        ),
        (1.0, -1, "quantize: need at least one value along an axis, got shape ()"),
        ([], -1, "quantize: need at least one value along an axis, got shape (0,)"),
        ([1j], -1, "quantize: need real numbers of at most 64 bits, got dtype complex128"),
        (["a"], -1, "quantize: need real numbers of at most 64 bits, got dtype <U1"),
        (
            np.ones(2, dtype=np.longdouble),
            -1,
            f"quantize: need real numbers of at most 64 bits, got dtype {np.dtype(np.longdouble)}",
        ),
    ],
)
def test_bad_input_is_named(x: npt.ArrayLike, axis: int, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        quantize(x, get_format("mxint8"), axis)
    assert str(caught.value) == message


def test_a_scalar_format_is_no_block_format() -> None:
    with pytest.raises(FormatError, match=r"need an Mx format such as get_format"):
        quantize([1.0], get_format("e4m3"))


def test_quantize_blocks_is_what_quantize_does() -> None:
    blocks = random_blocks(3, 32, seed=70)
    for mx in (get_format("mxint8"), get_format("mxfp6_e3m2", scale_bits=5)):
        codes, scales = quantize_blocks(blocks, mx)
        q = quantize(blocks, mx)
        np.testing.assert_array_equal(q.codes, codes)
        np.testing.assert_array_equal(q.scales[:, 0], scales)


def test_quantised_elements_are_never_special() -> None:
    blocks = random_blocks(200, 8, seed=71)
    for mx in ALL_MX:
        element = scalar(mx.element)
        for bits in (8, 3):
            codes = quantize(blocks, get_format_like(mx, scale_bits=bits)).codes
            assert not any(is_special(element.value(int(c))) for c in np.unique(codes))
            if isinstance(mx.element, FixedPoint) and mx.symmetric:
                assert not (codes == 1 << (mx.element.width_bits - 1)).any()


def test_infinities_where_the_scale_has_no_nan() -> None:
    mx = golden.get_format("mxint4", block_size=2, scale_bits=4, symmetric=False)
    assert golden.quantize([-np.inf, 1.0], mx).codes.tolist() == [16 - 7, 4]
    e4m3 = golden.get_format("mxfp8_e4m3", block_size=2, scale_bits=4)
    assert golden.quantize([-0.0, np.inf], e4m3).codes.tolist() == [0, 0x7E]
    assert golden.quantize([-0.0, 1.0], e4m3).codes.tolist()[0] == 0x80


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", range(2, 17))
def test_even_switches_where_the_documents_say(width: int, dtype: type) -> None:
    """W fraction bits and half of the last one: AMD Quark's MXINT."""
    mx = get_format(f"mxint{width}", block_size=1, scale_rule="even")
    assert mx.even_bits == width
    switch = dtype(2 - Fraction(1, 2 ** (width + 1)))
    below = np.nextafter(switch, dtype(0))
    assert quantize(np.array([[below], [switch]]), mx, axis=-1).scales.tolist() == [[127], [128]]


def test_even_of_mxint8_is_floor_for_bf16() -> None:
    """Its 7 fraction bits never round up to the next power of two at 8."""
    x = np.arange(0x7F80, dtype=np.uint16).view(ml_dtypes.bfloat16)[:, None]
    scales = [
        quantize(x, get_format("mxint8", block_size=1, scale_rule=rule)).scales
        for rule in ("even", "floor")
    ]
    np.testing.assert_array_equal(*scales)


def test_a_block_has_no_minus_zero_where_its_code_is_nan() -> None:
    mx = golden.get_format("mxfp8_e4m3fnuz", block_size=4)
    for dtype in (np.float32, np.float64):  # the fast way and the definition
        q = golden.quantize(np.array([-0.0, -1e-30, 1.0, -1.0], dtype=dtype), mx)
        assert q.codes.tolist() == [0x00, 0x00, 0x78, 0xF8]
    assert golden.quantize(np.array([np.nan, 1.0]), mx).codes.tolist() == [0, 0]
    narrow = golden.get_format("mxfp8_e4m3fnuz", block_size=4, scale_bits=4)
    assert golden.quantize([-np.inf, np.nan, -0.0, 1.0], narrow).codes.tolist()[:3] == [
        0xFF,
        0x7F,
        0,
    ]
