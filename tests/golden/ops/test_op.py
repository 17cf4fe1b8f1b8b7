"""What an op of the registry knows of itself: ports, parameters, and how golden is called."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from plena_cosim.golden import FormatError, get_format, ops
from plena_cosim.golden.blocks import MicroMx
from plena_cosim.golden.formats import sv_fmt, sv_mx
from plena_cosim.golden.ops import OPS, Port

from ...op_arguments import MX, block_arguments, usual_arguments
from ..samples import random_codes

BF16, E4M3 = get_format("bf16"), get_format("e4m3")
DOT: dict[str, Any] = {"a": MX, "b": get_format("mxint8", block_size=4), "acc": get_format("fp32")}


def test_ports_of_each_kind() -> None:
    formats = usual_arguments(OPS["mx_to_fp"])
    widths = {
        port.name: (port.width_bits(formats), port.lanes(formats))
        for port in (*OPS["mx_to_fp"].inputs, *OPS["mx_to_fp"].outputs)
    }
    assert widths == {"codes": (4, 4), "scale": (6, 1), "y": (16, 4)}
    first = Port("first", "", "flag")
    assert (first.width_bits({}), first.lanes({}), first.is_array()) == (1, 1, False)


def test_parameters_of_each_block() -> None:
    e4m3 = sv_fmt(E4M3)
    assert OPS["fp_add"].sv_parameters(fmt=E4M3, rounding="rtz", overflow="ieee") == {
        "Fmt": e4m3,
        "Rounding": 2,
        "Saturate": 0,
    }
    q4_4 = get_format("q4.4")
    cast = OPS["fp_cast"].sv_parameters(src=q4_4, dst=E4M3)
    assert cast == {"SrcFmt": sv_fmt(q4_4), "DstFmt": e4m3, "Rounding": 0, "Saturate": 1}
    assert OPS["mx_dot"].sv_parameters(**DOT) == {
        "AMx": sv_mx(DOT["a"]),
        "BMx": sv_mx(DOT["b"]),
        "AccFmt": sv_fmt(DOT["acc"]),
    }
    back = OPS["mx_to_fp"].sv_parameters(mx=MX, dst=BF16, rounding="rup")
    assert back == {"Mx": sv_mx(MX), "DstFmt": sv_fmt(BF16), "Rounding": 3, "Saturate": 1}
    there = OPS["fp_to_mx"].sv_parameters(src=BF16, mx=MX)
    assert there == {"SrcFmt": sv_fmt(BF16), "Mx": sv_mx(MX)}


def test_run_golden_does_not_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nan = {"a": np.array([0x7FC0])}
        out = OPS["fp_cast"].run_golden(nan, src=BF16, dst=get_format("e2m1"))
    assert out["y"].tolist() == [7]


def test_modes_reach_golden() -> None:
    codes = random_codes(BF16, 200, 3)
    for mode in ("rtz", "rup"):
        out = OPS["fp_cast"].run_golden({"a": codes}, src=BF16, dst=E4M3, rounding=mode)
        np.testing.assert_array_equal(out["y"], ops.cast(codes, BF16, E4M3, rounding=mode))


def test_the_inverse_is_a_parameter_and_reaches_golden() -> None:
    op, sizes = OPS["hadamard"], {"fmt": E4M3, "lanes": 92, "block": 92}
    assert op.sv_parameters(**sizes)["Inverse"] == 0
    assert op.sv_parameters(**sizes, inverse=True)["Inverse"] == 1
    x = np.arange(92)[None]
    back = op.run_golden({"x": x}, **sizes, inverse=True)["y"]
    np.testing.assert_array_equal(back, ops.hadamard(x, E4M3, block=92, inverse=True))
    assert (back != op.run_golden({"x": x}, **sizes)["y"]).any()
    message = r"^hadamard: inverse must be True or False, got 'yes'$"
    with pytest.raises(FormatError, match=message):
        op.sv_parameters(**sizes, inverse="yes")


def test_sizes_are_part_of_the_arguments() -> None:
    reduce = OPS["reduce_sum"]
    formats = {"src": BF16, "dst": get_format("fp32")}
    assert reduce.arguments == ("src", "dst", "lanes")
    assert reduce.sv_parameters(**formats, lanes=8)["Lanes"] == 8
    words = r"^reduce_sum takes the formats src, dst and the sizes lanes; got src, dst$"
    with pytest.raises(FormatError, match=words):
        reduce.sv_parameters(**formats)
    with pytest.raises(FormatError, match=r"lanes must be a positive integer, got 0$"):
        reduce.sv_parameters(**formats, lanes=0)


@pytest.mark.parametrize("name", OPS)
def test_how_blocks_that_only_come_in_were_made_does_not_matter(name: str) -> None:
    op, formats = OPS[name], usual_arguments(OPS[name])
    parameters = op.sv_parameters(**formats)
    for argument in block_arguments(op):
        comes_in = argument in {port.fmt for port in op.inputs}
        for change in ({"scale_rule": "even"}, {"rounding": "rtz"}):
            other = op.sv_parameters(**formats | {argument: replace(formats[argument], **change)})
            assert (other == parameters) == comes_in, change


def test_names_of_formats_with_micro_exponents() -> None:
    by_name = OPS["micro_dot"].sv_parameters(a="mx9", b="MX6", acc="fp32")
    nine, six = MicroMx(element_bits=8), MicroMx(element_bits=5)
    assert by_name == OPS["micro_dot"].sv_parameters(a=nine, b=six, acc="fp32")
    with pytest.raises(FormatError, match=r"^unknown block format 'mx99'; .*Did you mean 'mx9'\?$"):
        OPS["micro_dot"].resolve({"a": "mx99", "b": "mx6", "acc": "fp32"})


def test_other_arguments_are_named() -> None:
    with pytest.raises(FormatError, match=r"^fp_cast takes the formats src, dst; got fmt$"):
        OPS["fp_cast"].sv_parameters(fmt=BF16)
    with pytest.raises(FormatError, match=r"^fp_add takes the formats fmt; got none$"):
        OPS["fp_add"].sv_parameters()
    with pytest.raises(FormatError, match=r"^fp_sqrt is built for .* 16 bits; fp32 has 32$"):
        OPS["fp_sqrt"].sv_parameters(fmt=get_format("fp32"))
    with pytest.raises(FormatError, match="stochastic rounding is not available in RTL"):
        OPS["fp_add"].sv_parameters(fmt=BF16, rounding="stochastic")


@pytest.mark.parametrize(
    ("op", "changed", "message"),
    [
        ("mx_dot", {"b": get_format("mxint8", block_size=8)}, "a and b need one block size, got"),
        ("mx_pe", {"b": get_format("mxint8", block_size=8)}, "a and b need one block size, got"),
        ("mx_mm", {"depth": 6}, "depth must be a multiple of the block size"),
        ("attention_step", {"k": get_format("mxint8", block_size=8)}, "q and k need one block"),
        ("attention_step", {"v": get_format("mxint8", block_size=8)}, "p and v need one block"),
        ("attention_step", {"keys": 7}, "keys must be a multiple of the block size"),
        ("micro_dot", {"b": MicroMx(element_bits=5)}, "a and b need one block size, got micro5"),
        ("micro_dot", {"a": MX}, "a must be a MicroMx, got mxfp4_e2m1"),
        ("micro_dot", {"a": "mxint8"}, "a must be a MicroMx, got mxint8"),
        ("fp_to_micro", {"mx": "bfp16"}, "mx must be a MicroMx, got bfp16"),
        ("mx_dot", {"acc": MX}, "acc must be a Minifloat or FixedPoint, got"),
        ("mx_dot", {"a": BF16}, "a must be a Mx, got"),
        ("fp_mul", {"fmt": get_format("q8.8")}, "fmt must be a Minifloat, got"),
        ("fp_mul", {"fmt": MX}, "fmt must be a Minifloat, got"),
        ("reduce_sum", {"dst": get_format("q8.8")}, "dst must be a Minifloat, got"),
        ("hadamard", {"lanes": 24, "block": 6}, r"block must be .* of 24 .* got 6; nearest: 4, 8"),
        ("hadamard", {"lanes": 20, "block": 12}, r"block must be .* of 20 .* got 12; nearest: 4"),
    ],
)
def test_formats_that_do_not_belong_together_are_refused(
    op: str, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(FormatError, match=f"{op}: {message}"):
        OPS[op].resolve(usual_arguments(OPS[op]) | changed)
