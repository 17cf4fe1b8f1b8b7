"""Every kind of file that Quark writes, and one error for what is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plena_cosim.golden import FormatError
from plena_cosim.interop.quark.files import config_from_json, read_file, with_scheme
from plena_cosim.interop.quark.quantization.config.config import (
    AWQConfig,
    Config,
    FP8E4M3PerTensorSpec,
    Int4PerGroupSpec,
    Int8PerTensorSpec,
    QuantizationConfig,
    SmoothQuantConfig,
    Uint4PerGroupSpec,
)
from plena_cosim.interop.quark.schemes import scheme

INT8 = QuantizationConfig(weight=Int8PerTensorSpec())
WHOLE = Config(INT8, exclude=["lm_head"], algo_config=[AWQConfig()])
NOTHING = QuantizationConfig()
FP8 = FP8E4M3PerTensorSpec(is_dynamic=False)


@pytest.mark.parametrize(
    ("data", "config"),
    [
        (WHOLE.to_dict(), WHOLE),
        ({"model_type": "llama", "quantization_config": WHOLE.to_dict()}, WHOLE),
        (INT8.to_dict(), Config(INT8)),
        (AWQConfig().to_dict(), Config(NOTHING, algo_config=[AWQConfig()])),
        (
            [AWQConfig().to_dict(), SmoothQuantConfig().to_dict()],
            Config(NOTHING, algo_config=[AWQConfig(), SmoothQuantConfig()]),
        ),
        (
            {"quant_method": "fp8", "activation_scheme": "static", "ignored_layers": ["lm_head"]},
            Config(QuantizationConfig(weight=FP8, input_tensors=FP8), exclude=["lm_head"]),
        ),
        (
            {"quant_method": "fp8", "activation_scheme": "dynamic", "kv_cache_scheme": None},
            Config(
                QuantizationConfig(weight=FP8, input_tensors=FP8E4M3PerTensorSpec(is_dynamic=True))
            ),
        ),
        ({"quant_method": "fp8"}, Config(QuantizationConfig(weight=FP8))),
        (
            {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True},
            Config(
                QuantizationConfig(
                    weight=Uint4PerGroupSpec(ch_axis=1, is_dynamic=False, group_size=128)
                ),
                algo_config=[AWQConfig()],
            ),
        ),
        (
            {
                "quant_method": "awq",
                "bits": 4,
                "group_size": 32,
                "zero_point": False,
                "modules_to_not_convert": ["lm_head"],
            },
            Config(
                QuantizationConfig(
                    weight=Int4PerGroupSpec(ch_axis=1, is_dynamic=False, group_size=32)
                ),
                exclude=["lm_head"],
                algo_config=[AWQConfig()],
            ),
        ),
    ],
    ids=[
        "config",
        "checkpoint",
        "layer",
        "algorithm",
        "algorithms",
        "fp8 static",
        "fp8 dynamic",
        "fp8 weights",
        "awq with zero points",
        "awq symmetric",
    ],
)
def test_every_kind(tmp_path: Path, data: Any, config: Config) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(data))
    assert read_file(file) == config
    assert read_file(str(tmp_path)) == config


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "need a Config or QConfig .*; got "),
        (3, "need a Config or QConfig .*; got 3"),
        ({"a": 1}, "got an object with a"),
        ({}, "got an object with no key"),
        ({"model_type": "llama"}, "the model is not quantised"),
        ({"quantization_config": None}, "quantization_config: need a dictionary; got None"),
        ({"quant_method": "bitsandbytes"}, "'bitsandbytes' is not .*; known: quark, fp8, awq"),
        ({"quant_method": "fp8", "activation_scheme": "x"}, "must be static or dynamic; got 'x'"),
        ({"quant_method": "fp8", "kv_cache_scheme": "static"}, "kv_cache_scheme: which proj"),
        ({"quant_method": "awq", "bits": 3, "zero_point": True}, "bits must be 4 or 8"),
        ({"name": "awk"}, "Did you mean 'awq'?"),
        ({"global_quant_config": {"weigt": None}}, "Did you mean 'weight'?"),
    ],
)
def test_one_error_that_names_the_file(tmp_path: Path, data: Any, message: str) -> None:
    file = tmp_path / "odd.json"
    file.write_text(json.dumps(data))
    with pytest.raises(FormatError, match=f"odd.json: .*{message}"):
        read_file(file)
    with pytest.raises(FormatError, match=message):
        config_from_json(data)


def test_a_folder_without_a_configuration(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"config.json does not exist"):
        read_file(tmp_path)


def test_a_scheme_beside_algorithms() -> None:
    algorithm = config_from_json(AWQConfig().to_dict())
    made = with_scheme(algorithm, scheme("int8"))
    assert made == Config(scheme("int8"), algo_config=[AWQConfig()])
    assert with_scheme(None, scheme("int8")) == Config(scheme("int8"))
    with pytest.raises(FormatError, match="leave out the scheme"):
        with_scheme(made, scheme("int8"))
