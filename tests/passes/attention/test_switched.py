"""Attention and experts that are switched after the pass: an error, never the float model."""

from __future__ import annotations

import pytest
import torch

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
