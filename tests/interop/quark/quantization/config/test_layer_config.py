"""QuantizationConfig: what is kept of specifications, and JSON of here and of other versions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plena_cosim.golden import FormatError
from plena_cosim.interop.quark.quantization.config.config import (
    FP4PerGroupSpec,
    FP8E4M3PerTensorSpec,
    Int4PerChannelSpec,
    Int8PerTensorSpec,
    OCP_MXFP4Spec,
    ProgressiveSpec,
    QuantizationConfig,
    ScaleQuantSpec,
    TQTSpec,
)
from plena_cosim.interop.quark.quantization.config.layer_config import TENSORS, spec_from_dict
from plena_cosim.interop.quark.quantization.config.type import DeviceType, TQTThresholdInitMeth

INT8 = Int8PerTensorSpec()
CHAIN = ProgressiveSpec(FP8E4M3PerTensorSpec(), Int4PerChannelSpec(ch_axis=0))
TWO = ScaleQuantSpec(FP4PerGroupSpec(group_size=16, is_dynamic=True), FP8E4M3PerTensorSpec())


@pytest.mark.parametrize("tensor", TENSORS)
def test_a_specification_is_kept_whole(tensor: str) -> None:
    made = QuantizationConfig(**{tensor: INT8})
    assert getattr(made, tensor) == INT8.to_quantization_spec()
    assert made.stages(tensor) == [INT8.to_quantization_spec()]
    assert all(made.stages(other) == [] for other in TENSORS if other != tensor)


@pytest.mark.parametrize("given", [CHAIN, [CHAIN], CHAIN.to_quantization_spec()])
def test_two_stages_are_a_list(given: Any) -> None:
    made = QuantizationConfig(weight=given)
    assert made.weight == made.stages("weight") == CHAIN.to_quantization_spec()


def test_a_list_of_one_is_that_one() -> None:
    assert QuantizationConfig(weight=[INT8]) == QuantizationConfig(weight=INT8)


def test_what_is_open_comes_from_above() -> None:
    special = QuantizationConfig(weight=INT8)
    general = QuantizationConfig(weight=CHAIN, bias=INT8, target_device=DeviceType.CPU)
    assert special.over(general) == QuantizationConfig(
        weight=INT8, bias=INT8, target_device=DeviceType.CPU
    )


@pytest.mark.parametrize(
    "made",
    [
        QuantizationConfig(),
        QuantizationConfig(INT8, INT8, INT8, INT8, DeviceType.IPU),
        QuantizationConfig(weight=CHAIN, input_tensors=TWO),
        QuantizationConfig(weight=OCP_MXFP4Spec(is_dynamic=False), input_tensors=OCP_MXFP4Spec()),
    ],
)
def test_json_gives_it_back(made: QuantizationConfig) -> None:
    assert QuantizationConfig.from_dict(json.loads(json.dumps(made.to_dict()))) == made


def test_training_survives_json() -> None:
    spec = INT8.to_quantization_spec()
    trained = type(spec)(**{**spec.to_dict(), "qat_spec": TQTSpec(TQTThresholdInitMeth._3SD)})
    made = QuantizationConfig(weight=trained)
    assert QuantizationConfig.from_dict(made.to_dict()) == made


def test_a_specification_of_quark_0_13() -> None:
    data = {
        **INT8.to_quantization_spec().to_dict(),
        "block_size": None,
        "enable_buffer_reuse": False,
        "max_input_numel": 4194304,
    }
    assert spec_from_dict(data) == INT8.to_quantization_spec()


def test_a_specification_of_old_exports() -> None:
    data = INT8.to_quantization_spec().to_dict()
    data["dynamic"], data["axis"] = data.pop("is_dynamic"), data.pop("ch_axis")
    assert spec_from_dict(data) == INT8.to_quantization_spec()


def test_a_device_by_its_word() -> None:
    assert QuantizationConfig(target_device="CPU") == QuantizationConfig(target_device="cpu")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"weight": "int8"}, "weight must be a specification such as Int8PerTensorSpec"),
        ({"weight": []}, "weight: an empty list; give a specification or None"),
        ({"target_device": "gpu"}, "unknown target_device 'gpu'; known: cpu, ipu"),
    ],
)
def test_what_cannot_be_is_one_error(given: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        QuantizationConfig(**given)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"input_tensor": None}, "no argument 'input_tensor'; .* Did you mean 'input_tensors'?"),
        ({"weight": {"dtype": "int9"}}, "weight: unknown dtype 'int9'"),
        ({"weight": {"dtpe": "int8"}}, "weight: .*no argument 'dtpe'.* Did you mean 'dtype'?"),
        ({"weight": "int8"}, "weight: a specification is a dictionary of arguments; got 'int8'"),
        ({"weight": {"dtype": "int8", "block_size": [128, 128]}}, "weight: block_size"),
        ([], "QuantizationConfig is a dictionary of arguments"),
    ],
)
def test_wrong_json_is_one_error(data: Any, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        QuantizationConfig.from_dict(data)
