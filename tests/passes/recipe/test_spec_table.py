"""`name = "spec"`: what a recipe may say of the axes of a format."""

import pytest

from plena_cosim.golden import FormatError
from plena_cosim.passes.recipe.load import read_quant_config


def read(table: dict, **more):
    return read_quant_config({"by": "glob", "*": {"name": "spec", **table}, **more})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"weight": {"element": "int9"}},
            r"\[\*\]: weight: element = 'int9' is unknown; known: int2",
        ),
        ({"weight": {"element": "itn4"}}, r"Did you mean 'int4'\?"),
        ({"weight": {}}, r"\[\*\]: key 'weight.element' is missing"),
        (
            {"weight": {"element": "int4", "group": 4}},
            r"unknown key 'weight.group'; known: element.*group_size",
        ),
        ({"weight": 3}, r"\[\*\]: weight must be a table or .*list"),
        ({"weight": {"element": 4}}, r"weight\.element must be a valid string, got 4"),
        (
            {"weight": [{"element": "int8"}, {"elment": "int8"}]},
            r"'weight 2\.element' is missing|unknown key 'elment'",
        ),
        (
            {"weight": {"element": "int4", "granularity": "row"}},
            r"weight\.granularity must be 'tensor', 'channel' or 'group', got 'row'",
        ),
        ({"weight": []}, r"weight: an empty list; give one table at least"),
        (
            {"weight": {"element": "bf16", "scale": "fp32"}},
            "bf16 does not take scale; it takes no other",
        ),
        ({"weight": {"element": "fp8_e4m3", "rounding": "rna"}}, "fp8_e4m3 does not take rounding"),
        ({"weight": {"element": "mx6", "scale": "fp32"}}, "mx6 does not take scale"),
        (
            {"weight": {"element": "mx6", "granularity": "tensor"}},
            "mx6 has blocks; granularity must",
        ),
        (
            {"weight": {"element": "int8", "scale_rule": "even"}},
            'scale_rule goes with scale = "e8m0"',
        ),
        ({"weight": {"element": "int8", "scale": "e4m3"}}, "scale"),
        (
            {"weight": {"element": "uint8", "scale": "e8m0", "symmetric_codes": True}},
            "signed integers",
        ),
        ({"weight": {"element": "int8", "granularity": "group"}}, "needs group_size"),
        (
            {"weight": {"element": "int8", "granularity": "channel", "group_size": 4}},
            "takes no group",
        ),
        ({"weight": {"element": "int8", "axis": 1}}, "takes no ch_axis"),
        (
            {"weight": {"element": "int8", "percentile": 99.0}},
            "percentile goes with a static range",
        ),
        ({"weight": {"element": "int8", "range": "mnimax"}}, "range method 'mnimax'"),
        ({"weight": {"element": "int8", "range": "min_max", "bins": 64}}, "does not read bins"),
        (
            {"data_in": {"element": "nvfp4", "range": "percentile"}},
            "nvfp4 has a static range by min_max, histogram: .*; got percentile",
        ),
        ({"data_in": {"element": "mx6", "range": "min_max"}}, "mx6 does not take range"),
        ({"data_in": {"element": "int8", "shared_by": "kv"}}, "shared_by needs a static range"),
        ({"weight_width": 4}, "unknown key 'weight_width'"),
        ({}, "quantises nothing; give weight, data_in, data_out, bias or softmax_out"),
    ],
)
def test_a_bad_table_is_one_clear_error(table: dict, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read(table)


def test_a_selector_may_be_a_list_of_tables() -> None:
    recipe = read_quant_config(
        {
            "by": "glob",
            "*": [
                {"name": "spec", "type": "Linear", "weight": {"element": "int8"}},
                {"name": "mxint", "optional": True, "weight_block_size": 32, "weight_width": 4},
            ],
        }
    )
    first, second = recipe.selectors
    assert (first.types, first.optional, first.name) == (("Linear",), False, "* 1")
    assert (second.types, second.optional, second.name) == ((), True, "* 2")


def test_an_empty_list_is_no_selector() -> None:
    with pytest.raises(FormatError, match="unknown key '\\*'"):
        read_quant_config({"by": "glob", "*": []})


def test_an_error_names_the_table_of_a_list() -> None:
    with pytest.raises(FormatError, match=r"\[\* 2\]: weight: element = 'x'"):
        read_quant_config(
            {
                "by": "glob",
                "*": [
                    {"name": "spec", "weight": {"element": "int8"}},
                    {"name": "spec", "weight": {"element": "x"}},
                ],
            }
        )


def test_defaults_reach_selectors_that_are_spec() -> None:
    recipe = read_quant_config(
        {
            "by": "glob",
            "defaults": {"name": "spec", "data_in": {"element": "fp8_e4m3"}},
            "*": {"weight": {"element": "int8"}},
        }
    )
    formats = recipe.selectors[0].formats
    assert formats.data_in is not None
    assert (formats.weight.name, formats.data_in.name) == ("int8/tensor", "e4m3/tensor")


def test_names_say_what_is_not_usual() -> None:
    chain = read(
        {
            "data_in": [
                {
                    "element": "fp8_e4m3",
                    "range": "percentile",
                    "percentile": 99.5,
                    "shared_by": "x",
                },
                {
                    "element": "int4",
                    "group_size": 32,
                    "axis": 1,
                    "zero_point": "int32",
                    "shared_by": "x",
                },
                {"element": "int8", "scale": "e8m0", "rounding": "rna", "shared_by": "x"},
            ]
        }
    ).selectors[0]
    assert chain.formats.data_in is not None
    assert chain.formats.data_in.name == (
        "e4m3/tensor (percentile percentile 99.5) > int4/32 axis 1 (zero point int32) > "
        "int8/tensor (scale e8m0 even, rna), shared by x"
    )
