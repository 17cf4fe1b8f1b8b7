"""GPTQ as [gptq] with selectors of mxint and mxfp, whose formats are the specifications'."""

from __future__ import annotations

from typing import Any

import pytest

from plena_cosim.golden import FormatError, get_format
from plena_cosim.interop.quark import scheme, to_recipe, to_recipe_tables
from plena_cosim.interop.quark.quantization.config.config import (
    AWQConfig,
    Config,
    FP8E4M3PerTensorSpec,
    GPTQConfig,
    Int8PerTensorSpec,
    OCP_MXFP4Spec,
    OCP_MXINT8Spec,
    QuantizationConfig,
)
from plena_cosim.interop.quark.schemes import SCHEMES
from plena_cosim.passes.recipe.load import read_quant_config

MXFP4, MXINT8 = OCP_MXFP4Spec(), OCP_MXINT8Spec(scale_calculation_mode="floor")
WEIGHT = QuantizationConfig(weight=MXFP4)


def made(layer: QuantizationConfig, *, gptq: GPTQConfig | None = None, **more: Any) -> Any:
    algorithms = [gptq or GPTQConfig()]
    return to_recipe(Config(layer, algo_config=algorithms, **more), model_name="demo")


@pytest.mark.parametrize("name", [name for name in SCHEMES if name.startswith("mxfp")])
def test_schemes_of_mx_have_the_same_formats_with_gptq(name: str) -> None:
    if name == "mxfp4_fp8":
        with pytest.raises(FormatError, match=r"data_in: .* got fp8_e4m3"):
            made(scheme(name))
        return
    plain = read_quant_config(to_recipe_tables(scheme(name))).selectors[0]
    found = read_quant_config(made(scheme(name)).tables)
    linear, convolution = found.selectors
    assert (linear.types, linear.gptq) == (("Linear",), True)
    assert (convolution.types, convolution.gptq) == (("Conv2d",), False)
    assert linear.formats == convolution.formats == plain.formats
    assert found.calibrated == plain.formats.weight


def test_integers() -> None:
    found = read_quant_config(made(QuantizationConfig(weight=MXINT8)).tables)
    assert found.selectors[0].formats.weight == get_format("mxint8", scale_rule="floor")
    assert found.gptq is not None
    assert found.gptq.format == "mxint"


def test_the_table() -> None:
    table = made(WEIGHT, gptq=GPTQConfig(damp_percent=0.1, desc_act=False)).tables["gptq"]
    assert table == {
        "model_name": "demo",
        "format": "mxfp",
        "damp_percent": 0.1,
        "desc_act": False,
        "quantile_search": False,
        "scale_neighbours": 0,
        "weight_config": {
            "weight_block_size": 32,
            "weight_exponent_width": 2,
            "weight_frac_width": 1,
            "weight_scale_rule": "even",
        },
    }


def test_levels_embeddings_and_exclusions() -> None:
    tables = made(
        WEIGHT,
        layer_quant_config={"*embed*": WEIGHT, "*q_proj": QuantizationConfig(input_tensors=MXFP4)},
        exclude=["lm_head"],
    ).tables
    found = read_quant_config(tables).selectors
    assert [(each.key, each.types, each.gptq, each.bypass) for each in found] == [
        ("lm_head", (), False, True),
        ("*embed*", ("Linear",), True, False),
        ("*embed*", ("Conv2d", "Embedding"), False, False),
        ("*q_proj", ("Linear",), True, False),
        ("*q_proj", ("Conv2d",), False, False),
        ("*", ("Linear",), True, False),
        ("*", ("Conv2d",), False, False),
    ]


def test_notes() -> None:
    notes = made(WEIGHT, gptq=GPTQConfig(inside_layer_modules=["mlp.up_proj"])).notes
    assert [each.partition(" ")[2].partition(":")[0].split()[0] for each in notes] == [
        "block_size",
        "static_groups",
        "inside_layer_modules",
    ]


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (QuantizationConfig(weight=Int8PerTensorSpec()), "weight: .* got int8"),
        (QuantizationConfig(weight=OCP_MXFP4Spec(ch_axis=0)), "weight: .* along the last axis"),
        (QuantizationConfig(weight=MXFP4, output_tensors=MXFP4), "data_out: .* got mxfp4_e2m1"),
        (QuantizationConfig(weight=[MXFP4, MXFP4]), "weight: .* got a chain"),
        (QuantizationConfig(input_tensors=MXFP4), "weights of one format; here are 0: none"),
        (
            QuantizationConfig(weight=MXFP4, input_tensors=FP8E4M3PerTensorSpec(is_dynamic=True)),
            "data_in: .* got fp8_e4m3",
        ),
    ],
)
def test_what_it_does_not_calibrate_is_one_error(layer: QuantizationConfig, message: str) -> None:
    with pytest.raises(FormatError, match=f"gptq: .*{message}"):
        made(layer)


def test_other_errors() -> None:
    with pytest.raises(FormatError, match="give it by --model"):
        to_recipe(Config(WEIGHT, algo_config=[GPTQConfig()]))
    with pytest.raises(FormatError, match="one format; here are 2: "):
        made(WEIGHT, layer_quant_config={"*q_proj": QuantizationConfig(weight=MXINT8)})
    twice = Config(WEIGHT, algo_config=[GPTQConfig(), AWQConfig(), GPTQConfig()])
    with pytest.raises(FormatError, match=r"a recipe has one \[gptq\]"):
        to_recipe(twice, model_name="demo")
