"""The names of experts before they were fused choose the fused weight."""

from __future__ import annotations

from typing import Any

import pytest
from tests.passes.families import build
from tests.passes.recipes import W4A4, W8A8

from plena_cosim.golden import FormatError
from plena_cosim.passes.plan.match import choose
from plena_cosim.passes.recipe.load import read_quant_config

EXPERTS = r"model\.layers\.\d+\.mlp\.experts\.\d+\.(gate|up|down)_proj"
PARTS = ("gate_proj", "up_proj", "down_proj")


def chosen(tables: dict[str, Any]) -> dict[str, Any]:
    return choose(build("qwen3_moe"), read_quant_config(tables))


def test_a_pattern_for_all_experts_is_the_fused_module() -> None:
    made = chosen({EXPERTS: W4A4})
    whole = chosen({r"model\.layers\.\d+\.mlp\.experts": W4A4})
    assert list(made) == ["model.layers.0.mlp.experts", "model.layers.1.mlp.experts"]
    assert [each.formats for each in made.values()] == [e.formats for e in whole.values()]


def test_experts_go_together_by_name_and_glob() -> None:
    name = "model.layers.0.mlp.experts"
    by_name = {f"{name}.{k}.{part}": W4A4 for k in range(4) for part in PARTS}
    assert list(chosen({"by": "name", **by_name})) == [name]
    assert list(chosen({"by": "glob", f"{name}.*.*_proj": W4A4})) == [name]


def test_several_selectors_of_one_format_go_together() -> None:
    made = chosen({EXPERTS.replace("gate|up|down", "gate|up"): W4A4,
                   EXPERTS.replace("gate|up|down", "down"): W4A4})  # fmt: skip
    assert len(made) == 2


def test_experts_are_excluded_together() -> None:
    first = EXPERTS.replace(r"\d+\.mlp", r"0\.mlp")
    assert list(chosen({EXPERTS: W4A4, "exclude": [first]})) == ["model.layers.1.mlp.experts"]
    one = r"model\.layers\.0\.mlp\.experts\.1\..*"
    with pytest.raises(FormatError, match="fused into one weight"):
        chosen({EXPERTS: W4A4, "exclude": [one]})


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({EXPERTS.replace("gate|up|down", "gate|up"): W4A4}, "but not '.*down_proj'"),
        ({EXPERTS.replace("gate|up|down", "gate|up"): W4A4, EXPERTS: W8A8},
         "slices of one fused weight"),
        ({EXPERTS.replace("experts", "expert"): W4A4}, r"Did you mean '.*experts\.0\.\w+_proj'"),
        ({EXPERTS: {**W4A4, "bias_block_size": 16, "bias_width": 8}},
         r"mlp\.experts' \(experts\), which takes .*bias cannot be given"),
        ({r".*\.experts": W4A4, EXPERTS: W4A4}, "is taken by"),
    ],
)  # fmt: skip
def test_what_a_fused_weight_cannot_be_is_said(tables: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        chosen(tables)
