"""GPTQ and Qronos as [gptq] with selectors that take what it calibrates."""

from __future__ import annotations

from typing import Any

import pytest

from plena_cosim.golden import FormatError, get_format
from plena_cosim.interop.quark import scheme, to_recipe, to_recipe_tables
from plena_cosim.interop.quark.quantization.config.config import (
    AlgoConfig,
    AWQConfig,
    Bfloat16Spec,
    Config,
    GPTQConfig,
    Int4PerGroupSpec,
    MX9Spec,
    OCP_MXFP4Spec,
    OCP_MXINT8Spec,
    QronosConfig,
    QuantizationConfig,
)
from plena_cosim.interop.quark.schemes import SCHEMES
from plena_cosim.passes.recipe.load import read_quant_config

MXFP4, MXINT8 = OCP_MXFP4Spec(), OCP_MXINT8Spec(scale_calculation_mode="floor")
WEIGHT = QuantizationConfig(weight=MXFP4)


def made(layer: QuantizationConfig, *, gptq: AlgoConfig | None = None, **more: Any) -> Any:
    algorithms = [gptq or GPTQConfig()]
    return to_recipe(Config(layer, algo_config=algorithms, **more), model_name="demo")


CALIBRATED = [
    name for name in SCHEMES if name.startswith(("mxfp", "int", "uint", "fp8", "ptpc_fp8"))
    and name not in ("int4_fp8",)
]  # fmt: skip


@pytest.mark.parametrize("algorithm", [GPTQConfig(), QronosConfig([], "")])
@pytest.mark.parametrize("name", CALIBRATED)
def test_schemes_have_the_same_formats_when_calibrated(name: str, algorithm: AlgoConfig) -> None:
    plain = read_quant_config(to_recipe_tables(scheme(name))).selectors[0]
    found = read_quant_config(made(scheme(name), gptq=algorithm).tables)
    linear, convolution = found.selectors
    assert (linear.types, linear.gptq) == (("Linear",), True)
    assert (convolution.types, convolution.gptq) == (("Conv2d", "ConvTranspose2d"), False)
    assert linear.formats == convolution.formats == plain.formats
    assert found.calibrated == plain.formats.weight


def test_mx_is_the_format_of_the_machine() -> None:
    found = read_quant_config(made(QuantizationConfig(weight=MXINT8)).tables)
    assert found.calibrated == get_format("mxint8", scale_rule="floor")


def test_the_table() -> None:
    table = made(WEIGHT, gptq=GPTQConfig(damp_percent=0.1, desc_act=False)).tables["gptq"]
    assert table == {
        "model_name": "demo",
        "format": "spec",
        "damp_percent": 0.1,
        "desc_act": False,
        "quantile_search": False,
        "scale_neighbours": 0,
        "weight_config": {
            "element": "mxfp4_e2m1",
            "granularity": "group",
            "axis": -1,
            "group_size": 32,
            "scale_rule": "even",
        },
    }


def test_the_table_of_integers() -> None:
    layer = QuantizationConfig(weight=Int4PerGroupSpec(ch_axis=-1, group_size=128))
    table = made(layer, gptq=GPTQConfig(block_size=64)).tables["gptq"]
    weight = table.pop("weight_config")
    assert table == {
        "model_name": "demo",
        "format": "spec",
        "damp_percent": 0.01,
        "desc_act": True,
        "static_groups": True,
        "block_size": 64,
    }
    assert (weight["element"], weight["group_size"]) == ("int4", 128)


def test_qronos() -> None:
    found = made(WEIGHT, gptq=QronosConfig([], "", alpha=1e-6, beta=100.0))
    table = found.tables["gptq"]
    assert {key: table[key] for key in ("algorithm", "alpha", "beta")} == {
        "algorithm": "qronos",
        "alpha": 1e-6,
        "beta": 100.0,
    }
    assert "damp_percent" not in table
    read = read_quant_config(found.tables)
    assert read.gptq is not None
    assert read.gptq.algorithm == "qronos"


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
        ("*embed*", ("Conv2d", "ConvTranspose2d", "Embedding"), False, False),
        ("*q_proj", ("Linear",), True, False),
        ("*q_proj", ("Conv2d", "ConvTranspose2d"), False, False),
        ("*", ("Linear",), True, False),
        ("*", ("Conv2d", "ConvTranspose2d"), False, False),
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
        (QuantizationConfig(weight=MX9Spec()), "integers, minifloats and MX; got mx9"),
        (QuantizationConfig(weight=Bfloat16Spec()), "integers, minifloats and MX; got bf16"),
        (QuantizationConfig(weight=[MXFP4, MXFP4]), "integers, minifloats and MX; got a chain"),
        (QuantizationConfig(input_tensors=MXFP4), "weights of one format; here are 0: none"),
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
