"""Formats as data: derived facts, the registry, SystemVerilog parameters, error texts."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace

import ml_dtypes
import numpy as np
import pytest

from plena_cosim.golden import (
    FORMATS,
    FixedPoint,
    FormatError,
    Minifloat,
    Mx,
    Overflow,
    Rounding,
    ScaleRule,
    Specials,
    get_format,
    mxfp,
    mxint,
)
from plena_cosim.golden.codec import code_dtype
from plena_cosim.golden.formats import OCP_MX_NAMES, sv_rounding

from .oracle import Float, exact, floor_log2, scalar
from .samples import FIXED_POINTS, REGISTERED, UNUSUAL, label

# name: (E, M, bias, largest, smallest normal, smallest, NaN, Inf), from the standards' tables
STANDARD = {
    "e2m1": (2, 1, 1, 6.0, 1.0, 0.5, None, None),
    "e2m3": (2, 3, 1, 7.5, 1.0, 0.125, None, None),
    "e3m2": (3, 2, 3, 28.0, 0.25, 0.0625, None, None),
    "e4m3": (4, 3, 7, 448.0, 2.0**-6, 2.0**-9, 0x7F, None),
    "e5m2": (5, 2, 15, 57344.0, 2.0**-14, 2.0**-16, 0x7E, 0x7C),
    "fp16": (5, 10, 15, 65504.0, 2.0**-14, 2.0**-24, 0x7E00, 0x7C00),
    "bf16": (
        8,
        7,
        127,
        float(ml_dtypes.finfo("bfloat16").max),
        2.0**-126,
        2.0**-133,
        0x7FC0,
        0x7F80,
    ),
    "fp32": (8, 23, 127, float(np.finfo("f4").max), 2.0**-126, 2.0**-149, 0x7FC00000, 0x7F800000),
    "e6m5": (6, 5, 31, 2.0**32 * 1.96875, 2.0**-30, 2.0**-35, None, None),
    "e1m2": (1, 2, 0, 3.5, 2.0, 0.5, None, None),
    "e3m4": (3, 4, 3, 31.0, 0.25, 2.0**-6, None, None),
    "e4m3fnuz": (4, 3, 8, 240.0, 2.0**-7, 2.0**-10, 0x80, None),
    "e5m2fnuz": (5, 2, 16, 57344.0, 2.0**-15, 2.0**-17, 0x80, None),
    "e4m3b11fnuz": (4, 3, 11, 30.0, 2.0**-10, 2.0**-13, 0x80, None),
}


@pytest.mark.parametrize("name", STANDARD)
def test_facts_of_the_standards(name: str) -> None:
    fmt = get_format(name)
    exp_bits, man_bits, bias, largest, normal, smallest, nan, inf = STANDARD[name]
    assert (fmt.exp_bits, fmt.man_bits, fmt.bias_value) == (exp_bits, man_bits, bias)
    assert (fmt.max_value, fmt.min_normal, fmt.min_subnormal) == (largest, normal, smallest)
    assert (fmt.has_nan, fmt.has_inf) == (nan is not None, inf is not None)
    assert not fmt.has_nan or fmt.nan_code == nan
    assert not fmt.has_inf or fmt.inf_code == inf
    assert fmt.has_negative_zero == (nan != fmt.sign_mask)


@pytest.mark.parametrize("fmt", [*REGISTERED, *UNUSUAL], ids=label)
def test_derived_facts(fmt: Minifloat) -> None:
    oracle = scalar(fmt)
    assert isinstance(oracle, Float)
    assert fmt.width_bits == oracle.width
    assert fmt.precision == oracle.man_bits + 1
    assert (fmt.max_code, fmt.sign_mask) == (oracle.finite_count - 1, oracle.sign)
    assert fmt.max_value == oracle.max_value
    assert fmt.emax == floor_log2(exact(oracle.max_value))
    assert math.ldexp(1.0, fmt.lsb_exp) == fmt.min_subnormal == oracle.unit
    assert fmt.min_normal == exact(oracle.value(1 << oracle.man_bits))
    assert fmt.emin == floor_log2(exact(fmt.min_normal))


@pytest.mark.parametrize("fmt", FIXED_POINTS, ids=label)
def test_derived_facts_of_fixed_point(fmt: FixedPoint) -> None:
    oracle = scalar(fmt)
    assert (fmt.width_bits, fmt.max_code, fmt.max_value) == (
        oracle.width,
        (1 << (oracle.width - 1)) - 1,
        oracle.max_value,
    )
    assert math.ldexp(1.0, fmt.lsb_exp) == oracle.unit
    assert fmt.emax == floor_log2(exact(oracle.max_value))
    assert fmt.man_bits == oracle.top.bit_length() - 1
    assert not fmt.has_nan
    assert not fmt.has_negative_zero


def test_every_name_of_the_registry_is_its_spec() -> None:
    for name, fmt in FORMATS.items():
        assert fmt.name == name
        assert get_format(name) is fmt
        assert get_format(name.upper()) is fmt


def test_the_registry_holds_what_it_should() -> None:
    scalars = [
        "e1m2",
        "e2m1",
        "e2m3",
        "e3m2",
        "e3m4",
        "e4m3",
        "e5m2",
        "e4m3fnuz",
        "e5m2fnuz",
        "e4m3b11fnuz",
        "fp16",
        "bf16",
        "fp32",
        "e6m5",
        "e5m6",
        "e4m7",
    ]
    assert set(FORMATS) >= {*scalars, *OCP_MX_NAMES, *(f"mxint{w}" for w in range(2, 17))}


def test_names_by_numbers() -> None:
    assert get_format("fp12") is get_format("e6m5")
    assert get_format("e3m7") == Minifloat(exp_bits=3, man_bits=7)
    assert get_format("e3m7").name == "e3m7"
    assert get_format("q12.20") == FixedPoint(int_bits=12, frac_bits=20)
    assert get_format("mxfp11_e3m7").element == Minifloat(exp_bits=3, man_bits=7)
    assert get_format("mxint5") == mxint(5) == Mx(element=FixedPoint(int_bits=2, frac_bits=3))
    assert mxfp(5, 2).element is get_format("e5m2")
    assert mxfp(4, 3).element.specials is Specials.OCP_NAN
    assert mxfp(5, 10).element.specials is Specials.NONE


def test_names_of_formats_without_minus_zero() -> None:
    for name, bias in (
        ("e3m2fnuz", 4),
        ("e1m0fnuz", 1),
        ("e3m2b9fnuz", 9),
        ("e4m3b0fnuz", 0),
        ("e3m5b-3fnuz", -3),
    ):
        fmt = get_format(name.upper())
        assert (fmt.name, fmt.bias, fmt.specials) == (name, bias, Specials.FNUZ)
    assert get_format("e4m3b8fnuz") == get_format("e4m3fnuz")
    assert get_format("e4m3", specials="fnuz", bias=11) == get_format("e4m3b11fnuz")
    for element in ("e4m3fnuz", "e5m2fnuz", "e4m3b11fnuz"):
        mx = get_format(f"mxfp8_{element}", block_size=16)
        assert (mx.name, mx.element, mx.block_size) == (f"mxfp8_{element}", get_format(element), 16)
    assert get_format("mxfp6_e3m2fnuz").name == "mxfp6_e3m2fnuz"


def test_overrides_replace_fields_only() -> None:
    fmt = get_format("mxint4", block_size=16, scale_rule="even", rounding="rna", symmetric=False)
    assert (fmt.name, fmt.block_size, fmt.scale_bits) == ("mxint4", 16, 8)
    assert (fmt.scale_rule, fmt.rounding) == (ScaleRule.EVEN, Rounding.RNA)
    assert not fmt.element.symmetric
    assert replace(fmt, symmetric=True).element.symmetric
    assert get_format("q16.16", wrap=True).wrap
    assert get_format("e4m3", specials="none").max_value == 480.0


def test_specs_are_values() -> None:
    assert Minifloat(exp_bits=4, man_bits=3, specials="ocp_nan", name="x") == get_format("e4m3")
    assert hash(get_format("mxint8", block_size=32)) == hash(get_format("mxint8"))
    with pytest.raises(FrozenInstanceError):
        get_format("bf16").bias = 3


def test_scale_facts() -> None:
    ranges = {
        (m.scale_bits, m.scale_bias, m.min_scale_exp, m.max_scale_exp, m.scale_nan_code)
        for m in (get_format("mxint8", scale_bits=s) for s in (2, 4, 7, 8))
    }
    assert ranges == {
        (2, 1, -1, 2, None),
        (4, 7, -7, 8, None),
        (7, 63, -63, 64, None),
        (8, 127, -127, 127, 255),
    }
    assert get_format("mxfp6_e3m2", block_size=16, scale_bits=4).bits_per_value == 6.25
    named = ("mxint8", "mxint4", "mxfp4_e2m1", "mxfp8_e4m3", "mxfp8_e5m2")
    assert [get_format(name).even_bits for name in named] == [8, 4, 1, 3, 2]


def test_integers_of_numpy_are_integers() -> None:
    for integer in (np.uint8, np.int8, np.int64):
        made = Minifloat(exp_bits=integer(8), man_bits=integer(7), specials="ieee")
        assert made == get_format("bf16")
        assert (made.max_code, made.max_value) == (0x7F7F, get_format("bf16").max_value)
        fixed = FixedPoint(int_bits=integer(16), frac_bits=integer(16))
        assert (fixed.max_value, fixed.max_code) == (32768 - 2.0**-16, 2**31 - 1)
        assert mxint(integer(4), block_size=integer(16)) == get_format("mxint4", block_size=16)
    with pytest.raises(FormatError, match=r"exp_bits must be an integer in 1\.\.8, got np\.True_"):
        Minifloat(exp_bits=np.True_, man_bits=3)


def test_code_dtypes() -> None:
    assert [code_dtype(w) for w in (2, 8, 9, 16, 17, 32)] == [
        np.uint8,
        np.uint8,
        np.uint16,
        np.uint16,
        np.uint32,
        np.uint32,
    ]


def test_a_scalar_format_is_one_number_in_rtl() -> None:
    e4m3 = 4 | 3 << 4 | 7 << 9 | 1 << 20
    assert get_format("e4m3").sv_parameters("Src") == {"SrcFmt": e4m3}
    names = ("bf16", "e5m2", "e2m1", "e4m3fnuz")
    assert [get_format(n).sv_parameters()["Fmt"] >> 20 for n in names] == [0, 0, 2, 3]
    negative = Minifloat(exp_bits=5, man_bits=2, bias=-3)
    assert negative.sv_parameters()["Fmt"] == 5 | 2 << 4 | (2048 - 3) << 9 | 2 << 20
    q = FixedPoint(int_bits=16, frac_bits=12, wrap=True)
    assert q.sv_parameters("Acc") == {"AccFmt": 12 << 4 | 2 << 20 | 16 << 22 | 1 << 28}
    symmetric = FixedPoint(int_bits=32, frac_bits=0, symmetric=True)
    assert symmetric.sv_parameters()["Fmt"] == 2 << 20 | 32 << 22 | 1 << 29


def test_a_block_format_is_one_number_in_rtl() -> None:
    mx = get_format("mxfp4_e2m1", scale_rule="rceil", block_size=16, scale_bits=5, rounding="rtz")
    e2m1 = 2 | 1 << 4 | 1 << 9 | 2 << 20
    assert mx.sv_parameters() == {"Mx": e2m1 | 16 << 22 | 5 << 35 | 3 << 42 | 2 << 47}
    int4 = 2 << 4 | 2 << 20
    assert get_format("mxint4").sv_parameters("A") == {"AMx": int4 | 32 << 22 | 8 << 35 | 1 << 46}
    full = get_format("mxint4", symmetric=False, block_size=4096)
    assert full.sv_parameters() == {"Mx": int4 | 4096 << 22 | 8 << 35}
    with pytest.raises(FormatError, match="stochastic rounding is not available in RTL"):
        get_format("mxint4", rounding="stochastic").sv_parameters()
    assert [sv_rounding(m) for m in ("rne", "rna", "rtz", "rup", "rdown")] == [0, 1, 2, 3, 4]
    order = ("floor", "ceil", "even", "rceil", "mase", "clip")
    numbers = [get_format("mxint8", scale_rule=r).sv_parameters()["Mx"] for r in order]
    assert [number >> 42 & 15 for number in numbers] == [0, 1, 2, 3, 4, 5]


def test_enums_by_value() -> None:
    assert {s.value for s in Overflow} == {"saturate", "ieee"}
    assert {s.value for s in Specials} == {"ieee", "ocp_nan", "none", "fnuz"}


BAD: list[tuple[Callable[[], object], str]] = [
    (
        lambda: get_format("mxint_4"),
        "unknown format 'mxint_4'; known: e1m2, e2m1, .*, fp12, and e{E}m{M}, e{E}m{M}fnuz, "
        "q{I}.{F}, mxint{W}, mxfp{W}_e{E}m{M} with other numbers. Did you mean 'mxint4'?",
    ),
    (lambda: get_format("bfloat16"), "unknown format 'bfloat16'; known: .*"),
    (lambda: get_format("BF61"), "unknown format 'BF61'; .* Did you mean 'bf16'?"),
    (
        lambda: get_format("mxint4", blocksize=8),
        "mxint4 has no field 'blocksize'; known: block_size, scale_bits, scale_rule, symmetric, "
        "rounding. Did you mean 'block_size'?",
    ),
    (lambda: get_format("mxint4", element=1), "mxint4 has no field 'element'; known: .*"),
    (lambda: get_format("mxint1"), "mxint: width must be an integer in 2..16, got 1"),
    (lambda: get_format("mxint17"), "mxint: width must be an integer in 2..16, got 17"),
    (lambda: mxint(True), "mxint: width must be an integer in 2..16, got True"),
    (lambda: get_format("mxfp8_e3m3"), "mxfp8_e3m3: e3m3 has 7 bits"),
    (lambda: get_format("mxfp9_e4m3fnuz"), "mxfp9_e4m3fnuz: e4m3fnuz has 8 bits"),
    (lambda: get_format("mxfp8_e4m3xfnuz"), "unknown format 'e4m3xfnuz'; .* 'e4m3fnuz'?"),
    (lambda: get_format("e4m3b--1fnuz"), "unknown format 'e4m3b--1fnuz'; .* 'e4m3b11fnuz'?"),
    (
        lambda: get_format("mxfp9_e6m2fnuz"),
        "Mx: an MXFP element has 1..5 exponent and 0..10 fraction bits, got e6m2fnuz",
    ),
    (lambda: mxfp(6, 1), "mxfp: exponent width must be an integer in 1..5, got 6"),
    (lambda: mxfp(2, 11), "mxfp: fraction width must be an integer in 0..10, got 11"),
    (lambda: get_format("e9m3"), "Minifloat: exp_bits must be an integer in 1..8, got 9"),
    (lambda: get_format("e4m24"), "Minifloat: man_bits must be an integer in 0..23, got 24"),
    (
        lambda: Minifloat(exp_bits=4, man_bits=3, bias=-257),
        "Minifloat: bias must be an integer in -256..512, got -257",
    ),
    (
        lambda: Minifloat(exp_bits=4, man_bits=3, specials="ocp"),
        "unknown specials 'ocp'; known: ieee, ocp_nan, none, fnuz. Did you mean 'ocp_nan'?",
    ),
    (
        lambda: Minifloat(exp_bits=1, man_bits=3, specials="ieee"),
        "Minifloat: specials 'ieee' needs exp_bits >= 2 and man_bits >= 1",
    ),
    (
        lambda: Minifloat(exp_bits=3, man_bits=0, specials="ocp_nan", name="x"),
        "x: specials 'ocp_nan' needs man_bits >= 1",
    ),
    (lambda: get_format("q0.8"), "FixedPoint: int_bits must be an integer in 1..32, got 0"),
    (
        lambda: get_format("q16.17"),
        "FixedPoint: int_bits + frac_bits must be an integer in 2..32, got 33",
    ),
    (
        lambda: FixedPoint(int_bits=2, frac_bits=2, wrap=True, symmetric=True),
        "FixedPoint: wrap and symmetric exclude each other",
    ),
    (
        lambda: get_format("q2.2", wrap="no"),
        "q2.2: wrap must be true or false, got 'no'",
    ),
    (
        lambda: get_format("mxint8", block_size=0),
        "mxint8: block_size must be an integer in 1..4096, got 0",
    ),
    (
        lambda: get_format("mxint8", block_size=4097),
        "mxint8: block_size must be an integer in 1..4096, got 4097",
    ),
    (
        lambda: get_format("mxint8", block_size=32.0),
        "mxint8: block_size must be an integer in 1..4096, got 32.0",
    ),
    (
        lambda: get_format("mxint8", scale_bits=9),
        "mxint8: scale_bits must be an integer in 2..8, got 9",
    ),
    (
        lambda: get_format("mxint8", scale_rule="flor"),
        "unknown scale rule 'flor'; known: floor, ceil, even, rceil, mase, clip. "
        "Did you mean 'floor'?",
    ),
    (
        lambda: get_format("mxint8", rounding="near"),
        "unknown rounding mode 'near'; known: rne, rna, rtz, rup, rdown, stochastic",
    ),
    (
        lambda: get_format("mxint8", symmetric=1),
        "mxint8: symmetric must be true or false, got 1",
    ),
    (
        lambda: Mx(element="e2m1"),  # type: ignore[arg-type]
        "Mx: element must be a Minifloat or FixedPoint, got 'e2m1'",
    ),
    (
        lambda: Mx(element=get_format("q8.8")),
        "Mx: an MXINT element is q2.0 … q2.14 (2 to 16 bits), got q8.8",
    ),
    (
        lambda: Mx(element=get_format("q2.4", wrap=True), symmetric=False),
        "Mx: an MXINT element saturates; wrap must be false",
    ),
    (
        lambda: Mx(element=get_format("bf16")),
        "Mx: an MXFP element has 1..5 exponent and 0..10 fraction bits, got bf16",
    ),
    (lambda: get_format("e2m1").nan_code, "e2m1 has no NaN"),
    (lambda: get_format("e4m3").inf_code, "e4m3 has no Inf"),
    (
        lambda: sv_rounding("stochastic"),
        "stochastic rounding is not available in RTL; use rne, rna, rtz, rup or rdown",
    ),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=[message[:40] for _, message in BAD])
def test_bad_formats_are_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(FormatError) as caught:
        make()
    pattern = re.escape(message).replace(re.escape(".*"), ".*")
    assert re.fullmatch(pattern, str(caught.value)), str(caught.value)
