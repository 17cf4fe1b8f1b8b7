"""The reference's names of rotating modules mean online rotations."""

from __future__ import annotations

from typing import Any

import pytest
from tests.passes.families import build
from tests.passes.recipes import IN8, LINEAR, W4A4

from plena_cosim.golden import FormatError
from plena_cosim.passes import quantize_module_transform_pass
from plena_cosim.passes.recipe.load import read_quant_config
from plena_cosim.passes.recipe.selector import LARGEST_ROTATION

ATTENTION = r"model\.layers\.\d+\.self_attn"
FP4 = {
    f"{role}_{key}": value
    for role in ("weight", "data_in")
    for key, value in (("block_size", 16), ("exponent_width", 2), ("frac_width", 1))
}


def only(table: dict[str, Any]) -> Any:
    (selector,) = read_quant_config({"a": table}).selectors
    return selector


@pytest.mark.parametrize("table", [W4A4, {"name": "mxfp", **FP4}])
def test_a_rotating_name_is_the_name_with_online_rotate(table: dict[str, Any]) -> None:
    rotating = {**table, "name": f"{table['name']}_rotate", "force_fp32_had": True}
    plain = only({**table, "online_rotate": True})
    made = only(rotating)
    assert (made.formats, made.online_rotate) == (plain.formats, LARGEST_ROTATION)
    assert only({**rotating, "rotate": False}).online_rotate is None
    assert only({**rotating, "online_rotate": 16}).online_rotate == 16
    assert only({**table, "rotate": True}) == plain


def test_a_rotating_attention_rotates_what_it_quantises() -> None:
    formats = only(
        {"name": "mxint_rotate", "qk_matmul": IN8, "av_matmul": {"bypass": True, **IN8},
         "kv_cache": {**IN8, "rotate": False, "force_fp32_had": False},
         "softmax": {"bypass": True}}
    ).formats.attention  # fmt: skip
    assert formats.qk_rotate == LARGEST_ROTATION
    assert formats.av_rotate is None
    assert formats.kv_rotate == 0


def test_contradictions_are_named() -> None:
    with pytest.raises(FormatError, match=r"\[a\]: rotate and online_rotate contradict"):
        only({**W4A4, "rotate": True, "online_rotate": False})
    with pytest.raises(FormatError, match=r"qk_matmul: rotate and online_rotate contradict"):
        only({"name": "mxint", "qk_matmul": {**IN8, "rotate": False, "online_rotate": 16}})


def test_the_rotation_table_turns_all_linear_layers() -> None:
    tables = {"rotation": {"online_rotate": True}, LINEAR: W4A4, ATTENTION: {
        "name": "mxint", "kv_cache": IN8}}  # fmt: skip
    model = build("llama")
    _, info = quantize_module_transform_pass(model, tables)
    rotated = {name for name, entry in info.items() if entry.rotation}
    assert rotated == {name for name in info if name.endswith("_proj")}
    assert len(rotated) == 14
    assert info["model.layers.0.self_attn"].rotation is None


def test_names_and_table_give_one_model() -> None:
    _, one = quantize_module_transform_pass(
        build("llama"), {LINEAR: {**W4A4, "name": "mxint_rotate"}}
    )
    tables = {"rotation": {"online_rotate": True}, LINEAR: {**W4A4, "online_rotate": True}}
    _, two = quantize_module_transform_pass(build("llama"), tables)
    assert {n: e.as_dict() for n, e in one.items()} == {n: e.as_dict() for n, e in two.items()}
