"""A sub-table of a recipe means the golden format that its specification means."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from plena_cosim.golden import FormatError, Rounding, ScaleRule, get_format
from plena_cosim.golden.affine import AffineInt, Granularity, Quotient, ScaledFp, ScaleFormat
from plena_cosim.golden.blocks import get_block_format
from plena_cosim.interop.quark.golden_format import GoldenFormat, golden_formats
from plena_cosim.interop.quark.quantization.config.config import (
    FP4PerGroupSpec,
    FP8E4M3PerChannelSpec,
    FP8E4M3PerGroupSpec,
    FP8E4M3PerTensorSpec,
    Int4PerChannelSpec,
    Int4PerGroupSpec,
    Int8PerChannelSpec,
    Int8PerGroupSpec,
    Int8PerTensorSpec,
    OCP_MXFP4DiffsSpec,
    OCP_MXFP4Spec,
    OCP_MXFP8E4M3Spec,
    OCP_MXINT8Spec,
    ProgressiveSpec,
    QuantizationConfig,
    QuantizationSpec,
    ScaleQuantSpec,
    TQTSpec,
    Uint4PerGroupSpec,
)
from plena_cosim.interop.quark.quantization.config.data_types import DATA_TYPES
from plena_cosim.interop.quark.recipe_stages import stage_tables

SCALARS = {"fp8_e4m3": "e4m3", "fp8_e5m2": "e5m2", "fp6_e2m3": "e2m3", "fp6_e3m2": "e3m2"}
SCALARS |= {"fp4_e2m1": "e2m1"}
FP8 = FP8E4M3PerTensorSpec(is_dynamic=False)
BLOCKS = ("mx6", "mx9", "bfp16", "mxfp4_diffs", "nvfp4", "nvfp4_two_stage")


def meant(table: dict[str, Any]) -> GoldenFormat:
    """The golden format of a sub-table, as docs/recipe.md says it; every key is read once."""
    keys = dict(table)
    element = keys.pop("element")
    if element in ("fp16", "bf16"):
        assert not keys
        return GoldenFormat(fmt=get_format(element), granularity=Granularity())  # type: ignore[arg-type]
    shared = {"kind": keys.pop("granularity"), "ch_axis": keys.pop("axis", None)}
    shared["group_size"] = keys.pop("group_size", None)
    needs_range = keys.pop("range", "dynamic") != "dynamic"
    size = {"block_size": shared["group_size"]}
    fmt: Any
    if element in BLOCKS:
        fmt = get_block_format(element, **size)
    elif element in SCALARS:
        rule = {"scale_rule": keys.pop("scale_rule")} if keys["scale"] == "e8m0" else {}
        fmt = ScaledFp(element=SCALARS[element], scale=keys.pop("scale"), **rule)
    elif element.startswith("mx"):
        fmt = get_format(element, **size, scale_rule=ScaleRule(keys.pop("scale_rule")))
    else:
        kind, bits = element.split("int")
        rule = {"scale_rule": keys.pop("scale_rule")} if keys["scale"] == "e8m0" else {}
        quotient = {} if keys["scale"] == "e8m0" else {"quotient": keys.pop("quotient")}
        fmt = AffineInt(
            bits=int(bits),
            signed=kind == "",
            zero_point=keys.pop("zero_point", "none"),
            scale=keys.pop("scale"),
            rounding=Rounding(keys.pop("rounding", "rne")),
            **rule,
            **quotient,
        )
    assert not keys, f"not read: {keys}"
    granularity = Granularity(**shared)
    return GoldenFormat(fmt=fmt, granularity=granularity, needs_range=needs_range)


def exact(golden: GoldenFormat) -> GoldenFormat:
    """The same with a division where the scale is a power of two, as either is exact then."""
    fmt = golden.fmt
    if isinstance(fmt, AffineInt) and fmt.scale is ScaleFormat.E8M0:
        return replace(golden, fmt=replace(fmt, quotient=Quotient.DIVIDE))
    return golden


def assert_means(spec: Any, *, weight: bool) -> list[dict[str, Any]]:
    stages = QuantizationConfig(weight=spec).stages("weight")
    table, _ = stage_tables(stages, weight=weight)
    tables = table if isinstance(table, list) else [table]
    wanted = golden_formats(stages, dynamic=weight)
    assert [meant(each) for each in tables] == [exact(each) for each in wanted]
    return tables


@pytest.mark.parametrize("weight", [True, False], ids=["weight", "input"])
@pytest.mark.parametrize("name", DATA_TYPES)
def test_every_class(name: str, weight: bool) -> None:
    arguments = {field.name for field in fields(DATA_TYPES[name])}
    given: dict[str, Any] = {"group_size": 16} if "group_size" in arguments else {}
    if "is_dynamic" in arguments:
        given["is_dynamic"] = name != "Int8PerTensorSpec"
    assert_means(DATA_TYPES[name](**given), weight=weight)


@pytest.mark.parametrize(
    "spec",
    [
        Int8PerTensorSpec(scale_type="float16", round_method="round", is_dynamic=True),
        Int8PerTensorSpec(scale_type="bfloat16", round_method="floor", is_dynamic=True),
        Int8PerChannelSpec(symmetric=False, ch_axis=1, is_dynamic=True),
        Int8PerGroupSpec(symmetric=False, ch_axis=0, group_size=8, is_dynamic=True),
        FP4PerGroupSpec(scale_format="e8m0", scale_calculation_mode="ceil", group_size=16),
        FP4PerGroupSpec(scale_format="e4m3", group_size=16),
        OCP_MXFP4Spec(scale_calculation_mode="floor"),
        OCP_MXINT8Spec(scale_calculation_mode="ceil"),
        OCP_MXINT8Spec(),
        ProgressiveSpec(
            FP8E4M3PerTensorSpec(is_dynamic=True), Int4PerChannelSpec(ch_axis=0, is_dynamic=True)
        ),
        ScaleQuantSpec(
            FP4PerGroupSpec(group_size=16, is_dynamic=True), FP8E4M3PerTensorSpec(is_dynamic=True)
        ),
    ],
)
def test_other_points(spec: Any) -> None:
    assert_means(spec, weight=True)
    assert_means(spec, weight=False)


def test_static_inputs_name_their_range() -> None:
    methods = {"min_max": "min_max", "histogram": "histogram", "histogrampro": "histogram_pro"}
    methods |= {"MSE": "mse", "percentile": "percentile"}
    for method, name in methods.items():
        spec = Int8PerTensorSpec(observer_method=method)
        (table,) = assert_means(spec, weight=False)
        assert table["range"] == name


def test_a_weight_has_the_range_of_its_own_values_unless_one_is_searched() -> None:
    (table,) = assert_means(FP8E4M3PerChannelSpec(ch_axis=0), weight=True)
    assert "range" not in table
    searched = QuantizationConfig(weight=Int8PerTensorSpec(observer_method="MSE"))
    found, _ = stage_tables(searched.stages("weight"), weight=True)
    assert isinstance(found, dict)
    assert found["range"] == "mse"


def test_a_chain_is_a_list() -> None:
    chain = ProgressiveSpec(FP8E4M3PerTensorSpec(), Int4PerChannelSpec(ch_axis=0))
    tables = assert_means(chain, weight=True)
    assert [each["element"] for each in tables] == ["fp8_e4m3", "int4"]


def test_the_scale_of_scales_is_static_for_inputs_and_a_weights_own() -> None:
    spec = ScaleQuantSpec(
        FP4PerGroupSpec(group_size=16, is_dynamic=True), FP8E4M3PerTensorSpec(is_dynamic=False)
    )
    (table,) = assert_means(spec, weight=False)
    assert (table["element"], table["range"]) == ("nvfp4_two_stage", "min_max")
    own, _ = stage_tables(spec.to_quantization_spec(), weight=True)
    assert own == {key: value for key, value in table.items() if key != "range"}
    of_weight = ScaleQuantSpec(FP4PerGroupSpec(group_size=16, is_dynamic=False), FP8)
    assert stage_tables(of_weight.to_quantization_spec(), weight=True) == (own, [])


STATIC_GROUPS = [
    Int4PerGroupSpec(group_size=16),
    Int8PerGroupSpec(symmetric=False, group_size=16),
    Uint4PerGroupSpec(group_size=16),
    FP4PerGroupSpec(group_size=16, is_dynamic=False),
    FP8E4M3PerGroupSpec(group_size=16, is_dynamic=False),
    FP4PerGroupSpec(scale_format="e4m3", group_size=16, is_dynamic=False),
    OCP_MXFP4Spec(is_dynamic=False),
    OCP_MXFP8E4M3Spec(is_dynamic=False, scale_calculation_mode="floor"),
]


@pytest.mark.parametrize("spec", STATIC_GROUPS)
def test_static_groups_of_inputs_have_a_range(spec: Any) -> None:
    (table,) = assert_means(spec, weight=False)
    assert (table["granularity"], table["range"]) == ("group", "min_max")
    _, notes = stage_tables([spec.to_quantization_spec()], weight=False)
    assert [each.partition(" have")[0] for each in notes] == ["groups along the last axis"]
    assert stage_tables([spec.to_quantization_spec()], weight=True)[1] == []


def test_training_is_noted() -> None:
    spec = Int8PerTensorSpec().to_quantization_spec()
    plain, _ = stage_tables([spec], weight=True)
    table, notes = stage_tables([replace(spec, qat_spec=TQTSpec())], weight=True)
    assert table == plain
    assert notes == ["qat_spec is about training; its numbers are those of rounding"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (QuantizationSpec("int16", qscheme="per_tensor", symmetric=True), "the element int16"),  # type: ignore[arg-type]
        (Int8PerGroupSpec(group_size=-1, is_dynamic=True), "a group_size of -1 needs the shape"),
        (Int8PerGroupSpec(is_dynamic=True), "group_size is not given"),
    ],
)
def test_what_no_recipe_says_is_one_error(spec: Any, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        stage_tables([spec.to_quantization_spec()], weight=True)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (OCP_MXFP4DiffsSpec(is_dynamic=False), "the better of two scales for anything but dynamic"),
        (
            ScaleQuantSpec(FP4PerGroupSpec(group_size=16, is_dynamic=False), FP8),
            "static scales of groups; take is_dynamic=True in the first stage",
        ),
        (
            ScaleQuantSpec(
                FP4PerGroupSpec(group_size=16, is_dynamic=True),
                FP8E4M3PerTensorSpec(observer_method="percentile"),
            ),
            "scales have a range by min_max, not by percentile",
        ),
    ],
)
def test_what_no_input_has_is_one_error(spec: Any, message: str) -> None:
    stages = QuantizationConfig(input_tensors=spec).stages("input_tensors")
    with pytest.raises(FormatError, match=message):
        stage_tables(stages, weight=False)
