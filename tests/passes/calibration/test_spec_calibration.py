"""Whole models with weights by their axes: what is calibrated, kept and refused."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.passes.calibration.test_checkpoint import files, require_same
from tests.passes.families import build
from tests.passes.recipes import LINEAR, LINEAR_AND_EXPERTS, token_ids
from torch import Tensor, nn

from plena_cosim.golden import FormatError
from plena_cosim.passes import quantize_module_transform_pass
from plena_cosim.passes.calibration import Calibration, calibrate
from plena_cosim.passes.calibration.algorithms import ALGORITHMS
from plena_cosim.passes.calibration.gptq import factorise
from plena_cosim.passes.calibration.spec_gptq import solve_spec
from plena_cosim.passes.plan.plan_model import plans_of
from plena_cosim.passes.recipe.load import read_quant_config
from plena_cosim.passes.recipe.recipe import Recipe
from plena_cosim.passes.recipe.spec_format import SpecFormat
from plena_cosim.passes.weights.spec_values import quantize_spec

WEIGHT: dict[str, Any] = {"element": "int4", "group_size": 16}
TABLE: dict[str, Any] = {
    "model_name": "tiny",
    "format": "spec",
    "weight_config": WEIGHT,
    "cali_batch_size": 2,
}
TOKENS = token_ids(6, 24, seed=7)
QUERY = "model.layers.0.self_attn.q_proj"


def recipe(gptq: dict[str, Any] | None = None, **tables: Any) -> Recipe:
    table = TABLE | (gptq or {})
    data_in = {"element": "int8", "group_size": 16}
    selector = {"name": "spec", "gptq": True, "weight": table["weight_config"], "data_in": data_in}
    return read_quant_config({"gptq": table, LINEAR: selector, **tables}, source="recipe.toml")


def calibrated(model: nn.Module, args: Recipe) -> Calibration:
    return calibrate(model, plans_of(model, args), args, TOKENS)


def inputs(model: nn.Module, name: str) -> Tensor:
    seen: list[Tensor] = []
    hook = model.get_submodule(name).register_forward_pre_hook(lambda m, args: seen.append(args[0]))
    with torch.no_grad():
        for sample in TOKENS:
            model(sample[None], use_cache=False)
    hook.remove()
    return torch.cat(seen).flatten(0, 1)


@pytest.mark.parametrize(
    ("keys", "static"),
    [
        ({"weight_config": {"element": "int4", "zero_point": "int32"}}, False),
        ({}, False),
        ({"static_groups": True, "desc_act": True, "block_size": 8}, True),
    ],
)
def test_a_weight_is_fitted_to_what_its_module_multiplies(
    keys: dict[str, Any], static: bool
) -> None:
    model, args = build("llama"), recipe({"token_weights": "uniform", **keys})
    found = calibrated(model, args)
    fmt = args.calibrated
    assert isinstance(fmt, SpecFormat)
    for name in (QUERY, QUERY.replace("q_proj", "v_proj")):  # they share operands, and no scale
        x = quantize_spec(inputs(model, name), args.selectors[0].formats.data_in)  # type: ignore[arg-type]
        gram = x.double().T @ x.double()
        order = None
        if keys.get("desc_act"):
            order = sorted(range(len(gram)), key=lambda c: -float(gram[c, c]))
            gram = gram[order][:, order]
        expected = solve_spec(
            model.get_submodule(name).weight,
            factorise(gram, 0.01),
            fmt,
            static_groups=static,
            order=order,
        )
        same = (found.weights[name].values - expected.weight.values).abs() < 1e-5
        # Sums in another order may tip a value that lies between two codes.
        assert float(same.float().mean()) > 0.99, name


def test_outputs_get_better() -> None:
    model = build("llama")
    plain = {LINEAR: {k: v for k, v in recipe().tables[LINEAR].items() if k != "gptq"}}
    given = {name: recipe({"algorithm": name}) for name in ALGORITHMS}
    errors = {}
    with torch.no_grad():
        wanted = model(TOKENS).logits
        for name, args in {"nearest": read_quant_config(plain), **given}.items():
            made, info = quantize_module_transform_pass(copy.deepcopy(model), args, tokens=TOKENS)
            errors[name] = float((made(TOKENS).logits - wanted).square().mean())
            assert (info[QUERY].calibration is None) is (name == "nearest")
    assert all(errors[name] < 0.9 * errors["nearest"] for name in ALGORITHMS)
    assert len(set(errors.values())) == len(errors)


def test_a_run_goes_on_from_its_checkpoints(tmp_path: Path) -> None:
    model, folder = build("llama"), {"checkpoint_dir": str(tmp_path)}
    whole = calibrated(model, recipe())
    require_same(calibrated(model, recipe(folder)), whole)
    files(tmp_path)[1].unlink()
    again = calibrated(model, recipe(folder))
    assert again.resumed == 1
    require_same(again, whole)
    other = calibrated(model, recipe(folder | {"static_groups": True}))
    assert other.resumed == 0
    assert any("gptq.static_groups" in note for note in other.notes)


def test_without_a_selector_the_values_stay() -> None:
    model = build("llama")
    args = read_quant_config({"gptq": TABLE})
    assert "not rounded again" in args.notes[0]
    before = model.get_submodule(QUERY).weight.detach().clone()
    quantize_module_transform_pass(model, args, tokens=TOKENS)
    after = model.get_submodule(QUERY).weight.detach()
    assert not torch.equal(before, after)
    levels = [len(group.unique()) for row in after for group in row.split(16)]
    assert max(levels) <= 16


def test_a_saved_model_is_loaded_without_calibration(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = build("llama")
    quantized, _ = quantize_module_transform_pass(model, recipe(), tokens=TOKENS)
    quantized.save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    values = quantized.get_submodule(QUERY).stored.values
    assert torch.equal(loaded.get_submodule(QUERY).stored.values, values)


@pytest.mark.parametrize("family", ["qwen3_moe", "gpt_oss"])
def test_each_expert_is_fitted_to_its_own_tokens(family: str) -> None:
    selector = {"name": "spec", "gptq": True, "weight": WEIGHT}
    model, info = quantize_module_transform_pass(
        build(family), {"gptq": TABLE, LINEAR_AND_EXPERTS: selector}, tokens=TOKENS
    )
    name = "model.layers.0.mlp.experts"
    plain = build(family).get_submodule(name).down_proj.detach()
    values = model.get_submodule(name).down_proj.stored.values
    turned = values.mT if family == "gpt_oss" else values
    levels = [len(group.unique()) for row in turned.flatten(0, 1) for group in row.split(16)]
    assert max(levels) <= 16
    records = info[name].calibration
    assert records is not None
    assert sum(each.tokens > 0 for each in records)
    rounded, _ = quantize_module_transform_pass(
        build(family), {LINEAR_AND_EXPERTS: {**selector, "gptq": False}}
    )
    nearest = rounded.get_submodule(name).down_proj.stored.values
    assert values.shape == plain.shape == nearest.shape
    assert not torch.equal(values, nearest)
    # what is fitted is near the weight still, and further than what is rounded to nearest
    assert (nearest - plain).norm() < (values - plain).norm() < 2 * (nearest - plain).norm()
    in_place, _ = quantize_module_transform_pass(build(family), {"gptq": TABLE}, tokens=TOKENS)
    assert in_place.get_submodule(name).down_proj.shape == plain.shape


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"desc_act": True}, r"\[gptq\]: desc_act = true takes columns out of their groups.*give "
         "static_groups = true too"),
        ({"quantiles": [1.0]}, "quantiles belongs to MX blocks"),
        ({"alpha": 0.1}, 'alpha belongs to algorithm = "qronos"'),
        ({"algorithm": "qronos", "damp_percent": 0.1}, "damp_percent belongs to the other"),
        ({"weight_config": {"element": "bfp16"}}, r"\[gptq.weight_config\]: bfp16/8 cannot be cal"),
        ({"weight_config": {"element": "int4", "granularity": "channel", "axis": 1}},
         "int4/channel axis 1 cannot be calibrated; take .* channel of axis 0"),
        ({"weight_config": {"element": "int4", "group_size": 4, "axis": 0}}, "cannot be calibrat"),
        ({"weight_config": {"element": "int4", "grup_size": 4}},
         "unknown key 'weight_config.grup_size'.*Did you mean 'group_size'"),
        ({"weight_config": {"weight_block_size": 4}}, 'format = "spec" takes element and its keys'),
        ({"format": "mxint"}, r'format = "mxint" takes weight_ keys; got element, group_size'),
        ({"format": "mxint", "static_groups": True,
          "weight_config": {"weight_block_size": 16, "weight_width": 4}},
         "static_groups belongs to formats with a scale a tensor, channel or group"),
    ],
)  # fmt: skip
def test_what_the_table_cannot_say(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read_quant_config({"gptq": TABLE | keys}, source="recipe.toml")


def test_a_selector_says_the_same_weight() -> None:
    other = {"name": "spec", "gptq": True, "weight": {"element": "int4"}}
    with pytest.raises(FormatError, match=r"the weight is int4/tensor and .* calibrates int4/16"):
        read_quant_config({"gptq": TABLE, LINEAR: other})
    nothing = {"name": "spec", "gptq": True, "data_in": {"element": "int8"}}
    with pytest.raises(FormatError, match="gptq is about the weight, but there is no weight"):
        read_quant_config({"gptq": TABLE, LINEAR: nothing})
