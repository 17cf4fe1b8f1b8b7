"""The registry: ports, parameters, and that run_golden is the op itself."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from plena_cosim.golden import FormatError, get_format, ops
from plena_cosim.golden.ops import OPS, Op, Port, get_op

from ..samples import random_codes

BF16, E4M3 = get_format("bf16"), get_format("e4m3")
UNARY = ("reciprocal", "sqrt", "rsqrt", "exp", "exp2", "sigmoid")
MX = get_format("mxfp4_e2m1", block_size=4, scale_bits=6)
FORMATS_OF: dict[str, dict[str, Any]] = {
    "fp_add": {"fmt": E4M3},
    "fp_mul": {"fmt": BF16},
    "fp_cast": {"src": BF16, "dst": E4M3},
    "fp_to_mx": {"src": BF16, "mx": MX},
    "mx_to_fp": {"mx": MX, "dst": BF16},
    "mx_dot": {"a": MX, "b": get_format("mxint8", block_size=4), "acc": get_format("fp32")},
    **{f"fp_{name}": {"fmt": BF16} for name in UNARY},
    "rope": {"fmt": BF16, "groups": 2, "stride": 3},
    "hadamard": {"fmt": BF16, "lanes": 12},
    **{name: {"fmt": BF16, "lanes": 3} for name in ("silu", "swiglu", "gelu_sigmoid", "gelu_tanh")},
}
GOLDEN_TAKES = {"rope": ("stride",)}
"""The sizes that golden has an argument for; it sees the others in its arrays."""


def random_inputs(op: Op, formats: dict[str, Any], count: int) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    return {
        port.name: rng.integers(
            0,
            1 << port.width_bits(formats),
            (count, port.lanes(formats)) if port.is_array() else count,
        )
        for port in op.inputs
    }


@pytest.mark.parametrize("name", OPS)
def test_run_golden_is_the_op(name: str) -> None:
    op, formats = OPS[name], FORMATS_OF[name]
    inputs = random_inputs(op, formats, 50)
    outputs = op.run_golden(inputs, **formats)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        taken = {key: formats[key] for key in (*op.formats, *GOLDEN_TAKES.get(name, ()))}
        direct = op.golden(*inputs.values(), **taken)
    direct = direct if isinstance(direct, tuple) else (direct,)
    assert list(outputs) == [port.name for port in op.outputs]
    for port, result in zip(op.outputs, direct, strict=True):
        found = outputs[port.name]
        np.testing.assert_array_equal(found, result)
        assert found.shape == ((50, port.lanes(formats)) if port.is_array() else (50,))
        assert int(found.max()) >> port.width_bits(formats) == 0


@pytest.mark.parametrize("name", OPS)
def test_names_and_modules(name: str) -> None:
    op = OPS[name]
    assert op.name == name
    assert op.module == f"plena_{name}"
    assert op.summary
    assert get_op(name) is op


def test_ports_of_each_kind() -> None:
    formats = FORMATS_OF["mx_to_fp"]
    widths = {
        port.name: (port.width_bits(formats), port.lanes(formats))
        for port in (*OPS["mx_to_fp"].inputs, *OPS["mx_to_fp"].outputs)
    }
    assert widths == {"codes": (4, 4), "scale": (6, 1), "y": (16, 4)}
    first = Port("first", "", "flag")
    assert (first.width_bits({}), first.lanes({}), first.is_array()) == (1, 1, False)


def test_parameters_of_each_block() -> None:
    assert OPS["fp_add"].sv_parameters(fmt=E4M3, rounding="rtz", overflow="ieee") == {
        "ExpW": 4,
        "ManW": 3,
        "Bias": 7,
        "Specials": 1,
        "Rounding": 2,
        "Saturate": 0,
    }
    cast = OPS["fp_cast"].sv_parameters(src=get_format("q4.4"), dst=E4M3)
    assert cast == {
        **{"SrcExpW": 0, "SrcManW": 4, "SrcIntW": 4, "SrcWrap": 0},
        **{"DstExpW": 4, "DstManW": 3, "DstBias": 7, "DstSpecials": 1},
        **{"Rounding": 0, "Saturate": 1},
    }
    dot = OPS["mx_dot"].sv_parameters(**FORMATS_OF["mx_dot"])
    assert dot == {
        **{"AExpW": 2, "AManW": 1, "ABias": 1, "ASpecials": 2, "AScaleW": 6},
        **{"BExpW": 0, "BManW": 6, "BScaleW": 8, "BlockSize": 4},
        **{"AccExpW": 8, "AccManW": 23, "AccBias": 127, "AccSpecials": 0},
    }
    back = OPS["mx_to_fp"].sv_parameters(**FORMATS_OF["mx_to_fp"], rounding="rup")
    assert not {"ScaleRule", "Symmetric"} & set(back)
    assert (back["Rounding"], back["Saturate"], back["ElemExpW"]) == (3, 1, 2)
    there = OPS["fp_to_mx"].sv_parameters(src=BF16, mx=MX)
    assert (there["SrcExpW"], there["ScaleRule"], there["ScaleW"]) == (8, 0, 6)


def test_only_the_dot_unit_has_state() -> None:
    assert [name for name, op in OPS.items() if op.stateful] == ["mx_dot"]


def test_golden_of_the_registry_is_what_the_package_exports() -> None:
    for name, op in OPS.items():
        exported = name if name in ("fp_to_mx", "mx_to_fp") else name.removeprefix("fp_")
        assert op.golden is getattr(ops, exported)


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


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(FormatError) as caught:
        get_op("fp_mull")
    assert str(caught.value) == (
        f"unknown op 'fp_mull'; known: {', '.join(OPS)}. Did you mean 'fp_mul'?"
    )
    with pytest.raises(FormatError, match=r"^fp_cast takes the formats src, dst; got fmt$"):
        OPS["fp_cast"].sv_parameters(fmt=BF16)
    with pytest.raises(FormatError, match=r"^fp_add takes the formats fmt; got none$"):
        OPS["fp_add"].sv_parameters()
    with pytest.raises(FormatError, match=r"^fp_sqrt is built for .* 16 bits; fp32 has 32$"):
        OPS["fp_sqrt"].sv_parameters(fmt=get_format("fp32"))
    with pytest.raises(FormatError, match="stochastic rounding is not available in RTL"):
        OPS["fp_add"].sv_parameters(fmt=BF16, rounding="stochastic")
