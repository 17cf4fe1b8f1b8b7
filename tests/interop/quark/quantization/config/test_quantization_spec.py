"""QuantizationSpec: names for enums, dictionaries, and one error for what cannot be."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plena_cosim.golden import FormatError
from plena_cosim.interop.quark.quantization.config.config import QuantizationSpec, TQTSpec
from plena_cosim.interop.quark.quantization.config.type import (
    Dtype,
    QSchemeType,
    RoundType,
    ScaleType,
    TQTThresholdInitMeth,
    ZeroPointType,
)
from plena_cosim.interop.quark.quantization.observer.observer import PerGroupMinMaxObserver

FULL = QuantizationSpec(
    dtype=Dtype.int4,
    observer_cls=PerGroupMinMaxObserver,
    is_dynamic=False,
    qscheme=QSchemeType.per_group,
    ch_axis=1,
    group_size=128,
    symmetric=False,
    round_method=RoundType.half_even,
    scale_type=ScaleType.float16,
    scale_format="float32",
    scale_calculation_mode="floor",
    qat_spec=TQTSpec(TQTThresholdInitMeth._3SD),
    zero_point_type=ZeroPointType.float32,
)
AS_DICT = {
    "dtype": "int4",
    "observer_cls": "PerGroupMinMaxObserver",
    "is_dynamic": False,
    "qscheme": "per_group",
    "ch_axis": 1,
    "group_size": 128,
    "symmetric": False,
    "round_method": "half_even",
    "scale_type": "float16",
    "scale_format": "float32",
    "scale_calculation_mode": "floor",
    "qat_spec": {"threshold_init_meth": "_3SD"},
    "mx_element_dtype": None,
    "zero_point_type": "float32",
    "is_scale_quant": False,
}


def test_a_dictionary_is_json_and_leads_back() -> None:
    assert FULL.to_dict() == AS_DICT
    assert QuantizationSpec.from_dict(json.loads(json.dumps(AS_DICT))) == FULL
    assert QuantizationSpec.from_dict({"dtype": "mx6"}) == QuantizationSpec(Dtype.mx6)
    assert FULL.to_quantization_spec() is FULL


def test_enums_may_be_named() -> None:
    assert QuantizationSpec(**AS_DICT | {"qat_spec": FULL.qat_spec}) == FULL


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dtype": None}, r"^dtype is needed: one of int8, uint8"),
        ({"dtype": "int9"}, r"^unknown dtype 'int9'; known: int8, .* Did you mean 'int8'\?$"),
        ({"dtype": 8}, r"^unknown dtype 8; known: int8"),
        ({"qscheme": "per_row"}, r"^unknown qscheme 'per_row'; known: per_tensor, per_channel"),
        ({"round_method": 8}, r"^unknown round_method 8; known: round, floor, half_even$"),
        ({"scale_type": "fp32"}, r"^unknown scale_type 'fp32'; known: float, pof2"),
        ({"zero_point_type": "int8"}, r"^unknown zero_point_type 'int8'; known: int32, float32"),
        ({"scale_format": "e5m2"}, r"^unknown scale_format 'e5m2'; known: float32, e8m0, e4m3"),
        ({"scale_calculation_mode": "up"}, r"^unknown scale_calculation_mode 'up'; known: even"),
        ({"observer_cls": "MinMax"}, r"^unknown observer_cls 'MinMax'; known: ObserverBase"),
        ({"observer_cls": int}, r"^unknown observer_cls <class 'int'>"),
        ({"is_dynamic": 1}, r"^is_dynamic must be True or False, got 1$"),
        ({"symmetric": "yes"}, r"^symmetric must be True or False, got 'yes'$"),
        ({"is_scale_quant": 0}, r"^is_scale_quant must be True or False, got 0$"),
        ({"ch_axis": 1.0}, r"^ch_axis must be an integer: an axis; got 1\.0$"),
        ({"ch_axis": True}, r"^ch_axis must be an integer: an axis; got True$"),
        ({"group_size": 0}, r"^group_size must be an integer: 1 or more, or -1; got 0$"),
        ({"group_size": -2}, r"^group_size must be an integer: 1 or more, or -1; got -2$"),
        ({"dtype": "mx"}, r"^mx_element_dtype goes with dtype mx and with no other; got dtype mx"),
        ({"mx_element_dtype": "int8"}, r"^mx_element_dtype goes with dtype mx and with no other"),
        ({"qat_spec": "tqt"}, r"^qat_spec must be a TQTSpec, got 'tqt'$"),
    ],
    ids=str,
)
def test_what_cannot_be_is_one_error(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        QuantizationSpec(**{"dtype": "int8", **arguments})


def test_unknown_keys_of_a_dictionary() -> None:
    with pytest.raises(FormatError, match=r"QuantizationSpec has no argument 'axis'; known: dtype"):
        QuantizationSpec.from_dict({"dtype": "int8", "axis": 1})
    with pytest.raises(FormatError, match=r"^dtype is needed: one of int8"):
        QuantizationSpec.from_dict({"symmetric": True})
    with pytest.raises(FormatError, match=r"^TQTSpec has no argument 'init'; known: threshold_in"):
        QuantizationSpec.from_dict({"dtype": "int8", "qat_spec": {"init": "_3SD"}})
    with pytest.raises(FormatError, match=r"^unknown threshold_init_meth '3SD'; known: _3SD"):
        TQTSpec("3SD")
