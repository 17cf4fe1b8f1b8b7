"""Two stages: their specifications in order, dictionaries, and what is no stage."""

from __future__ import annotations

import json

import pytest

from plena_cosim.golden import FormatError
from plena_cosim.interop.quark.quantization.config.config import (
    FP4PerGroupSpec,
    FP8E4M3PerTensorSpec,
    Int4PerChannelSpec,
    ProgressiveSpec,
    QuantizationSpec,
    ScaleQuantSpec,
    TwoStageSpec,
)

FIRST, SECOND = FP4PerGroupSpec(group_size=16), FP8E4M3PerTensorSpec()


@pytest.mark.parametrize("kind", [TwoStageSpec, ProgressiveSpec, ScaleQuantSpec])
def test_both_stages_in_order(kind: type[TwoStageSpec]) -> None:
    first, second = kind(FIRST, SECOND).to_quantization_spec()
    assert first == FIRST.to_quantization_spec()
    assert second.is_scale_quant is (kind is ScaleQuantSpec)
    assert second.to_dict() | {"is_scale_quant": False} == SECOND.to_quantization_spec().to_dict()


def test_a_stage_may_be_given_with_all_of_its_coordinates() -> None:
    whole = SECOND.to_quantization_spec()
    given = ProgressiveSpec(whole, Int4PerChannelSpec(ch_axis=0))
    assert given.to_quantization_spec()[0] is whole


@pytest.mark.parametrize("kind", [ProgressiveSpec, ScaleQuantSpec])
def test_a_dictionary_is_json_and_leads_back(kind: type[TwoStageSpec]) -> None:
    spec = kind(FIRST, SECOND)
    back = kind.from_dict(json.loads(json.dumps(spec.to_dict())))
    assert back.to_quantization_spec() == spec.to_quantization_spec()
    assert isinstance(back.first_stage, QuantizationSpec)


def test_what_is_no_stage() -> None:
    with pytest.raises(FormatError, match=r"^ProgressiveSpec: second_stage must be a specificatio"):
        ProgressiveSpec(FIRST, ProgressiveSpec(FIRST, SECOND))
    with pytest.raises(FormatError, match=r"^ScaleQuantSpec needs second_stage$"):
        ScaleQuantSpec.from_dict({"first_stage": {"dtype": "mx6"}})
    with pytest.raises(FormatError, match=r"^ScaleQuantSpec has no argument 'third_stage'; known"):
        ScaleQuantSpec.from_dict({"third_stage": None})
