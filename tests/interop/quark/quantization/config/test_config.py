"""Every class of Quark's document: its name, its signature and its printed example."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from plena_cosim.interop.quark.quantization.config import config
from plena_cosim.interop.quark.quantization.config.config import (
    AlgoConfig,
    AutoSmoothQuantConfig,
    AWQConfig,
    Bfloat16Spec,
    BFP16Spec,
    Config,
    Float16Spec,
    FP4PerGroupSpec,
    FP8E4M3PerChannelSpec,
    FP8E4M3PerGroupSpec,
    FP8E4M3PerTensorSpec,
    FP8E5M2PerChannelSpec,
    FP8E5M2PerGroupSpec,
    FP8E5M2PerTensorSpec,
    GPTQConfig,
    Int2PerGroupSpec,
    Int3PerChannelSpec,
    Int3PerGroupSpec,
    Int4PerChannelSpec,
    Int4PerGroupSpec,
    Int4PerTensorSpec,
    Int8PerChannelSpec,
    Int8PerGroupSpec,
    Int8PerTensorSpec,
    MX6Spec,
    MX9Spec,
    OCP_MXFP4Spec,
    OCP_MXFP6E2M3Spec,
    OCP_MXFP6E3M2Spec,
    OCP_MXFP8E4M3Spec,
    OCP_MXFP8E5M2Spec,
    OCP_MXINT8Spec,
    ProgressiveSpec,
    QConfig,
    QLayerConfig,
    QronosConfig,
    QTensorConfig,
    QuantizationConfig,
    QuantizationSpec,
    QuaRotConfig,
    RotationConfig,
    ScaleQuantSpec,
    SmoothQuantConfig,
    Uint4PerChannelSpec,
    Uint4PerGroupSpec,
    Uint4PerTensorSpec,
    Uint8PerChannelSpec,
    Uint8PerGroupSpec,
    Uint8PerTensorSpec,
)
from plena_cosim.interop.quark.quantization.config.data_types import DATA_TYPES
from plena_cosim.interop.quark.quantization.config.type import (
    Dtype,
    QSchemeType,
    RoundType,
    ScaleType,
)
from plena_cosim.interop.quark.quantization.observer.observer import PerChannelMinMaxObserver

group_size = 32
EXAMPLES: dict[str, Callable[[], Any]] = {
    "ProgressiveSpec": lambda: ProgressiveSpec(
        first_stage=FP8E4M3PerTensorSpec(observer_method="min_max", is_dynamic=False),
        second_stage=Int4PerChannelSpec(
            symmetric=False,
            scale_type="float",
            round_method="half_even",
            ch_axis=0,
            is_dynamic=False,
        ),
    ).to_quantization_spec(),
    "ScaleQuantSpec": lambda: ScaleQuantSpec(
        first_stage=FP4PerGroupSpec(group_size=16, is_dynamic=False),
        second_stage=FP8E4M3PerTensorSpec(observer_method="min_max", is_dynamic=False),
    ).to_quantization_spec(),
    "Uint4PerTensorSpec": lambda: Uint4PerTensorSpec(
        is_dynamic=True, symmetric=False
    ).to_quantization_spec(),
    "Uint4PerChannelSpec": lambda: Uint4PerChannelSpec(
        symmetric=True, scale_type="float", round_method="half_even", ch_axis=0, is_dynamic=False
    ).to_quantization_spec(),
    "Uint4PerGroupSpec": lambda: Uint4PerGroupSpec(
        symmetric=False,
        scale_type="float",
        round_method="half_even",
        ch_axis=1,
        is_dynamic=False,
        group_size=128,
    ).to_quantization_spec(),
    "Int3PerGroupSpec": lambda: Int3PerGroupSpec(
        symmetric=True,
        scale_type="float",
        round_method="half_even",
        is_dynamic=False,
        group_size=32,
    ).to_quantization_spec(),
    "Int3PerChannelSpec": lambda: Int3PerChannelSpec(
        symmetric=False, scale_type="float", round_method="half_even", ch_axis=0, is_dynamic=False
    ).to_quantization_spec(),
    "Int2PerGroupSpec": lambda: Int2PerGroupSpec(
        symmetric=True,
        scale_type="float",
        round_method="half_even",
        is_dynamic=False,
        group_size=32,
    ).to_quantization_spec(),
    "Int4PerTensorSpec": lambda: Int4PerTensorSpec(
        observer_method="min_max",
        symmetric=True,
        scale_type="float",
        round_method="half_even",
        is_dynamic=False,
    ).to_quantization_spec(),
    "Int4PerChannelSpec": lambda: Int4PerChannelSpec(
        symmetric=False, scale_type="float", round_method="half_even", ch_axis=0, is_dynamic=False
    ).to_quantization_spec(),
    "Int4PerGroupSpec": lambda: Int4PerGroupSpec(
        symmetric=True,
        scale_type="float",
        round_method="half_even",
        ch_axis=1,
        is_dynamic=False,
        group_size=128,
    ).to_quantization_spec(),
    "Uint8PerTensorSpec": lambda: Uint8PerTensorSpec(
        observer_method="percentile",
        symmetric=True,
        scale_type="float",
        round_method="half_even",
        is_dynamic=False,
    ).to_quantization_spec(),
    "Uint8PerChannelSpec": lambda: Uint8PerChannelSpec(
        symmetric=True, scale_type="float", round_method="half_even", ch_axis=0, is_dynamic=False
    ).to_quantization_spec(),
    "Uint8PerGroupSpec": lambda: Uint8PerGroupSpec(
        symmetric=False,
        scale_type="float",
        round_method="half_even",
        ch_axis=1,
        is_dynamic=False,
        group_size=128,
    ).to_quantization_spec(),
    "Int8PerTensorSpec": lambda: Int8PerTensorSpec(
        observer_method="min_max",
        symmetric=True,
        scale_type="float",
        round_method="half_even",
        is_dynamic=False,
    ).to_quantization_spec(),
    "Int8PerChannelSpec": lambda: Int8PerChannelSpec(
        symmetric=False, scale_type="float", round_method="half_even", ch_axis=0, is_dynamic=False
    ).to_quantization_spec(),
    "Int8PerGroupSpec": lambda: Int8PerGroupSpec(
        symmetric=True,
        scale_type="float",
        round_method="half_even",
        ch_axis=1,
        is_dynamic=False,
        group_size=128,
    ).to_quantization_spec(),
    "FP8E4M3PerTensorSpec": lambda: FP8E4M3PerTensorSpec(
        observer_method="min_max", is_dynamic=False
    ).to_quantization_spec(),
    "FP8E4M3PerChannelSpec": lambda: FP8E4M3PerChannelSpec(
        is_dynamic=False, ch_axis=0
    ).to_quantization_spec(),
    "FP8E4M3PerGroupSpec": lambda: FP8E4M3PerGroupSpec(
        ch_axis=-1, group_size=group_size, is_dynamic=True
    ).to_quantization_spec(),
    "FP8E5M2PerTensorSpec": lambda: FP8E5M2PerTensorSpec(
        observer_method="min_max", is_dynamic=False
    ).to_quantization_spec(),
    "FP8E5M2PerChannelSpec": lambda: FP8E5M2PerChannelSpec(
        is_dynamic=False, ch_axis=0
    ).to_quantization_spec(),
    "FP8E5M2PerGroupSpec": lambda: FP8E5M2PerGroupSpec(
        ch_axis=-1, group_size=group_size, is_dynamic=True
    ).to_quantization_spec(),
    "FP4PerGroupSpec": lambda: FP4PerGroupSpec(
        ch_axis=-1, group_size=group_size, is_dynamic=True
    ).to_quantization_spec(),
    "Float16Spec": lambda: Float16Spec().to_quantization_spec(),
    "Bfloat16Spec": lambda: Bfloat16Spec().to_quantization_spec(),
    "OCP_MXFP8E4M3Spec": lambda: OCP_MXFP8E4M3Spec(
        ch_axis=-1, is_dynamic=False
    ).to_quantization_spec(),
    "OCP_MXFP8E5M2Spec": lambda: OCP_MXFP8E5M2Spec(
        ch_axis=-1, is_dynamic=False
    ).to_quantization_spec(),
    "OCP_MXFP6E3M2Spec": lambda: OCP_MXFP6E3M2Spec(
        ch_axis=-1, is_dynamic=False
    ).to_quantization_spec(),
    "OCP_MXFP6E2M3Spec": lambda: OCP_MXFP6E2M3Spec(
        ch_axis=-1, is_dynamic=False
    ).to_quantization_spec(),
    "OCP_MXFP4Spec": lambda: OCP_MXFP4Spec(ch_axis=-1, is_dynamic=False).to_quantization_spec(),
    "OCP_MXINT8Spec": lambda: OCP_MXINT8Spec(ch_axis=-1, is_dynamic=False).to_quantization_spec(),
    "MX6Spec": lambda: MX6Spec(is_dynamic=False).to_quantization_spec(),
    "MX9Spec": lambda: MX9Spec(is_dynamic=False).to_quantization_spec(),
    "BFP16Spec": lambda: BFP16Spec(is_dynamic=False).to_quantization_spec(),
    "QuantizationSpec": lambda: QuantizationSpec(
        dtype=Dtype.int8,
        qscheme=QSchemeType.per_channel,
        observer_cls=PerChannelMinMaxObserver,
        symmetric=True,
        scale_type=ScaleType.float,
        round_method=RoundType.half_even,
        is_dynamic=False,
        ch_axis=1,
    ),
}
"""The document's examples, as printed."""

_ATTENTION = {
    "prev_op": "input_layernorm",
    "layers": ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
    "inp": "self_attn.q_proj",
    "module2inspect": "self_attn",
}
_MLP = {
    "prev_op": "post_attention_layernorm",
    "layers": ["mlp.gate_proj", "mlp.up_proj"],
    "inp": "mlp.gate_proj",
    "module2inspect": "mlp",
}
_OUTPUT = {
    "prev_op": "self_attn.v_proj",
    "layers": ["self_attn.o_proj"],
    "inp": "self_attn.o_proj",
}
_DOWN = {"prev_op": "mlp.up_proj", "layers": ["mlp.down_proj"], "inp": "mlp.down_proj"}
_INSIDE = [
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.q_proj",
    "self_attn.o_proj",
    "mlp.up_proj",
    "mlp.gate_proj",
    "mlp.down_proj",
]
ALGORITHMS: dict[str, Callable[[], AlgoConfig]] = {
    "SmoothQuantConfig": lambda: SmoothQuantConfig(
        scaling_layers=[_ATTENTION, _MLP], model_decoder_layers="model.layers"
    ),
    "RotationConfig": lambda: RotationConfig(
        scaling_layers=[_ATTENTION, _MLP], model_decoder_layers="model.layers"
    ),
    "QuaRotConfig": lambda: QuaRotConfig(
        model_decoder_layers="model.layers",
        v_proj="self_attn.v_proj",
        o_proj="self_attn.o_proj",
        self_attn="self_attn",
        mlp="mlp",
    ),
    "AutoSmoothQuantConfig": lambda: AutoSmoothQuantConfig(
        model_decoder_layers="model.layers",
        scaling_layers=[_ATTENTION, _OUTPUT, _MLP, _DOWN],
    ),
    "AWQConfig": lambda: AWQConfig(
        model_decoder_layers="model.layers", scaling_layers=[_ATTENTION, _MLP]
    ),
    "GPTQConfig": lambda: GPTQConfig(
        inside_layer_modules=_INSIDE, model_decoder_layers="model.layers"
    ),
    "QronosConfig": lambda: QronosConfig(
        inside_layer_modules=_INSIDE, model_decoder_layers="model.layers"
    ),
}
"""The document's examples of algorithms, as printed."""

TENSOR = "observer_method=None, symmetric=None, scale_type=None, round_method=None, is_dynamic=None"
CHANNEL = "symmetric=None, scale_type=None, round_method=None, ch_axis=None, is_dynamic=None"
GROUP = f"{CHANNEL}, group_size=None"
ORDERED = (
    "symmetric={}, ch_axis=None, is_dynamic=None, scale_type=None, round_method='half_even', "
    "group_size=None"
)
MINIFLOATS = (
    "scale_format='float32', scale_calculation_mode=None, ch_axis=-1, is_dynamic=None, "
    "group_size=None"
)
OCP = "is_dynamic=True, ch_axis=-1, scale_calculation_mode='even'"
BLOCKS = "ch_axis=-1, block_size=32, scale_calculation_mode='even', is_dynamic=None"
SIGNATURES = {
    "Uint4PerTensorSpec": TENSOR,
    "Uint4PerChannelSpec": f"{CHANNEL}, zero_point_type='int32'",
    "Uint4PerGroupSpec": ORDERED.format(False),
    "Int3PerGroupSpec": GROUP,
    "Int3PerChannelSpec": CHANNEL,
    "Int2PerGroupSpec": GROUP,
    "Int4PerTensorSpec": TENSOR,
    "Int4PerChannelSpec": CHANNEL,
    "Int4PerGroupSpec": ORDERED.format(True),
    "Uint8PerTensorSpec": TENSOR,
    "Uint8PerChannelSpec": CHANNEL,
    "Uint8PerGroupSpec": GROUP,
    "Int8PerTensorSpec": TENSOR,
    "Int8PerChannelSpec": CHANNEL,
    "Int8PerGroupSpec": GROUP,
    "FP8E4M3PerTensorSpec": "observer_method=None, scale_type=None, is_dynamic=None",
    "FP8E4M3PerChannelSpec": CHANNEL,
    "FP8E4M3PerGroupSpec": MINIFLOATS,
    "FP8E5M2PerTensorSpec": TENSOR,
    "FP8E5M2PerChannelSpec": CHANNEL,
    "FP8E5M2PerGroupSpec": MINIFLOATS,
    "FP4PerGroupSpec": MINIFLOATS,
    "FP6E2M3PerGroupSpec": MINIFLOATS,
    "FP6E3M2PerGroupSpec": MINIFLOATS,
    "Float16Spec": "",
    "Bfloat16Spec": "",
    "OCP_MXFP8E4M3Spec": OCP,
    "OCP_MXFP8E5M2Spec": OCP,
    "OCP_MXFP6E3M2Spec": OCP,
    "OCP_MXFP6E2M3Spec": OCP,
    "OCP_MXFP4Spec": OCP,
    "OCP_MXINT8Spec": OCP,
    "OCP_MXFP4DiffsSpec": "ch_axis=None, is_dynamic=None, scale_calculation_mode='even'",
    "MX6Spec": BLOCKS,
    "MX9Spec": BLOCKS,
    "BFP16Spec": "ch_axis=-1, scale_calculation_mode='even', is_dynamic=None",
}
"""The document's signatures; is_dynamic of MX6, MX9 and BFP16 is in its examples only."""
OTHERS = {
    "ProgressiveSpec": "first_stage, second_stage",
    "ScaleQuantSpec": "first_stage, second_stage",
    "TwoStageSpec": "first_stage, second_stage",
    "TQTSpec": "threshold_init_meth=None",
    "QuantizationSpec": (
        "dtype, observer_cls=None, is_dynamic=None, qscheme=None, ch_axis=None, group_size=None, "
        "symmetric=None, round_method=None, scale_type=None, scale_format=None, "
        "scale_calculation_mode=None, qat_spec=None, mx_element_dtype=None, "
        "zero_point_type=<ZeroPointType.int32: 'int32'>, is_scale_quant=False"
    ),
    "QuantizationConfig": (
        "input_tensors=None, output_tensors=None, weight=None, bias=None, target_device=None"
    ),
    "SmoothQuantConfig": (
        "name='smooth', alpha=1, scale_clamp_min=0.001, scaling_layers=<factory>, "
        "model_decoder_layers=''"
    ),
    "AutoSmoothQuantConfig": (
        "name='autosmoothquant', scaling_layers=None, model_decoder_layers=None, "
        "compute_scale_loss='MSE'"
    ),
    "AWQConfig": "name='awq', scaling_layers=<factory>, model_decoder_layers=''",
    "QuaRotConfig": (
        "scaling_layers=None, name='quarot', r1=True, r2=True, r3=True, r4=True, "
        "rotation_size=None, random_r1=False, random_r2=False, optimized_rotation_path=None, "
        "backbone='model', model_decoder_layers='model.layers', v_proj='self_attn.v_proj', "
        "o_proj='self_attn.o_proj', self_attn='self_attn', mlp='mlp'"
    ),
    "GPTQConfig": (
        "name='gptq', block_size=128, damp_percent=0.01, desc_act=True, static_groups=True, "
        "inside_layer_modules=<factory>, model_decoder_layers=''"
    ),
    "QronosConfig": (
        "inside_layer_modules, model_decoder_layers, name='qronos', block_size=128, "
        "desc_act=True, static_groups=True, alpha=0.001, beta=10000.0"
    ),
}
"""The same of all other classes; scaling_layers of QuaRot is left out in its example."""
EXTENDED = {
    "Config": (
        "global_quant_config, layer_type_quant_config=<factory>, layer_quant_config=<factory>, "
        "kv_cache_quant_config=<factory>, kv_cache_group=<factory>, min_kv_scale=0.0, "
        "softmax_quant_spec=None, exclude=<factory>, algo_config=None, "
        "quant_mode=<QuantizationMode.eager_mode: 1>, log_severity_level=1, version='0.10', "
    ),
    "RotationConfig": "model_decoder_layers, scaling_layers, name='rotation', random=False, ",
}
"""The document's signatures where Quark 0.13 has arguments besides, which follow."""


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_printed_example_constructs(name: str) -> None:
    made = EXAMPLES[name]()
    for spec in made if isinstance(made, list) else [made]:
        assert isinstance(spec, QuantizationSpec)


def test_every_class_of_the_document_is_there() -> None:
    assert set(SIGNATURES) == set(DATA_TYPES)
    assert {*SIGNATURES, *OTHERS, *EXTENDED} <= set(config.__all__)
    assert all(getattr(config, name) for name in config.__all__)
    assert QTensorConfig is QuantizationSpec
    assert QLayerConfig is QuantizationConfig
    assert QConfig is Config


@pytest.mark.parametrize("name", ALGORITHMS)
def test_the_printed_example_of_an_algorithm_constructs(name: str) -> None:
    made = ALGORITHMS[name]()
    assert type(made).__name__ == name
    assert type(made).from_dict(made.to_dict()) == made


@pytest.mark.parametrize("name", EXTENDED)
def test_the_signature_begins_as_the_documents(name: str) -> None:
    assert signature(name).startswith(EXTENDED[name])


def test_what_a_factory_makes_is_empty() -> None:
    made = Config(QuantizationConfig())
    assert (made.layer_type_quant_config, made.layer_quant_config) == ({}, {})
    assert (made.kv_cache_quant_config, made.kv_cache_group, made.exclude) == ({}, [], [])
    assert SmoothQuantConfig().scaling_layers == AWQConfig().scaling_layers == []
    assert GPTQConfig().inside_layer_modules == []


@pytest.mark.parametrize("name", [*SIGNATURES, *OTHERS])
def test_the_signature_is_the_documents(name: str) -> None:
    assert signature(name) == {**SIGNATURES, **OTHERS}[name]


def signature(name: str) -> str:
    parameters = inspect.signature(getattr(config, name)).parameters.values()
    return ", ".join(str(each.replace(annotation=each.empty)) for each in parameters)


def test_help_shows_the_arguments() -> None:
    import pydoc

    text = pydoc.plain(pydoc.render_doc(Int8PerTensorSpec))
    assert "Int8PerTensorSpec(observer_method: 'str | None' = None, symmetric" in text
    assert "int8; arguments as in PerTensor." in text


def test_no_specification_needs_torch() -> None:
    code = (
        "import sys, plena_cosim.interop.quark.quantization.config.config as config; "
        "import plena_cosim.interop.quark.golden_format as golden; "
        "golden.golden_formats(config.MX6Spec()); "
        "import plena_cosim.interop.quark.files, plena_cosim.interop.quark.recipe as recipe; "
        "recipe.to_recipe(config.Config(config.QuantizationConfig(weight=config.MX6Spec()))); "
        "assert 'torch' not in sys.modules, 'torch'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
