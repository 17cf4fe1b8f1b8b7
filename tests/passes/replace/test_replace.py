"""What a model was before the pass and still has to be after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn

from plena_cosim.golden import FormatError
from plena_cosim.passes import quantize_module_transform_pass

from ..families import build
from ..recipes import ATTENTION, FP12, GPTQ, IN4, W4A4, W8A8, token_ids

IDS = token_ids(1, 6, seed=1)


class Twice(nn.Module):
    """One layer under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = self.second = nn.Linear(32, 32)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.second(torch.relu(self.first(x)))
        return out


@pytest.mark.parametrize(
    "recipe",
    [
        {"by": "type", "linear": W4A4},
        {"by": "name", "first": W4A4},
        {"by": "name", "second": W4A4},
        {"second": W4A4},
        {"by": "glob", "sec*": W4A4},
        {"by": "type", "linear": W4A4, "phase": {"decode": {"linear": W8A8}}},
    ],
)
def test_a_module_under_two_names_is_quantised_under_both(recipe: dict[str, Any]) -> None:
    net, info = quantize_module_transform_pass(Twice(), recipe)
    assert net.first is net.second
    assert type(net.first) is not nn.Linear
    assert all(name.startswith("first") for name in info)


def test_two_selectors_for_one_module_are_an_error() -> None:
    with pytest.raises(FormatError, match=r"'first'.* is taken by \[first\]"):
        quantize_module_transform_pass(Twice(), {"by": "name", "first": W4A4, "second": W8A8})


def test_a_shared_module_is_not_calibrated_for_one_of_its_layers() -> None:
    model = build("llama")
    model.model.layers[1].mlp = model.model.layers[0].mlp
    recipe = {r".*up_proj": {**W4A4, "gptq": True}, "gptq": {**GPTQ, "device": "cpu"}}
    with pytest.raises(FormatError, match=r"is one module in layers 0, 1 of model\.layers"):
        quantize_module_transform_pass(model, recipe, tokens=token_ids(2, 8, seed=0))


@torch.no_grad()
def test_another_model_with_the_same_config_stays_as_it_is(tmp_path: Path) -> None:
    teacher = build("llama", num_hidden_layers=1, tie_word_embeddings=True)
    student = type(teacher)(teacher.config).eval()
    assert student.config is teacher.config
    before = teacher.config.to_dict()
    quantize_module_transform_pass(student, {"lm_head": W4A4, r".*self_attn": ATTENTION})
    assert teacher.config.to_dict() == before
    assert teacher.config._attn_implementation != "plena"
    assert student.model.layers[0].self_attn.config is student.config
    teacher.save_pretrained(tmp_path)
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    assert torch.equal(again(IDS).logits, teacher(IDS).logits)


@torch.no_grad()
def test_hooks_go_over_to_the_module_that_takes_the_place() -> None:
    model, seen = build("llama", num_hidden_layers=1), []
    layer = model.model.layers[0]
    handles = [
        layer.mlp.up_proj.register_forward_hook(lambda *_: seen.append("up_proj")),
        layer.mlp.act_fn.register_forward_pre_hook(lambda *_: seen.append("act_fn")),
        model.model.norm.register_forward_hook(
            lambda *_, **__: seen.append("norm"), with_kwargs=True
        ),
    ]
    decode = {"phase": {"decode": {r".*up_proj": W8A8}}}
    norm = {"name": "minifloat", **FP12}
    quantize_module_transform_pass(
        model, {r".*up_proj": W4A4, r".*norm": norm, r".*\.mlp": norm, **decode}
    )
    assert not seen
    model(IDS)
    assert sorted(seen) == ["act_fn", "norm", "up_proj"]
    for handle in handles:
        handle.remove()
    seen.clear()
    model(IDS)
    assert not seen


@pytest.mark.parametrize("name", ["self_attn", "mlp.up_proj", "mlp.act_fn"])
def test_a_forward_that_was_put_over_a_module_is_not_lost_without_a_word(name: str) -> None:
    model = build("llama", num_hidden_layers=1)
    module = model.model.layers[0].get_submodule(name)
    module.forward = module.forward
    recipe = {
        r".*self_attn": {"name": "mxint", "kv_cache": IN4},
        r".*up_proj": W4A4,
        r".*\.mlp": {"name": "minifloat", **FP12},
    }
    with pytest.raises(FormatError, match="another forward was put over"):
        quantize_module_transform_pass(model, recipe)


def test_weights_without_values_are_an_error() -> None:
    with torch.device("meta"):
        net = nn.Sequential(nn.Linear(32, 8))
    with pytest.raises(FormatError, match="its weight is on the meta device and has no values"):
        quantize_module_transform_pass(net, {"by": "name", "0": W4A4})


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (torch.full((2, 8), 500), "there is token 500, and the model knows 64"),
        (torch.full((2, 8), -100), "there is token -100, and the model knows 64"),
        (torch.zeros(8, dtype=torch.int64), r"must be \(samples, seqlen\) int64, got \(8,\)"),
        (torch.zeros(2, 8), "must be .* int64, got .* torch.float32"),
    ],
)
def test_tokens_that_the_model_does_not_know_are_an_error(tokens: Tensor, message: str) -> None:
    recipe = {r".*up_proj": {**W4A4, "gptq": True}, "gptq": {**GPTQ, "device": "cpu"}}
    with pytest.raises(FormatError, match=message):
        quantize_module_transform_pass(build("llama", num_hidden_layers=1), recipe, tokens=tokens)


@torch.no_grad()
def test_a_model_with_several_ties_comes_back(tmp_path: Path) -> None:
    """Zamba2 ties layers to each other, too."""
    torch.manual_seed(0)
    config = transformers.Zamba2Config(
        vocab_size=96,
        hidden_size=64,
        intermediate_size=128,
        num_attention_heads=4,
        num_key_value_heads=2,
        num_hidden_layers=4,
        layers_block_type=["mamba", "hybrid", "mamba", "hybrid"],
        mamba_d_state=8,
        mamba_ngroups=1,
        n_mamba_heads=2,
        num_mem_blocks=1,
        adapter_rank=8,
        use_mem_rope=True,
        chunk_size=16,
        use_mamba_kernels=False,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    table = {"name": "mxint", "weight_block_size": 32, "weight_width": 8}
    quantize_module_transform_pass(model, {"by": "name", "lm_head": table})
    expected = model(IDS).logits
    model.save_pretrained(tmp_path)
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    assert torch.equal(again(IDS).logits, expected)
