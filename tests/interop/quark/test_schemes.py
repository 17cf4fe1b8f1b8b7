"""Schemes: what Quark 0.13 makes of a name, written down from its own dictionaries."""

from __future__ import annotations

import pytest

from plena_cosim.golden import FormatError
from plena_cosim.interop.quark.quantization.config.quantization_spec import QuantizationSpec
from plena_cosim.interop.quark.recipe import to_recipe_tables
from plena_cosim.interop.quark.schemes import SCHEMES, scheme

STATIC_FP8 = "fp8_e4m3 per_tensor static"
GROUPS = "{} per_group -1 {} static {}"
EXPECTED = {
    **{f"int4_wo_{size}": (GROUPS.format("int4", size, "symmetric"), "") for size in (32, 64, 128)},
    "int4_wo_per_channel": ("int4 per_channel 0 static symmetric", ""),
    "int4_wa_64": ("int4 per_group -1 64 static symmetric", "int4 per_group -1 64 symmetric"),
    **{f"uint4_wo_{size}": (GROUPS.format("uint4", size, "int32"), "") for size in (32, 64, 128)},
    "uint4_wo_per_channel": ("uint4 per_channel 0 static int32", ""),
    "int8": ("int8 per_tensor static symmetric", "int8 per_tensor static symmetric"),
    "fp8": (STATIC_FP8, STATIC_FP8),
    "ptpc_fp8": ("fp8_e4m3 per_channel 0 static", "fp8_e4m3 per_channel 1"),
    "mxfp4": ("fp4 per_group -1 32 static e8m0", "fp4 per_group -1 32 e8m0"),
    "mxfp4_weight_only": ("fp4 per_group -1 32 static e8m0", ""),
    "mxfp6_e3m2": ("fp6_e3m2 per_group -1 32 static e8m0", "fp6_e3m2 per_group -1 32 e8m0"),
    "mxfp6_e2m3": ("fp6_e2m3 per_group -1 32 static e8m0", "fp6_e2m3 per_group -1 32 e8m0"),
    "mxfp8": ("fp8_e4m3 per_group -1 32 static e8m0", "fp8_e4m3 per_group -1 32 e8m0"),
    "mxfp4_mxfp6_e2m3": ("fp4 per_group -1 32 static e8m0", "fp6_e2m3 per_group -1 32 e8m0"),
    "mxfp4_fp8": ("fp4 per_group -1 32 static e8m0", STATIC_FP8),
    "nvfp4": (
        f"fp4 per_group -1 16 static, scales {STATIC_FP8}",
        f"fp4 per_group -1 16, scales {STATIC_FP8}",
    ),
    "fp4_block16_scale_e4m3": (
        f"fp4 per_group -1 16 static, scales {STATIC_FP8}",
        f"fp4 per_group -1 16, scales {STATIC_FP8}",
    ),
    "mx6": ("mx6 -1 16", "mx6 -1 16"),
    "mx9": ("mx9 -1 16", "mx9 -1 16"),
    "bfp16": ("bfp16 -1 8", "bfp16 -1 8"),
    "int4_fp8": (
        f"{STATIC_FP8}, int4 per_channel 0 static symmetric",
        "fp8_e4m3 per_tensor",
    ),
}


def said(spec: QuantizationSpec) -> str:
    """A specification in a few words."""
    words = ["scales"] if spec.is_scale_quant else []
    words += [spec.dtype.name] + ([] if spec.qscheme is None else [spec.qscheme.name])
    if spec.dtype.name in ("mx6", "mx9", "bfp16"):
        return f"{words[0]} {spec.ch_axis} {spec.group_size}"
    words += [str(each) for each in (spec.ch_axis, spec.group_size) if each is not None]
    words += [] if spec.is_dynamic else ["static"]
    if "int" in spec.dtype.name:
        assert spec.zero_point_type is not None
        words.append("symmetric" if spec.symmetric else spec.zero_point_type.name)
    elif spec.scale_format == "e8m0":
        words.append(spec.scale_format)
    return " ".join(words)


def test_every_scheme_is_expected() -> None:
    assert set(SCHEMES) == set(EXPECTED)


@pytest.mark.parametrize("name", SCHEMES)
def test_what_a_scheme_is(name: str) -> None:
    found = scheme(name)
    weight, data = (", ".join(map(said, found.stages(key))) for key in ("weight", "input_tensors"))
    assert (weight, data) == EXPECTED[name]
    assert not found.stages("output_tensors")
    assert not found.stages("bias")


@pytest.mark.parametrize("name", SCHEMES)
def test_every_scheme_is_a_recipe(name: str) -> None:
    table = to_recipe_tables(scheme(name))["*"][0]
    assert set(table) == {"name", "type", "weight"} | ({"data_in"} if EXPECTED[name][1] else set())


def test_an_unknown_scheme_names_the_nearest() -> None:
    with pytest.raises(FormatError, match=r"unknown scheme 'mxpf4'; known: .*mean 'mxfp4'?"):
        scheme("mxpf4")
    with pytest.raises(FormatError, match="need the name of a scheme"):
        scheme(None)  # type: ignore[arg-type]
