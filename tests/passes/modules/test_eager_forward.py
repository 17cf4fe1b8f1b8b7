"""torch.compile changes no bit of a quantised model, however it is called."""

from __future__ import annotations

import copy
import gc
import inspect
import pickle
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from plena_cosim.passes import quantize_module_transform_pass

MXINT4 = {"data_in_block_size": 16, "data_in_width": 4}
LINEAR = {**MXINT4, "name": "mxint", "weight_block_size": 16, "weight_width": 4}
DECODE = {**LINEAR, "weight_width": 2}
ATTENTION = {"name": "mxint", "kv_cache": MXINT4, "qk_matmul": MXINT4, "av_matmul": MXINT4}
MLP = r"model\.layers\.\d+\.mlp\.\w+_proj"
RECIPES: dict[str, dict[str, Any]] = {
    "linear": {MLP: LINEAR},
    "attention": {r".*\.self_attn": ATTENTION},
    "norms": {
        "by": "type",
        "LlamaRMSNorm": {"name": "minifloat", "data_in_exponent_width": 8, "data_in_frac_width": 7},
    },
    "phases": {MLP: LINEAR, "phase": {"decode": {MLP: DECODE}}},
}
CONFIG = LlamaConfig(
    vocab_size=96,
    hidden_size=64,
    intermediate_size=128,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
)
TOKENS = torch.arange(3, 20)[None]


def model_for(recipe: dict[str, Any], numerics: str = "fake") -> LlamaForCausalLM:
    torch.manual_seed(0)
    model = LlamaForCausalLM(CONFIG).eval()
    quantize_module_transform_pass(model, dict(recipe), numerics=numerics)
    return model


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    torch.compiler.reset()
    with torch.no_grad():
        yield
    torch.compiler.reset()


@pytest.mark.parametrize("numerics", ["fake", "exact"])
@pytest.mark.parametrize("name", RECIPES)
def test_compiled_is_eager(name: str, numerics: str) -> None:
    model = model_for(RECIPES[name], numerics)
    first = model(TOKENS, use_cache=True)
    then = model(TOKENS[:, :1], past_key_values=first.past_key_values)
    compiled = torch.compile(model)
    got = compiled(TOKENS, use_cache=True)
    assert torch.equal(got.logits, first.logits)
    got = compiled(TOKENS[:, :1], past_key_values=got.past_key_values)
    assert torch.equal(got.logits, then.logits)


def _whole(model: LlamaForCausalLM) -> Callable[[Tensor], Any]:
    return torch.compile(model.forward)


def _inside_another(model: LlamaForCausalLM) -> Callable[[Tensor], Any]:
    return torch.compile(lambda tokens: model(tokens + 0), backend="aot_eager")


def _in_place(model: LlamaForCausalLM) -> Callable[[Tensor], Any]:
    model.compile()
    return model


def _inner(model: LlamaForCausalLM) -> Callable[[Tensor], Any]:
    model.model = torch.compile(model.model)
    return model


def _layers(model: LlamaForCausalLM) -> Callable[[Tensor], Any]:
    for layer in model.model.layers:
        layer.compile()
    return model


def _linear_layers(model: LlamaForCausalLM) -> Callable[[Tensor], Any]:
    for layer in model.model.layers:
        layer.mlp.down_proj.compile()
    return model


WAYS = [_whole, _inside_another, _in_place, _inner, _layers, _linear_layers]


@pytest.mark.parametrize("way", WAYS)
def test_whatever_is_compiled(way: Callable[[LlamaForCausalLM], Callable[[Tensor], Any]]) -> None:
    model = model_for(RECIPES["linear"])
    want = model(TOKENS).logits
    assert torch.equal(way(model)(TOKENS).logits, want)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_is_as_eager(copied: Callable[[LlamaForCausalLM], LlamaForCausalLM]) -> None:
    model = model_for(RECIPES["linear"])
    want = model(TOKENS).logits
    other = copied(model)
    model.model.embed_tokens.weight.zero_()  # it is the copy that computes
    assert torch.equal(torch.compile(other)(TOKENS).logits, want)


def test_a_loaded_model_is_as_eager(tmp_path: Path) -> None:
    model = model_for(RECIPES["linear"])
    model.save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    assert torch.equal(torch.compile(loaded)(TOKENS).logits, model(TOKENS).logits)


def test_a_full_graph_is_refused_in_words_that_help() -> None:
    compiled = torch.compile(model_for(RECIPES["linear"]), fullgraph=True)
    with pytest.raises(torch._dynamo.exc.Unsupported, match="compile without fullgraph=True"):
        compiled(TOKENS)


def test_generation_with_a_static_cache() -> None:
    model = model_for(RECIPES["linear"])
    options: dict[str, Any] = {"max_new_tokens": 4, "do_sample": False, "pad_token_id": 0}
    want = model.generate(TOKENS, **options)
    model.forward = torch.compile(model.forward)
    got = model.generate(TOKENS, cache_implementation="static", **options)
    assert torch.equal(got, want)


def test_a_second_pass_goes_on() -> None:
    layer = LlamaForCausalLM(CONFIG).model.layers[0]
    model = nn.ModuleDict({"layer": layer})  # one that keeps no record of the first
    quantize_module_transform_pass(model, {r".*\.[qkv]_proj": LINEAR})
    _, info = quantize_module_transform_pass(model, {r".*\.self_attn": ATTENTION})
    assert list(info) == ["layer.self_attn"]


def test_the_signature_stays() -> None:
    model = model_for(RECIPES["linear"])
    want = list(inspect.signature(LlamaForCausalLM.forward).parameters)[1:]
    assert list(inspect.signature(model.forward).parameters) == want


def test_a_model_leaves_memory_at_once() -> None:
    model = nn.Sequential(nn.Linear(32, 32))
    quantize_module_transform_pass(model, {"0": LINEAR})
    gone = weakref.ref(model)
    gc.disable()
    try:
        del model
        assert gone() is None
    finally:
        gc.enable()
