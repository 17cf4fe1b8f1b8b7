"""What the tests of passes share: one thread, and small models."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from tests.one_thread import one_thread
from torch import nn

__all__ = ["one_thread"]


@pytest.fixture
def mlp() -> Callable[..., nn.Module]:
    """Two linear layers, one of them with a bias, and a norm."""

    def build(dtype: torch.dtype = torch.float32) -> nn.Module:
        layers = nn.Sequential()
        layers.add_module("up", nn.Linear(40, 24, bias=False))
        layers.add_module("norm", nn.LayerNorm(24))
        layers.add_module("down", nn.Linear(24, 10))
        return layers.to(dtype)

    return build


@pytest.fixture
def llama() -> Callable[[], nn.Module]:
    """A two-layer Llama with random weights and tied embeddings."""

    def build() -> nn.Module:
        from transformers import LlamaConfig, LlamaForCausalLM

        config = LlamaConfig(
            vocab_size=61,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            tie_word_embeddings=True,
        )
        return LlamaForCausalLM(config).eval()

    return build
