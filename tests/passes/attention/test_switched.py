"""Attention and experts that are switched after the pass: an error, never the float model."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import transformers

from plena_cosim.golden import FormatError
from plena_cosim.passes import quantize_module_transform_pass

from ..families import build
from ..recipes import ATTENTION, IN8, W8A8, token_ids

IDS = token_ids(1, 6, seed=1)
RECIPES = {"all of it": ATTENTION, "the cache alone": {"name": "mxint", "kv_cache": IN8}}


@pytest.mark.parametrize("table", RECIPES.values(), ids=RECIPES)
@torch.no_grad()
def test_another_attention_function_is_an_error_and_the_way_back_is_open(table: object) -> None:
    model = build("llama", num_hidden_layers=1)
    quantize_module_transform_pass(model, {r".*self_attn": table})
    expected = model(IDS).logits
    model.set_attn_implementation("sdpa")
    with pytest.raises(FormatError, match=r"'sdpa' was chosen for it since.*goes back"):
        model(IDS)
    model.set_attn_implementation("plena")
    assert torch.equal(model(IDS).logits, expected)
    model.config._attn_implementation = "eager"
    with pytest.raises(FormatError, match="'eager' was chosen"):
        model.model(IDS)


SIZES: dict[str, dict[str, Any]] = {
    "bloom": {"hidden_size": 32, "n_head": 2, "n_layer": 1},
    "codegen": {"n_embd": 64, "n_layer": 1, "n_head": 4, "rotary_dim": 16, "n_positions": 64},
    "mpt": {"d_model": 32, "n_heads": 2, "n_layers": 1, "max_seq_len": 64},
}


@pytest.mark.parametrize("family", SIZES)
@torch.no_grad()
def test_so_it_is_where_attention_holds_no_configuration(family: str) -> None:
    """The masks of another function changed bits without a word."""
    ids = {"vocab_size": 64, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    config = transformers.AutoConfig.for_model(family, **ids, **SIZES[family])
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    table = {"name": "mxint", "qk_matmul": IN8, "av_matmul": IN8, "kv_cache": IN8}
    quantize_module_transform_pass(model, {r".*\.\d+\.(self_attention|attn)": table})
    mask = torch.ones_like(IDS)
    mask[:, 0] = 0  # without it MPT itself stops
    for made in (model, copy.deepcopy(model)):
        expected = made(IDS, attention_mask=mask).logits
        made.config._attn_implementation = "sdpa"
        with pytest.raises(FormatError, match=r"'sdpa' was chosen.*_implementation = .plena. goes"):
            made(IDS, attention_mask=mask)
        made.config._attn_implementation = "plena"
        assert torch.equal(made(IDS, attention_mask=mask).logits, expected)


@torch.no_grad()
def test_another_way_to_multiply_experts_is_an_error() -> None:
    model = build("qwen3_moe", num_hidden_layers=1)
    quantize_module_transform_pass(model, {r".*\.experts": W8A8})
    expected = model(IDS).logits
    model.config._experts_implementation = "grouped_mm"
    with pytest.raises(FormatError, match="'grouped_mm' was chosen since"):
        model(IDS)
    model.config._experts_implementation = "eager"
    assert torch.equal(model(IDS).logits, expected)
