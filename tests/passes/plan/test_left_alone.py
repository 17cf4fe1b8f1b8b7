"""Every weight matrix is quantised, or named with the reason why it is not."""

from __future__ import annotations

import copy
import logging
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import nn

from plena_cosim.golden import FormatError
from plena_cosim.passes import left_alone, quantize_module_transform_pass
from plena_cosim.passes.plan.left_alone import Cause
from plena_cosim.passes.weights.packed_weight import PackedWeight

from ..families import build
from ..recipes import GPTQ, IN8, LINEAR, W4, W4A4, token_ids

CACHE = {"name": "mxint", "kv_cache": IN8}


def other(family: str) -> nn.Module:
    """A small model of a family that families.py has not."""
    sizes: dict[str, dict[str, Any]] = {
        "gpt2": {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 64},
        "mamba": {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 8},
    }
    config = transformers.AutoConfig.for_model(
        family, vocab_size=64, bos_token_id=1, eos_token_id=2, pad_token_id=0, **sizes[family]
    )
    torch.manual_seed(0)
    return transformers.AutoModelForCausalLM.from_config(config).eval()


def names_left(model: nn.Module) -> set[str]:
    """What is in float after a pass, by the model itself: parameters that no codes stand behind."""
    packed = [name for name, module in model.named_modules() if isinstance(module, PackedWeight)]
    return {
        name.removesuffix(".weight")
        for name, parameter in model.named_parameters(remove_duplicate=False)
        if parameter.ndim > 1
        and not name.endswith("bias")
        and not name.startswith(tuple(f"{each}." for each in packed))
    }


@pytest.mark.parametrize(
    ("family", "recipe"),
    [
        ("llama", {LINEAR: W4A4}),
        ("llama", {"exclude": [r"model\.layers\.0"], LINEAR: W4A4, ".*self_attn": CACHE}),
        ("qwen3_moe", {r".*(_proj|\.experts)": W4A4}),
        ("qwen3_moe", {LINEAR: W4A4}),
        ("gpt_oss", {r".*\.experts": W4A4, "lm_head": W4A4}),
        ("gemma3", {"by": "type", "Linear": W4A4, "Embedding": {"name": "mxint", **W4}}),
        ("gpt2", {"by": "type", "Conv1D": W4A4}),
        ("mamba", {"by": "type", "Linear": W4A4}),
    ],
)
def test_what_is_not_quantised_is_named(family: str, recipe: dict[str, Any]) -> None:
    model = other(family) if family in ("gpt2", "mamba") else build(family)
    quantize_module_transform_pass(model, recipe)
    found = left_alone(model)
    assert {matrix.name for matrix in found.matrices} == names_left(model)


def causes(model: nn.Module) -> dict[str, tuple[Cause, str]]:
    return {matrix.name: (matrix.cause, matrix.reason) for matrix in left_alone(model).matrices}


def test_each_reason(llama) -> None:
    model, _ = quantize_module_transform_pass(
        llama(),
        {
            "exclude": [r"model\.layers\.0\.mlp"],
            r".*\.q_proj": {"name": "mxint", "bypass": True},
            r".*\.k_proj": {"name": "mxint", **IN8},
            r".*\.(v|up|gate)_proj": W4A4,
        },
    )
    found = causes(model)
    recipe, layer = Cause.RECIPE, "model.layers.0."
    assert found[f"{layer}mlp.up_proj"] == (recipe, r"exclude 'model\\.layers\\.0\\.mlp'")
    assert found[f"{layer}self_attn.q_proj"] == (recipe, r"[.*\.q_proj] says bypass = true")
    assert found[f"{layer}self_attn.k_proj"] == (
        recipe,
        r"[.*\.k_proj] gives its weight no format",
    )
    assert found[f"{layer}self_attn.o_proj"] == (Cause.UNCHOSEN, "no selector chooses it")
    assert found["lm_head"] == (Cause.UNCHOSEN, "no selector chooses it")
    assert found["model.embed_tokens"] == (
        Cause.LOOKED_UP,
        "no selector chooses it; its rows are looked up, not multiplied",
    )
    assert f"{layer}self_attn.v_proj" not in found
    assert "model.layers.1.mlp.up_proj" not in found


def test_what_no_kind_knows() -> None:
    model, _ = quantize_module_transform_pass(build("qwen3_moe"), {r".*\.experts": W4A4})
    assert causes(model)["model.layers.0.mlp.gate"] == (
        Cause.UNABLE,
        "a recipe changes no weight of Qwen3MoeTopKRouter",
    )
    model, _ = quantize_module_transform_pass(other("mamba"), {"by": "type", "Linear": W4A4})
    found = causes(model)
    assert found["backbone.layers.0.mixer.A_log"] == (
        Cause.UNABLE,
        "a recipe changes no A_log of MambaMixer",
    )
    assert found["backbone.layers.0.mixer.conv1d"][0] is Cause.UNABLE


def test_what_is_inside_of_a_module_that_is_one() -> None:
    class Experts(nn.Module):
        is_transposed = False

        def __init__(self) -> None:
            super().__init__()
            self.up = nn.Parameter(torch.zeros(2, 8, 8))
            self.table = nn.Parameter(torch.zeros(4, 4))
            self.inner = nn.Linear(8, 8)

    model = nn.Module()
    model.experts = Experts()
    quantize_module_transform_pass(model, {"by": "name", "experts": W4A4})
    assert causes(model) == {
        "experts.table": (Cause.UNABLE, "of Experts, recipes change only up"),
        "experts.inner": (Cause.RECIPE, "is inside experts, which is one module"),
    }


def test_exact_numerics_quantise_every_operand(llama) -> None:
    recipe = {LINEAR: {"name": "mxint", **IN8}}
    for numerics, count in (("fake", 14), ("exact", 0)):
        model, _ = quantize_module_transform_pass(llama(), recipe, numerics=numerics)
        reasons = [matrix.reason for matrix in left_alone(model).matrices]
        assert reasons.count(f"[{LINEAR}] gives its weight no format") == count


def test_phases_are_told_apart(llama) -> None:
    recipe = {
        r".*\.o_proj": W4A4,
        "phase": {"decode": {"lm_head": W4A4, r".*0.*\.o_proj": {"name": "mxint", "bypass": True}}},
    }
    model, _ = quantize_module_transform_pass(llama(), recipe)
    found = causes(model)
    assert found["lm_head"] == (Cause.UNCHOSEN, "in prefill: no selector chooses it")
    assert found["model.layers.0.self_attn.o_proj"] == (
        Cause.RECIPE,
        r"in decode: [.*0.*\.o_proj] says bypass = true",
    )
    assert "model.layers.1.self_attn.o_proj" not in found
    assert found["model.layers.1.self_attn.q_proj"][1] == "no selector chooses it"


def test_shares_count_a_tied_weight_once(llama) -> None:
    model = llama()
    weights = {id(p): p.numel() for p in model.parameters() if p.ndim > 1}
    table = model.lm_head.weight.numel()
    assert model.lm_head.weight is model.model.embed_tokens.weight
    quantize_module_transform_pass(model, {LINEAR: W4A4})
    found = left_alone(model)
    assert len(found.matrices) == 2
    assert (found.elements, found.quantized) == (table, sum(weights.values()) - table)
    assert found.share == pytest.approx(table / sum(weights.values()))
    assert found.unasked == table  # the head
    assert found.words() == f"2 matrices, {found.share:.1%} of weights"


def test_names_that_differ_in_numbers_share_a_line(llama) -> None:
    model, _ = quantize_module_transform_pass(llama(), {LINEAR.replace("_proj", "q_proj"): W4A4})
    lines = left_alone(model).lines()
    assert "model.layers.*.mlp.up_proj (2): Linear, 48 × 32: no selector chooses it" in lines
    assert lines[-1] == "lm_head: Linear, 61 × 32: no selector chooses it"
    record = left_alone(model).as_dict()
    assert sum(group["count"] for group in record["groups"]) == record["matrices"]
    assert {"name": "lm_head", "module": "Linear", "shape": [61, 32], "cause": "unchosen",
            "reason": "no selector chooses it", "count": 1} in record["groups"]  # fmt: skip


@pytest.mark.parametrize(
    ("recipe", "warned"),
    [
        ({"by": "type", "Linear": W4A4}, True),  # the head alone
        ({"by": "type", "Conv1D": W4A4}, False),
        ({"by": "type", "LayerNorm": {"name": "minifloat", "data_in_exponent_width": 3,
                                      "data_in_frac_width": 4}}, False),
        ({"by": "type", "exclude": ["Conv1D"], "Linear": W4A4}, False),
    ],
)  # fmt: skip
def test_a_recipe_that_leaves_more_than_it_quantises_is_warned_of(
    recipe: dict[str, Any], warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        quantize_module_transform_pass(other("gpt2"), recipe)
    (line,) = [record for record in caplog.records if "float" in record.getMessage()]
    left = "transformer.h.*.attn.c_attn (2): Conv1D" in line.getMessage()
    assert left == ("Conv1D" not in recipe)
    assert (line.levelno == logging.WARNING) == warned
    assert ("leaves more weights in float than it quantises" in line.getMessage()) == warned


def test_a_recipe_that_changes_nothing_leaves_everything(llama) -> None:
    model, info = quantize_module_transform_pass(llama(), {"by": "name"})
    assert not info
    assert left_alone(model).share == 1.0


def test_calibrated_values_in_place_are_no_codes() -> None:
    model = build("llama")
    quantize_module_transform_pass(model, {"gptq": GPTQ}, tokens=token_ids(2, 8, seed=0))
    cause, reason = causes(model)["model.layers.0.mlp.up_proj"]
    assert cause is Cause.RECIPE
    assert reason == "[gptq] puts calibrated values in place; no selector chooses it"
    assert causes(model)["lm_head"] == (Cause.UNCHOSEN, "no selector chooses it")


def test_it_goes_with_the_model(llama, tmp_path: Path) -> None:
    model, _ = quantize_module_transform_pass(llama(), {LINEAR: W4A4})
    found = left_alone(model)
    assert left_alone(copy.deepcopy(model)) == found
    assert left_alone(pickle.loads(pickle.dumps(model))) == found
    model.save_pretrained(tmp_path)
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    assert left_alone(again) == found


def test_before_a_pass_there_is_nothing_to_tell(llama) -> None:
    with pytest.raises(FormatError, match="no recipe has been over this LlamaForCausalLM; give it"):
        left_alone(llama())
