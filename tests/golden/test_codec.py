"""encode and decode against the Fraction oracle: every code, every midpoint, every mode."""

from __future__ import annotations

import math
import warnings
from fractions import Fraction

import gfloat
import gfloat.formats as gfloat_formats
import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest

from plena_cosim.golden import (
    FixedPoint,
    FormatError,
    Minifloat,
    NanReplacedWarning,
    Scalar,
    decode,
    encode,
    get_format,
)

from .compare import assert_codes
from .oracle import MODES, OVERFLOWS, Float, encode_all, real, scalar
from .samples import (
    FIXED_POINTS,
    HUGE,
    MINIFLOATS_TO_16,
    REGISTERED,
    UNUSUAL,
    corner_codes,
    label,
    random_codes,
)

FP32 = get_format("fp32")
ML_DTYPES = {
    "e4m3": ml_dtypes.float8_e4m3fn,
    "e5m2": ml_dtypes.float8_e5m2,
    "e2m1": ml_dtypes.float4_e2m1fn,
    "e2m3": ml_dtypes.float6_e2m3fn,
    "e3m2": ml_dtypes.float6_e3m2fn,
    "e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
    "e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
    "e4m3b11fnuz": ml_dtypes.float8_e4m3b11fnuz,
    "bf16": ml_dtypes.bfloat16,
    "fp16": np.float16,
    "fp32": np.float32,
}
GFLOAT = {
    "e4m3": gfloat_formats.format_info_ocp_e4m3,
    "e5m2": gfloat_formats.format_info_ocp_e5m2,
    "e2m1": gfloat_formats.format_info_ocp_e2m1,
    "e2m3": gfloat_formats.format_info_ocp_e2m3,
    "e3m2": gfloat_formats.format_info_ocp_e3m2,
    "bf16": gfloat_formats.format_info_bfloat16,
    "fp16": gfloat_formats.format_info_binary16,
    "fp32": gfloat_formats.format_info_binary32,
}
GFLOAT_MODES = {
    "rne": gfloat.RoundMode.TiesToEven,
    "rna": gfloat.RoundMode.TiesToAway,
    "rtz": gfloat.RoundMode.TowardZero,
    "rup": gfloat.RoundMode.TowardPositive,
    "rdown": gfloat.RoundMode.TowardNegative,
}


def quiet_encode(values: npt.ArrayLike, fmt: Scalar, **modes: object) -> npt.NDArray[np.int64]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NanReplacedWarning)
        return encode(values, fmt, **modes).astype(np.int64)  # type: ignore[arg-type]


def float_bits(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Bit patterns, with one NaN for all: the sign and payload of a NaN are nobody's business."""
    return np.where(np.isnan(values), np.nan, values).view(np.int64)


def magnitudes(fmt: Minifloat) -> npt.NDArray[np.float64]:
    """Values of the non-negative finite codes, from the oracle."""
    oracle = scalar(fmt)
    assert isinstance(oracle, Float)
    exact_values = [oracle.value(code) for code in range(oracle.finite_count)]
    values = np.array([float(x) for x in exact_values])
    assert all(Fraction(v) == x for v, x in zip(values.tolist(), exact_values, strict=True))
    return values


@pytest.mark.parametrize("fmt", [*MINIFLOATS_TO_16, *FIXED_POINTS], ids=label)
def test_every_code_decodes_and_encodes_back(fmt: Scalar) -> None:
    oracle = scalar(fmt)
    codes = np.arange(1 << oracle.width)
    values = decode(codes, fmt)
    assert values.dtype == np.float64
    want = [float(oracle.value(int(code))) for code in codes]
    assert_codes(float_bits(values), float_bits(np.array(want)), hex)
    back = encode(values, fmt)
    assert back.dtype == (np.uint8 if oracle.width <= 8 else np.uint16)
    if isinstance(oracle, Float):
        canonical = np.where(np.isnan(values), oracle.nan or 0, codes)
    else:
        lost = codes == 1 << (oracle.width - 1)  # the code that `symmetric` never produces
        canonical = np.where(lost & (oracle.bottom == -oracle.top), oracle.top + 2, codes)
    assert_codes(back, canonical, hex)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("fmt", MINIFLOATS_TO_16, ids=label)
def test_every_midpoint_and_its_neighbours_round_as_the_mode_says(
    fmt: Minifloat, mode: str
) -> None:
    values = magnitudes(fmt)
    lower, upper = values[:-1], values[1:]
    code = np.arange(values.size - 1)
    middle = (lower + upper) / 2  # exact in float64
    away = {"rna": code + 1, "rne": code + code % 2}
    sign = 1 << (fmt.width_bits - 1)
    for negative in (False, True):
        goes_up = mode == ("rdown" if negative else "rup")
        nearest = mode in away
        directed = code + goes_up
        cases = (
            (middle, away.get(mode, directed)),
            (np.nextafter(middle, 0), code if nearest else directed),
            (np.nextafter(middle, np.inf), code + 1 if nearest else directed),
            (np.nextafter(lower, np.inf), code if nearest else directed),
            (np.nextafter(upper, 0), code + 1 if nearest else directed),
        )
        for x, want in cases:
            got = encode(-x if negative else x, fmt, rounding=mode)
            side = -1 if negative else 1
            signed = np.where((want > 0) | (scalar(fmt).nan != sign), want | sign, 0)
            assert_codes(got, signed if negative else want, lambda i, x=x, s=side: (s * x[i]).hex())


def beyond(fmt: Minifloat) -> list[float]:
    """Values around and beyond the largest, and below the smallest."""
    values = magnitudes(fmt)
    top, step = values[-1], values[-1] - values[-2]
    edges = [top + step * f for f in (0, 0.25, 0.5, 0.75, 1, 1.5, 2, 4)] + [top * 2, top * 3]
    edges += [values[1] * f for f in (1, 0.75, 0.5, 0.25, 1e-3)]
    near = [np.nextafter(x, side) for x in edges for side in (0, np.inf)]
    everything = [0.0, *edges, *near, *HUGE, math.inf, math.nan]
    return [float(s * x) for x in everything for s in (1, -1)]


@pytest.mark.parametrize("overflow", OVERFLOWS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("fmt", MINIFLOATS_TO_16, ids=label)
def test_overflow_underflow_and_specials(fmt: Minifloat, mode: str, overflow: str) -> None:
    inputs = beyond(fmt)
    got = quiet_encode(inputs, fmt, rounding=mode, overflow=overflow)
    want = encode_all([real(x) for x in inputs], fmt, mode, overflow)
    assert_codes(got, want, lambda i: inputs[i].hex())


@pytest.mark.parametrize("overflow", OVERFLOWS)
@pytest.mark.parametrize("mode", [*MODES, "stochastic"])
@pytest.mark.parametrize("fmt", [*REGISTERED, *UNUSUAL, *FIXED_POINTS], ids=label)
def test_random_values_against_fractions(fmt: Scalar, mode: str, overflow: str) -> None:
    rng = np.random.default_rng(1)
    low = -fmt.width_bits if isinstance(fmt, FixedPoint) else 1 - fmt.bias_value - fmt.man_bits
    high = fmt.width_bits if isinstance(fmt, FixedPoint) else (1 << fmt.exp_bits) - fmt.bias_value
    exponents = rng.integers(low - 3, high + 3, 150)
    short = np.ldexp(rng.integers(-(2**12), 2**12, 150).astype(float), exponents - 11)
    long = np.ldexp(rng.uniform(-2, 2, 150), exponents)
    inputs = np.concatenate([short, long]).tolist()
    got = encode(inputs, fmt, rounding=mode, overflow=overflow, seed=77)
    want = encode_all([real(x) for x in inputs], fmt, mode, overflow, seed=77)
    assert_codes(got, want, lambda i: inputs[i].hex())


@pytest.mark.parametrize("mode", MODES)
def test_fp32_corners_and_random_patterns(mode: str) -> None:
    codes = np.concatenate([corner_codes(FP32), random_codes(FP32, 3000, 5)])
    values = decode(codes, FP32)
    assert_codes(
        encode(values, FP32, rounding=mode),
        np.where(np.isnan(values), 0x7FC00000, codes),
        lambda i: hex(codes[i]),
    )
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(values, codes.view(np.float32).astype(np.float64))
    finite = values[np.isfinite(values)]
    finite = finite[np.abs(finite) < FP32.max_value]
    middle = finite + np.spacing(finite.astype(np.float32)).astype(np.float64) / 2
    inputs = np.concatenate([middle, np.nextafter(middle, 0), np.nextafter(middle, 1e300)])
    got = encode(inputs, FP32, rounding=mode, overflow="ieee")
    want = encode_all([real(x) for x in inputs], FP32, mode, "ieee")
    assert_codes(got, want, lambda i: float(inputs[i]).hex())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("shape", [(16, 16), (32, 0), (1, 31), (2, 6), (12, 20)])
def test_fixed_point_saturates_or_wraps(mode: str, wrap: bool, shape: tuple[int, int]) -> None:
    fmt = FixedPoint(int_bits=shape[0], frac_bits=shape[1], wrap=wrap)
    rng = np.random.default_rng(3)
    exponents = rng.integers(-shape[1] - 60, 130, 400)
    inputs = np.ldexp(rng.uniform(-2, 2, 400), exponents)
    top = np.ldexp(1.0, shape[0] - 1)
    unit = np.ldexp(1.0, -shape[1])
    edges = [top, top - unit, top - unit / 2, top + unit / 2, top * 2, top * 2 - unit / 4, unit / 2]
    edges += [unit * 1.5, unit * 2.5, np.nextafter(unit / 2, 1), 1e300, 5e-324, np.inf, np.nan, 0]
    inputs = np.concatenate([inputs, edges, -np.array(edges)])
    got = quiet_encode(inputs, fmt, rounding=mode)
    assert_codes(
        got,
        encode_all([real(x) for x in inputs], fmt, mode),
        lambda i: float(inputs[i]).hex(),
    )


@pytest.mark.parametrize("name", ML_DTYPES)
def test_decode_agrees_with_ml_dtypes(name: str) -> None:
    fmt = get_format(name)
    codes = random_codes(fmt, 20000, 9) if name == "fp32" else np.arange(1 << fmt.width_bits)
    with np.errstate(invalid="ignore"):
        theirs = codes.astype(f"u{max(fmt.width_bits, 8) // 8}").view(ML_DTYPES[name])
        np.testing.assert_array_equal(decode(codes, fmt), theirs.astype(np.float64))


@pytest.mark.parametrize("name", ML_DTYPES)
def test_encode_agrees_with_ml_dtypes_on_clamped_float32(name: str) -> None:
    fmt = get_format(name)
    top = np.float32(fmt.max_value)
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)
    values = decode(random_codes(FP32, 30000, 4), FP32).astype(np.float32)
    halves, values = halves[np.isfinite(halves)], values[np.isfinite(values)]
    near = (halves.astype(np.float64) * fmt.max_value / 65504).astype(np.float32)
    inputs = np.clip(np.concatenate([halves, values, near]), -top, top)
    theirs = inputs.astype(ML_DTYPES[name]).view(f"u{max(fmt.width_bits, 8) // 8}")
    assert_codes(encode(inputs, fmt), theirs, lambda i: float(inputs[i]).hex())


@pytest.mark.parametrize("name", ["e4m3", "e5m2", "e4m3fnuz", "e5m2fnuz", "e4m3b11fnuz", "fp16"])
def test_overflow_agrees_with_ml_dtypes(name: str) -> None:
    fmt = get_format(name)
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        inputs = (halves * (fmt.max_value / 2048)).astype(np.float32)  # from none to far beyond
        theirs = inputs.astype(ML_DTYPES[name]).astype(np.float64)
    ours = decode(encode(inputs, fmt, overflow="ieee"), fmt)
    np.testing.assert_array_equal(ours, theirs)
    signs = np.signbit(ours) == np.signbit(theirs)
    assert (signs | np.isnan(theirs)).all()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", GFLOAT)
def test_encode_agrees_with_gfloat(name: str, mode: str) -> None:
    fmt, info = get_format(name), GFLOAT[name]
    rng = np.random.default_rng(6)
    exponents = rng.integers(fmt.lsb_exp - 2, fmt.emax + 1, 3000)
    inputs = np.ldexp(rng.uniform(-2, 2, 3000), exponents)
    rounded = gfloat.round_ndarray(info, inputs, GFLOAT_MODES[mode], sat=True)
    got = encode(inputs, fmt, rounding=mode)
    np.testing.assert_array_equal(decode(got, fmt), rounded)
    np.testing.assert_array_equal(np.signbit(decode(got, fmt)), np.signbit(rounded))


@pytest.mark.parametrize("name", GFLOAT)
def test_decode_agrees_with_gfloat(name: str) -> None:
    fmt = get_format(name)
    codes = np.arange(256 if fmt.width_bits >= 8 else 1 << fmt.width_bits)
    codes = codes << (fmt.width_bits - 8) if fmt.width_bits > 8 else codes
    theirs = gfloat.decode_ndarray(GFLOAT[name], codes)
    np.testing.assert_array_equal(decode(codes, fmt), theirs)


def test_directed_modes_keep_the_sign_of_what_underflows() -> None:
    e2m1 = get_format("e2m1")
    for mode, plus, minus in (("rne", 0, 8), ("rtz", 0, 8), ("rup", 1, 8), ("rdown", 0, 9)):
        assert encode([1e-9, -1e-9], e2m1, rounding=mode).tolist() == [plus, minus]


def test_zero_has_no_sign_where_the_code_of_minus_zero_is_nan() -> None:
    fnuz = get_format("e4m3fnuz")
    assert math.isnan(decode(0x80, fnuz))
    assert encode([0.0, -0.0, math.nan, -math.nan], fnuz).tolist() == [0, 0, 0x80, 0x80]
    for mode, plus, minus in (("rne", 0, 0), ("rtz", 0, 0), ("rup", 1, 0), ("rdown", 0, 0x81)):
        assert encode([1e-9, -1e-9], fnuz, rounding=mode).tolist() == [plus, minus]
    least = -fnuz.min_subnormal / 2
    drawn = encode(np.full(300, least), fnuz, rounding="stochastic")
    assert set(drawn.tolist()) == {0x00, 0x81}
    everything = [250.0, math.inf, -math.inf]
    assert encode(everything, fnuz).tolist() == [0x7F, 0x7F, 0xFF]
    assert encode(everything, fnuz, overflow="ieee").tolist() == [0x80, 0x80, 0x80]
    assert encode(everything, fnuz, overflow="ieee", rounding="rtz").tolist() == [0x7F, 0x80, 0x80]
    with pytest.raises(FormatError, match="e4m3fnuz cannot hold inf"):
        encode([math.nan, math.inf], fnuz, strict=True)


def test_nan_into_a_format_without_nan_warns_and_becomes_the_largest() -> None:
    message = r"^e2m1 has no NaN: 2 NaN became 6\.0$"
    with pytest.warns(NanReplacedWarning, match=message):
        codes = encode([math.nan, 1.0, -math.nan], get_format("e2m1"))
    assert codes.tolist() == [7, 2, 7]


@pytest.mark.parametrize(
    ("name", "value"), [("e2m1", math.nan), ("e4m3", math.inf), ("q8.8", -math.inf)]
)
def test_strict_names_the_value_and_its_place(name: str, value: float) -> None:
    with pytest.raises(FormatError) as caught:
        encode([[0.0, 1.0], [value, value]], get_format(name), strict=True)
    assert str(caught.value) == (
        f"{name} cannot hold {value} (value[1][0], 2 such values); "
        "give finite values, or strict=False to replace them by the largest"
    )


def test_strict_accepts_what_the_format_holds() -> None:
    bf16 = get_format("bf16")
    assert encode([math.inf, -math.inf, math.nan], bf16, strict=True).tolist() == [
        0x7F80,
        0xFF80,
        0x7FC0,
    ]
    assert encode([math.nan], get_format("e4m3"), strict=True).tolist() == [0x7F]


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([[1, 2], [3, 0x100]], "e4m3: code 0x100 at [1][1] does not fit; a code has 8 bits"),
        (0x1FF, "e4m3: code 0x1ff at top level does not fit; a code has 8 bits (0..0xff)"),
        ([3, -1], "e4m3: code -0x1 at [1] does not fit"),
        (np.array([2**63], dtype=np.uint64), "e4m3: code 0x8000000000000000 at [0] does not fit"),
        ([1.0], "e4m3: codes must be integers, got dtype float64"),
        ([True], "e4m3: codes must be integers, got dtype bool"),
    ],
)
def test_codes_that_are_none(codes: object, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        decode(codes, get_format("e4m3"))  # type: ignore[arg-type]
    assert message in str(caught.value)


@pytest.mark.parametrize("shape", [(), (0,), (2, 0), (3, 1, 2)])
def test_shapes_are_kept(shape: tuple[int, ...]) -> None:
    for name in ("bf16", "q8.8"):
        codes = encode(np.ones(shape), get_format(name))
        assert codes.shape == shape
        assert decode(codes, get_format(name)).shape == shape


def test_inputs_are_never_written() -> None:
    values, codes = np.linspace(-3, 3, 7), np.arange(7, dtype=np.uint8)
    values.flags.writeable = codes.flags.writeable = False
    encode(values, get_format("e2m1"))
    decode(codes, get_format("e2m1"))


def test_unknown_modes_are_named() -> None:
    with pytest.raises(FormatError, match=r"unknown rounding mode 'rnd'; known: rne, rna, rtz"):
        encode([1.0], get_format("e2m1"), rounding="rnd")
    with pytest.raises(FormatError, match=r"unknown overflow mode 'wrap'; known: saturate, ieee"):
        encode([1.0], get_format("e2m1"), overflow="wrap")
