"""Formats as SystemVerilog parameters: plena_pkg and golden mean the same by every number."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from plena_cosim.golden import FORMATS, FixedPoint, Minifloat, Mx, get_format
from plena_cosim.golden.blocks import BLOCK_FORMATS, MicroMx
from plena_cosim.golden.formats import ScaleRule, Specials, sv_fmt, sv_mx, sv_rounding
from plena_cosim.golden.ops import OPS, Op
from plena_cosim.sim.verilate.rtl_files import RTL_DIR, needed_sources, waivers
from plena_cosim.sim.verilate.sv_literal import sv_literal
from plena_cosim.sim.verilate.toolchain import find_toolchain

from ..op_arguments import formats_for

SCALARS = (
    *(fmt for fmt in FORMATS.values() if isinstance(fmt, Minifloat)),
    *(Minifloat(exp_bits=5, man_bits=2, bias=bias) for bias in (-256, -1, 512)),
    *(get_format(name) for name in ("e1m0", "e8m23", "q1.1", "q32.0", "q1.31", "q16.16")),
    FixedPoint(int_bits=8, frac_bits=4, wrap=True),
    FixedPoint(int_bits=8, frac_bits=4, symmetric=True),
)
BLOCKS = (
    *(fmt for fmt in FORMATS.values() if isinstance(fmt, Mx)),
    *(get_format("mxint4", scale_rule=rule, block_size=16) for rule in ScaleRule),
    get_format("mxint8", symmetric=False, rounding="rdown", scale_bits=2, block_size=1),
    get_format("mxfp8_e4m3", symmetric=False, rounding="rtz", scale_bits=5, block_size=4096),
)
MICRO = (
    *(fmt for fmt in BLOCK_FORMATS.values() if isinstance(fmt, MicroMx)),
    MicroMx(element_bits=2, block_size=2),
    MicroMx(element_bits=16, block_size=4096),
)
BF16, MXINT8 = sv_fmt(get_format("bf16")), sv_mx(get_format("mxint8"))


def pack(fmt: Minifloat | FixedPoint) -> str:
    """Return the call of plena_pkg that makes a scalar format's number."""
    if isinstance(fmt, FixedPoint):
        flags = f"1'b{int(fmt.wrap)}, 1'b{int(fmt.symmetric)}"
        return f"pack_fixed({fmt.int_bits}, {fmt.frac_bits}, {flags})"
    kinds = {"ieee": "Ieee", "ocp_nan": "OcpNan", "none": "None", "fnuz": "Fnuz"}
    specials = kinds[fmt.specials.value]  # type: ignore[union-attr]
    return f"pack_minifloat({fmt.exp_bits}, {fmt.man_bits}, {fmt.bias}, Specials{specials})"


def pack_mx(mx: Mx) -> str:
    """Return the call of plena_pkg that makes a block format's number."""
    rules = ("Floor", "Ceil", "Even", "Rceil", "Mase", "Clip")
    rule = rules[list(ScaleRule).index(mx.scale_rule)]  # type: ignore[arg-type]
    roundings = {"rne": "NearestEven", "rtz": "TowardZero", "rdown": "Down"}
    rounding = roundings[mx.rounding.value]  # type: ignore[union-attr]
    sizes = f"{mx.block_size}, {mx.scale_bits}"
    return f"pack_mx({pack(mx.element)}, {sizes}, Rule{rule}, Round{rounding})"


def wrong(conditions: Iterable[str], folder: Path, declared: Iterable[str] = ()) -> list[str]:
    """Return those of the conditions that hold where plena_pkg's names, and these, are known."""
    listed = list(conditions)
    lines = [
        f'  if ({condition}) begin : gen_{number} $fatal(1, "holds {number};"); end'
        for number, condition in enumerate(listed)
    ]
    top = folder / "t.sv"
    top.write_text(
        "\n".join(["module t;", "  import plena_pkg::*;", *declared, *lines, "endmodule", ""]),
        encoding="utf-8",
    )
    done = lint("t", [RTL_DIR / "common" / "plena_pkg.sv", top])
    assert "%Error: /" not in done, done
    return [condition for number, condition in enumerate(listed) if f"holds {number};" in done]


def lint(top: str, files: list[Path], parameters: dict[str, int] | None = None) -> str:
    """Return what Verilator says about a module."""
    given = [f"-G{name}={sv_literal(value)}" for name, value in (parameters or {}).items()]
    command = [*find_toolchain().verilator, "--lint-only", "--top-module", top, *given, *files]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


def test_the_package_packs_what_golden_packs(tmp_path: Path) -> None:
    conditions = [f"{pack(fmt)} != {sv_fmt(fmt)}" for fmt in SCALARS]
    conditions += [f"{pack_mx(mx)} != {sv_literal(sv_mx(mx))}" for mx in BLOCKS]
    conditions += [
        f"pack_mxint({width}, 32) != {sv_literal(sv_mx(get_format(f'mxint{width}')))}"
        for width in (2, 8, 16)
    ]
    named = {"Bf16": "bf16", "Fp32": "fp32", "E4m3": "e4m3", "Q16p16": "q16.16"}
    conditions += [f"{name} != {sv_fmt(get_format(of))}" for name, of in named.items()]
    assert wrong(conditions, tmp_path) == []


def fields(fmt: Minifloat | FixedPoint) -> dict[str, int]:
    """Return what the struct of a scalar format holds."""
    if isinstance(fmt, FixedPoint):
        flags = {"wrap": int(fmt.wrap), "symmetric": int(fmt.symmetric)}
        widths = {"exp_w": 0, "man_w": fmt.frac_bits, "int_w": fmt.int_bits}
        return widths | flags | {"bias": 0, "specials": 2, "width": fmt.width_bits}
    specials = list(Specials).index(fmt.specials)  # type: ignore[arg-type]
    widths = {"exp_w": fmt.exp_bits, "man_w": fmt.man_bits, "int_w": 0, "width": fmt.width_bits}
    return widths | {"bias": fmt.bias_value, "specials": specials, "wrap": 0, "symmetric": 0}


def block_fields(mx: Mx) -> dict[str, int]:
    """Return what the struct of a block format holds."""
    return {f"elem.{name}": value for name, value in fields(mx.element).items()} | {
        "block_size": mx.block_size,
        "scale_w": mx.scale_bits,
        "scale_rule": list(ScaleRule).index(mx.scale_rule),  # type: ignore[arg-type]
        "rounding": sv_rounding(mx.rounding),
        **dict.fromkeys(("scale_frac_w", "micro_size", "micro_w"), 0),
    }


def test_a_number_is_taken_apart_to_goldens_fields(tmp_path: Path) -> None:
    structs = {f"fmt_t F{n} = fmt_of({sv_fmt(fmt)})": fields(fmt) for n, fmt in enumerate(SCALARS)}
    structs |= {
        f"fmt_t N{n} = minifloat_of({sv_fmt(fmt)})": fields(fmt)
        for n, fmt in enumerate(SCALARS)
        if isinstance(fmt, Minifloat)
    }
    structs |= {
        f"mx_t M{n} = mx_of({sv_literal(sv_mx(mx))})": block_fields(mx)
        for n, mx in enumerate(BLOCKS)
    }
    conditions = [
        f"{declaration.split()[1]}.{name} != {value}"
        for declaration, given in structs.items()
        for name, value in given.items()
    ]
    conditions += [f"elem_fmt({sv_literal(sv_mx(mx))}) != {sv_fmt(mx.element)}" for mx in BLOCKS]
    declared = [f"  localparam {declaration};" for declaration in structs]
    assert wrong(conditions, tmp_path, declared) == []


def test_another_number_is_noticed(tmp_path: Path) -> None:
    assert wrong([f"Bf16 != {BF16}", f"Bf16 != {BF16 + 1}"], tmp_path) == [f"Bf16 != {BF16 + 1}"]


def test_every_format_of_golden_is_one_of_the_package(tmp_path: Path) -> None:
    conditions = [f"!is_scalar({sv_fmt(fmt)})" for fmt in SCALARS]
    conditions += [
        f"is_minifloat({sv_fmt(fmt)}) != {int(isinstance(fmt, Minifloat))}" for fmt in SCALARS
    ]
    conditions += [f"!is_mx({sv_literal(sv_mx(mx))})" for mx in BLOCKS]
    assert wrong(conditions, tmp_path) == []


ILLEGAL: dict[str, int] = {
    "nothing": 0,
    "spare bit": BF16 | 1 << 30,
    "integer bits of a minifloat": BF16 | 1 << 22,
    "wrap of a minifloat": BF16 | 1 << 28,
    "nine exponent bits": BF16 & ~15 | 9,
    "24 fraction bits": BF16 & ~(31 << 4) | 24 << 4,
    "bias 513": BF16 & ~(2047 << 9) | 513 << 9,
    "bias -257": BF16 & ~(2047 << 9) | (-257 & 2047) << 9,
    "ieee without a fraction": BF16 & ~(31 << 4),
    "bias of fixed point": sv_fmt(get_format("q8.8")) | 1 << 9,
    "specials of fixed point": sv_fmt(get_format("q8.8")) & ~(3 << 20),
    "q1.0": 1 << 22 | 2 << 20,
    "q0.8": 8 << 4 | 2 << 20,
    "q17.16": sv_fmt(get_format("q16.16")) + (1 << 22),
    "wrap and symmetric": sv_fmt(get_format("q8.8")) | 3 << 28,
}
ILLEGAL_MX: dict[str, int] = {
    "nothing": 0,
    "spare bit": MXINT8 | 1 << 56,
    "no elements": MXINT8 & ~(8191 << 22),
    "4097 elements": MXINT8 & ~(8191 << 22) | 4097 << 22,
    "one bit of scale": MXINT8 & ~(15 << 35) | 1 << 35,
    "nine bits of scale": MXINT8 & ~(15 << 35) | 9 << 35,
    "a fraction of the scale, to come": MXINT8 | 3 << 39,
    "a scale rule to come": MXINT8 | 6 << 42,
    "a rounding to come": MXINT8 | 5 << 47,
    "micro-exponents to come": MXINT8 | 1 << 54,
    "elements that share them": MXINT8 | 1 << 50,
    "17 bits of element": MXINT8 & ~(31 << 4) | 15 << 4,
    "symmetric MXFP": sv_mx(get_format("mxfp4_e2m1")) | 1 << 46,
    "six exponent bits": sv_mx(get_format("mxfp8_e5m2")) + 1,
}


def micro_number(fmt: MicroMx) -> int:
    """Return the number that a block is given for a format."""
    return fmt.sv_parameters()["Mx"]


ILLEGAL_MICRO: dict[str, int] = {
    "no micro-exponents": MXINT8,
    "no elements that share them": MXINT8 | 1 << 54,
    "none for the elements that would": MXINT8 | 1 << 50,
    "of two bits": MXINT8 | 1 << 50 | 2 << 54,
    "of four elements": MXINT8 | 2 << 50 | 1 << 54,
    "an odd block": MXINT8 + (1 << 22) | 1 << 50 | 1 << 54,
    "minifloats": sv_mx(get_format("mxfp4_e2m1")) | 1 << 50 | 1 << 54,
    "the lowest code": sv_mx(get_format("mxint8", symmetric=False)) | 1 << 50 | 1 << 54,
    "another rule": sv_mx(get_format("mxint8", scale_rule="even")) | 1 << 50 | 1 << 54,
    "another rounding": sv_mx(get_format("mxint8", rounding="rtz")) | 1 << 50 | 1 << 54,
    "a narrow scale": sv_mx(get_format("mxint8", scale_bits=7)) | 1 << 50 | 1 << 54,
    "spare bit": MXINT8 | 1 << 50 | 1 << 54 | 1 << 60,
}


def test_formats_with_micro_exponents(tmp_path: Path) -> None:
    conditions = [f"!is_micro_mx({sv_literal(micro_number(fmt))})" for fmt in MICRO]
    conditions += [f"is_mx({sv_literal(micro_number(fmt))})" for fmt in MICRO]
    conditions += [
        f"pack_micro_mx({fmt.element_bits}, {fmt.block_size}) != {sv_literal(micro_number(fmt))}"
        for fmt in MICRO
    ]
    conditions += [f"is_micro_mx({sv_literal(number)})" for number in ILLEGAL_MICRO.values()]
    assert wrong(conditions, tmp_path) == []


def test_what_a_dot_with_micro_exponents_counts_in(tmp_path: Path) -> None:
    """Elements of a bit more, and pairs as blocks."""
    mx9, mxint9 = MicroMx(element_bits=8), get_format("mxint9")
    number, pair = sv_literal(micro_number(mx9)), get_format("mxint8", block_size=2)
    conditions = [
        f"micro_halves({number}) != {sv_literal(sv_mx(mxint9))}",
        f"micro_pair({number}) != {sv_literal(sv_mx(pair))}",
    ]
    assert wrong(conditions, tmp_path) == []


def test_no_other_number_is_a_format(tmp_path: Path) -> None:
    conditions = {
        **{name: f"is_scalar({value}) || is_minifloat({value})" for name, value in ILLEGAL.items()},
        **{f"Mx: {name}": f"is_mx(64'h{value:x})" for name, value in ILLEGAL_MX.items()},
    }
    assert wrong(conditions.values(), tmp_path) == []


def smallest(op: Op) -> dict[str, Any]:
    """Return formats and sizes that elaborate fast."""
    formats = formats_for(
        op,
        mx=get_format("mxfp4_e2m1", block_size=1),
        micro=MicroMx(element_bits=2, block_size=2),
        scalar=get_format("e3m2"),
    )
    formats |= {name: op.narrowest(name, "e3m2") for name in op.built_for}
    return formats | dict.fromkeys(op.sizes, 1)


def spoilt(parameters: dict[str, int], how: Callable[[str, int], int]) -> dict[str, int]:
    """Return the parameters with every format's number changed."""
    formats = {key: value for key, value in parameters.items() if key.endswith(("Fmt", "Mx"))}
    assert formats
    return parameters | {key: how(key, value) for key, value in formats.items()}


def spare(key: str, value: int) -> int:
    """Return a format's number with a bit that has no field."""
    return value | (1 << 30 if key.endswith("Fmt") else 1 << 60)


@pytest.mark.parametrize("name", OPS)
def test_a_block_refuses_what_is_no_format(name: str) -> None:
    """Elaboration stops with each parameter's fields, here or in the module that takes it."""
    op = OPS[name]
    parameters = spoilt(op.sv_parameters(**smallest(op)), spare)
    words = lint(op.module, [*waivers(), *needed_sources(op.module)], parameters)
    for key, value in parameters.items():
        if key.endswith("Fmt"):
            assert f"Fmt={value} (exp_w=" in words, f"{key}: {words}"
        elif key.endswith("Mx"):
            assert f"Mx=64'h{value:x} (block_size=" in words, f"{key}: {words}"


@pytest.mark.parametrize(
    ("module", "parameters", "says"),
    [
        (
            "plena_fp_mul",
            {"Fmt": 0},
            "plena_fp_mul: no minifloat: Fmt=0 (exp_w=0 man_w=0 bias=0 specials=0 int_w=0",
        ),
        (
            "plena_fp_add",
            {"Fmt": sv_fmt(get_format("q8.8"))},
            "plena_fp_add: no minifloat: Fmt=35651712 (exp_w=0 man_w=8 bias=0 specials=2 int_w=8",
        ),
        (
            "plena_fp_sqrt",
            {"Fmt": sv_fmt(get_format("fp32"))},
            "plena_fp_sqrt: no minifloat of up to 16 bits: Fmt=65400 (exp_w=8 man_w=23 bias=127",
        ),
        (
            "plena_mx_to_fp",
            {"Mx": 0},
            "plena_mx_to_fp: no MX format: Mx=64'h0 (block_size=0 scale_w=0",
        ),
        (
            "plena_mx_dot",
            {"BMx": sv_mx(get_format("mxint8", block_size=16))},
            "plena_mx_dot: blocks of 32 and 16 elements (AMx, BMx), must be equal",
        ),
        (
            "plena_mx_tile",
            {"Rows": 1, "Cols": 2, "Stages": 2},
            "plena_mx_path: Slots=2 lanes in turn with Stages=2, must be at least 3: a sum is writ",
        ),
        ("plena_mx_tile", {"Stages": 3}, "plena_mx_path: Stages=3, must be 1 or 2"),
        (
            "plena_mx_requantize",
            {"SrcMx": sv_mx(get_format("mxint8", block_size=4))},
            "plena_mx_requantize: blocks of 4 and 32 elements (SrcMx, DstMx), must be equal",
        ),
        (
            "plena_fp_to_micro",
            {"Mx": MXINT8},
            "plena_fp_to_micro: no MX format with micro-exponents: Mx=64'h404008200060 (block_size",
        ),
        (
            "plena_micro_dot",
            {"AMx": micro_number(MicroMx(element_bits=5, block_size=4))},
            "plena_micro_dot: blocks of 4 and 32 elements (AMx, BMx), must be equal",
        ),
        (
            "plena_hadamard",
            {"Lanes": 24, "Block": 6},
            "plena_hadamard: Block=6 must divide Lanes=24 and be K * 2^r (K = 1, 12 .. 172)",
        ),
        (
            "plena_hadamard",
            {"Lanes": 3, "Block": 2},
            "plena_hadamard: Block=2 must divide Lanes=3 and be K * 2^r (K = 1, 12 .. 172)",
        ),
        (
            "plena_signed_sums",
            {"Order": 24},
            "plena_signed_sums: Order=24 (4 times an odd number, 12 to 172)",
        ),
    ],
)
def test_message_names_module_and_fields(
    module: str, parameters: dict[str, int], says: str
) -> None:
    words = lint(module, [*waivers(), *needed_sources(module)], parameters)
    assert says in words
    assert "%Error: /" not in words  # nothing else is in the way


@pytest.mark.parametrize("name", ["fp_cast", "mx_dot", "fp_to_micro", "micro_dot"])
def test_legal_numbers_pass(name: str) -> None:
    op = OPS[name]
    parameters: dict[str, Any] = op.sv_parameters(**smallest(op))
    assert lint(op.module, [*waivers(), *needed_sources(op.module)], parameters) == ""
