"""Config: its levels by name, and JSON of here, of Quark 0.13 and of a checkpoint."""

from __future__ import annotations

import json
from typing import Any

import pytest
from torch import nn

from plena_cosim.golden import FormatError
from plena_cosim.interop.quark.quantization.config.config import (
    AWQConfig,
    Config,
    FP8E4M3PerTensorSpec,
    GPTQConfig,
    Int8PerTensorSpec,
    QuantizationConfig,
    Uint8PerTensorSpec,
)
from plena_cosim.interop.quark.quantization.config.type import QuantizationMode

INT8 = QuantizationConfig(weight=Int8PerTensorSpec())
OUTPUT = QuantizationConfig(output_tensors=FP8E4M3PerTensorSpec())
WHOLE = Config(
    INT8,
    {"Conv2d": INT8},
    {"*q_proj": INT8},
    {"*k_proj": OUTPUT},
    ["*k_proj", "*v_proj"],
    0.5,
    Uint8PerTensorSpec(),  # type: ignore[arg-type]
    ["lm_head"],
    [AWQConfig(), GPTQConfig()],
    QuantizationMode.fx_graph_mode,
    2,
    None,
    True,
)


def test_types_by_class_or_name() -> None:
    by_class = Config(INT8, layer_type_quant_config={nn.Conv2d: INT8})
    assert by_class == Config(INT8, layer_type_quant_config={"Conv2d": INT8})
    assert list(by_class.layer_type_quant_config) == ["Conv2d"]


def test_one_algorithm_is_a_list_of_one() -> None:
    assert Config(INT8, algo_config=AWQConfig()).algo_config == [AWQConfig()]  # type: ignore[arg-type]


def test_a_mode_by_name() -> None:
    made = Config(INT8, quant_mode="fx_graph_mode")  # type: ignore[arg-type]
    assert made.quant_mode is QuantizationMode.fx_graph_mode


@pytest.mark.parametrize("made", [Config(INT8), WHOLE], ids=["least", "most"])
def test_json_gives_it_back(made: Config) -> None:
    assert Config.from_dict(json.loads(json.dumps(made.to_dict()))) == made


def test_json_of_quark_0_13() -> None:
    """What QConfig.to_dict has: neither group nor floor of the cache, no level of messages."""
    data = WHOLE.to_dict()
    for key in ("kv_cache_group", "min_kv_scale", "log_severity_level"):
        del data[key]
    found = Config.from_dict(data)
    assert (found.kv_cache_group, found.min_kv_scale, found.log_severity_level) == ([], 0.0, 1)
    assert found.layer_quant_config == WHOLE.layer_quant_config


def test_what_a_checkpoint_adds() -> None:
    data = Config(INT8, version="0.13").to_dict()
    del data["kv_cache_group"], data["min_kv_scale"]
    data["export"] = {
        "weight_merge_groups": None,
        "kv_cache_group": ["*k_proj"],
        "min_kv_scale": 0.25,
        "weight_format": "real_quantized",
        "pack_method": "reorder",
    }
    found = Config.from_dict(data)
    assert (found.kv_cache_group, found.min_kv_scale) == (["*k_proj"], 0.25)
    assert found.version == "0.13"


def test_levels_that_old_exports_leave_none() -> None:
    data = {
        "global_quant_config": INT8.to_dict(),
        "layer_type_quant_config": None,
        "layer_quant_config": None,
        "exclude": None,
        "algo_config": AWQConfig().to_dict(),
    }
    assert Config.from_dict(data) == Config(INT8, algo_config=[AWQConfig()])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"global_quant_config": Int8PerTensorSpec()}, "global_quant_config must be a Quantizat"),
        ({"layer_quant_config": {"a": None}}, r"layer_quant_config\['a'\] must be a Quantizat"),
        ({"layer_quant_config": {nn.Linear: INT8}}, "layer_quant_config: keys are names; got <cl"),
        ({"layer_type_quant_config": {1: INT8}}, "layer_type_quant_config: keys are names; got 1"),
        ({"layer_type_quant_config": [INT8]}, "layer_type_quant_config is a dictionary"),
        ({"exclude": "lm_head"}, "exclude must be a list of names; got 'lm_head'"),
        ({"kv_cache_group": [1]}, "kv_cache_group must be a list of names"),
        ({"algo_config": ["awq"]}, r"algo_config must be a list of algorithms such as AWQConfig"),
        ({"softmax_quant_spec": INT8}, "softmax_quant_spec must be one specification"),
        ({"min_kv_scale": -1}, "min_kv_scale must be a number from 0; got -1"),
        ({"min_kv_scale": True}, "min_kv_scale must be a number from 0; got True"),
        ({"quant_mode": "eager"}, "unknown quant_mode 'eager'; .* Did you mean 'eager_mode'?"),
    ],
)
def test_what_cannot_be_is_one_error(given: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        Config(**{"global_quant_config": INT8, **given})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "Config needs global_quant_config"),
        ({"global_quant_config": {}, "excluded": []}, "'excluded'.* Did you mean 'exclude'?"),
        ({"global_quant_config": {"wght": 1}}, "global_quant_config: .* Did you mean 'weight'?"),
        ({"global_quant_config": {}, "quant_method": "gptq"}, "quant_method must be 'quark'"),
        (
            {"global_quant_config": {}, "layer_quant_config": {"a": {"bias": {"dtype": "x"}}}},
            "layer_quant_config: a: bias: unknown dtype 'x'",
        ),
        (
            {"global_quant_config": {}, "algo_config": [{"name": "qronoz"}]},
            "algo_config: unknown algorithm 'qronoz'.* Did you mean 'qronos'?",
        ),
        ([], "Config is a dictionary of arguments"),
    ],
)
def test_wrong_json_is_one_error(data: Any, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        Config.from_dict(data)
