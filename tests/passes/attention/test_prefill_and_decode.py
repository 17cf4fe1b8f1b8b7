"""A prompt read at once and token by token, with exact numerics: what is equal (docs/recipe.md)."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import DynamicCache, MistralConfig, MistralForCausalLM

from plena_cosim.golden import HardwareConfig, get_format
from plena_cosim.passes import quantize_module_transform_pass

IDS = (torch.arange(24)[None] ** 2 + 3) % 61


def quantised(window: int | None, *, keys: int, reduction: str) -> nn.Module:
    """A model of two layers whose blocks of `av_matmul` have so many keys."""
    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=61,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        sliding_window=window,
        initializer_range=0.3,  # so that attention says something
    )
    attention = {
        "name": "mxint",
        "qk_matmul": {"data_in_block_size": 8, "data_in_width": 8},
        "av_matmul": {"data_in_block_size": keys, "data_in_width": 6},
        "kv_cache": {"data_in_block_size": 8, "data_in_width": 8},
    }
    linear = {
        "name": "mxint",
        "weight_block_size": 8,
        "weight_width": 8,
        "data_in_block_size": 8,
        "data_in_width": 8,
    }
    recipe = {r".*self_attn": attention, r".*_proj": linear}
    machine = HardwareConfig(reduction_format=get_format(reduction), vlen=4)
    model = MistralForCausalLM(config).eval()
    quantize_module_transform_pass(model, recipe, numerics="exact", hw=machine)
    return model


@torch.no_grad()
def caches(model: nn.Module) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Keys and values of each layer, after a pass over all tokens and after one pass a token."""
    whole, stepped = (DynamicCache(config=model.config) for _ in range(2))
    model(IDS, past_key_values=whole)
    for token in IDS.split(1, dim=1):
        model(token, past_key_values=stepped)
    found = []
    for one, other in zip(whole.layers, stepped.layers, strict=True):
        held = min(one.keys.shape[-2], other.keys.shape[-2])
        pairs = (torch.cat([layer.keys, layer.values], -1) for layer in (one, other))
        found.append(tuple(pair[..., -held:, :] for pair in pairs))
    return found


@pytest.mark.parametrize("window", [None, 7])
@pytest.mark.parametrize("keys", [1, 8])
def test_the_first_layers_cache_has_the_same_codes(window: int | None, keys: int) -> None:
    first, _ = caches(quantised(window, keys=keys, reduction="bf16"))
    assert torch.equal(*first)


def test_later_layers_have_them_where_nothing_spans_keys() -> None:
    for pair in caches(quantised(None, keys=1, reduction="bf16")):
        assert torch.equal(*pair)


@pytest.mark.parametrize(("window", "keys"), [(None, 8), (7, 1)])
def test_later_layers_differ_by_blocks_and_by_the_order_of_a_window(
    window: int | None, keys: int
) -> None:
    _, second = caches(quantised(window, keys=keys, reduction="bf16"))
    assert not torch.equal(*second)
