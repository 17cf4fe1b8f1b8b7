"""[gptq] that no selector takes: the model gets calibrated values, rounded again."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch
from tests.passes.families import build
from tests.passes.recipes import GPTQ, IN4, LINEAR, W4, W4A4, token_ids

from plena_cosim import fakequant
from plena_cosim.golden import FormatError, mxint
from plena_cosim.passes import pipeline, quantize_module_transform_pass
from plena_cosim.passes.calibration import calibrate
from plena_cosim.passes.calibration.in_place import calibration_plans
from plena_cosim.passes.recipe.load import read_quant_config

TABLE = GPTQ | {"cali_batch_size": 2}
TOKENS = token_ids(4, 16, seed=3)


def recipe(**tables: Any) -> Any:
    return read_quant_config({"gptq": TABLE, **tables}, source="recipe.toml")


def test_weights_are_calibrated_then_rounded_again(caplog: pytest.LogCaptureFixture) -> None:
    given = {LINEAR: W4A4, "gptq": TABLE}
    model = build("llama")
    args = read_quant_config(given)
    made = calibrate(model, calibration_plans(model, args), args, TOKENS)
    name = "model.layers.1.mlp.down_proj"
    values = made.weights[name].values
    again = fakequant.quantize(values, mxint(4, block_size=16))
    plainly = fakequant.quantize(model.get_submodule(name).weight.detach(), mxint(4, block_size=16))
    with caplog.at_level(logging.WARNING):
        _, info = quantize_module_transform_pass(model, given, tokens=TOKENS)
    assert torch.equal(model.get_submodule(name).weight, again)
    assert not torch.equal(again, plainly)
    assert info[name].calibration is not None
    assert f"add the line gptq = true to [{LINEAR}]" in caplog.text


def test_without_a_selector_the_values_stay() -> None:
    model = build("llama")
    head = model.lm_head.weight.detach().clone()
    name = "model.layers.0.self_attn.q_proj"
    before = model.get_submodule(name).weight.detach().clone()
    _, info = quantize_module_transform_pass(model, recipe(), tokens=TOKENS)
    after = model.get_submodule(name).weight.detach()
    assert info == {}
    assert not torch.equal(before, after)
    assert torch.equal(fakequant.quantize(after, mxint(4, block_size=16)).unique(), after.unique())
    assert torch.equal(model.lm_head.weight, head)


@pytest.mark.parametrize("family", ["gpt_oss", "qwen3_moe"])
def test_turned_and_fused_weights_are_put_as_the_model_has_them(family: str) -> None:
    model = build(family)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    quantize_module_transform_pass(model, recipe(), tokens=TOKENS)
    changed = 0
    for name, value in model.named_parameters():
        if not torch.equal(value, before[name]):
            changed += 1
            assert (value - before[name]).norm() < 0.5 * before[name].norm(), name
    assert changed >= 4


def test_excluded_layers_are_left_alone() -> None:
    model = build("llama")
    first = model.model.layers[0].mlp.up_proj.weight.detach().clone()
    args = recipe(exclude=[r"model\.layers\.0"], **{LINEAR: W4A4})
    quantize_module_transform_pass(model, args, tokens=TOKENS)
    assert torch.equal(model.model.layers[0].mlp.up_proj.weight, first)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"lm_head": {"name": "mxint", "gptq": True, **W4}}, "no module in a stack of layers"),
        ({LINEAR: {"name": "mxint", "gptq": True, **W4, **IN4},
          "lm_head": {"name": "mxint", "gptq": True, **W4}}, "'lm_head' is outside"),
        ({"lm_head": {"name": "mxint", **W4}, "rotation_search": {"matmul_types": ["kv_cache"]}},
         "nothing to rotate|no module in a stack"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, tables: dict[str, Any], message: str
) -> None:
    for stage in ("calibrate", "search_rotations", "calibration_tokens", "fold_scaling"):
        monkeypatch.setattr(pipeline, stage, lambda *_, **__: pytest.fail("it ran"))
    given = {"rotation_search": {}, "scaling": {"method": "awq"}, "gptq": TABLE, **tables}
    with pytest.raises(FormatError, match=message):
        quantize_module_transform_pass(build("llama"), given, tokens=TOKENS)


def test_a_folder_that_cannot_be_made_is_said_first(tmp_path: Any) -> None:
    (tmp_path / "file").write_text("")
    table = TABLE | {"checkpoint_dir": str(tmp_path / "file" / "checkpoints")}
    with pytest.raises(FormatError, match=r"checkpoint_dir .* cannot be written"):
        quantize_module_transform_pass(build("llama"), {"gptq": table, LINEAR: W4A4}, tokens=TOKENS)


def test_a_device_is_overridden_or_refused_first() -> None:
    given = {"gptq": TABLE | {"device": "cuda:99"}, LINEAR: W4A4}
    with pytest.raises(FormatError, match=r"device 'cuda:99' cannot be used.*--device cpu"):
        quantize_module_transform_pass(build("llama"), given, tokens=TOKENS)
    _, info = quantize_module_transform_pass(build("llama"), given, tokens=TOKENS, device="cpu")
    assert info


def test_nothing_asked_changes_nothing() -> None:
    model = build("llama")
    _, info = quantize_module_transform_pass(model, {"by": "regex_name"})
    assert info == {}
    assert not hasattr(model, "plena_config")
