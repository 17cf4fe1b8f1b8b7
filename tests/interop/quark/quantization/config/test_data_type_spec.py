"""Arguments of a class, and what stands where they are None."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plena_cosim.golden import FormatError
from plena_cosim.interop.quark.quantization.config.config import (
    Int4PerGroupSpec,
    Int8PerTensorSpec,
    MX6Spec,
    QuantizationSpec,
    Uint4PerChannelSpec,
)
from plena_cosim.interop.quark.quantization.config.data_types import DATA_TYPES
from plena_cosim.interop.quark.quantization.config.type import (
    Dtype,
    QSchemeType,
    RoundType,
    ScaleType,
    ZeroPointType,
)
from plena_cosim.interop.quark.quantization.observer.observer import (
    PerChannelMinMaxObserver,
    PerTensorHistogramObserver,
    PerTensorMinMaxObserver,
)


def test_an_argument_stands_before_a_default() -> None:
    assert Int8PerTensorSpec().to_quantization_spec() == QuantizationSpec(
        dtype=Dtype.int8,
        observer_cls=PerTensorMinMaxObserver,
        is_dynamic=False,
        qscheme=QSchemeType.per_tensor,
        symmetric=True,
        round_method=RoundType.half_even,
        scale_type=ScaleType.float,
    )
    spec = Int8PerTensorSpec("histogram", False, "power_of_2", "floor", True)
    assert spec.to_quantization_spec() == QuantizationSpec(
        dtype=Dtype.int8,
        observer_cls=PerTensorHistogramObserver,
        is_dynamic=True,
        qscheme=QSchemeType.per_tensor,
        symmetric=False,
        round_method=RoundType.floor,
        scale_type=ScaleType.pof2,
    )


def test_arguments_with_other_names() -> None:
    assert MX6Spec(block_size=16).to_quantization_spec() == QuantizationSpec(
        dtype=Dtype.mx6, ch_axis=-1, group_size=16, scale_calculation_mode="even"
    )
    spec = Uint4PerChannelSpec(ch_axis=0, zero_point_type="float32").to_quantization_spec()
    assert spec.zero_point_type is ZeroPointType.float32
    assert spec.observer_cls is PerChannelMinMaxObserver


@pytest.mark.parametrize("name", DATA_TYPES)
def test_a_dictionary_is_json_and_leads_back(name: str) -> None:
    kind = DATA_TYPES[name]
    spec = kind(**{"ch_axis": 1} if "ch_axis" in kind.__dataclass_fields__ else {})
    assert kind.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    whole = spec.to_quantization_spec()
    assert QuantizationSpec.from_dict(json.loads(json.dumps(whole.to_dict()))) == whole
    assert whole.dtype is not None
    assert spec != whole


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"observer_method": "mse"}, r"^unknown observer_method 'mse'; known: min_max, histogram"),
        ({"scale_type": "fp32"}, r"^unknown scale_type 'fp32'; known: float, float32, .*power_of"),
        ({"round_method": "even"}, r"^unknown round_method 'even'; known: round, floor, half_even"),
        ({"symmetric": 1}, r"^symmetric must be True or False, got 1$"),
    ],
    ids=str,
)
def test_what_cannot_be_is_said_at_once(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        Int8PerTensorSpec(**arguments)


def test_unknown_keys_of_a_dictionary() -> None:
    with pytest.raises(FormatError, match=r"^Int4PerGroupSpec has no argument 'group'; known: sym"):
        Int4PerGroupSpec.from_dict({"group": 32})
