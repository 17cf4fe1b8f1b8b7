"""Tiny random models of many families."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from torch import nn

_BASE = {
    "vocab_size": 64,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_EXPERTS = {"num_experts_per_tok": 2, "moe_intermediate_size": 32}

FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", {}),
    "qwen2": ("Qwen2Config", {}),
    "qwen3": ("Qwen3Config", {}),
    "qwen3_moe": ("Qwen3MoeConfig", {"num_experts": 4, **_EXPERTS}),
    "mistral": ("MistralConfig", {"sliding_window": 8}),
    "gemma": ("GemmaConfig", {}),
    "gemma2": ("Gemma2Config", {"sliding_window": 8}),
    "gemma3": ("Gemma3TextConfig", {"sliding_window": 8}),
    "phi": ("PhiConfig", {"head_dim": None}),
    "phi3": ("Phi3Config", {}),
    "gpt_oss": (
        "GptOssConfig",
        {"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 8},
    ),
    "glm4": ("Glm4Config", {}),
    "glm4_moe": (
        "Glm4MoeConfig",
        {"n_routed_experts": 4, "first_k_dense_replace": 1, "n_group": 1, "topk_group": 1}
        | _EXPERTS,
    ),
    "smollm3": ("SmolLM3Config", {"no_rope_layers": [1, 0]}),
}
"""By name: the class of the configuration, and what is not as in `_BASE`; None leaves a key out."""


def build(family: str, **changes: Any) -> nn.Module:
    """Return a model with seeded weights; norms and biases are not ones and zeros."""
    name, own = FAMILIES[family]
    keys = {key: value for key, value in (_BASE | own | changes).items() if value is not None}
    torch.manual_seed(0)
    transformers.logging.set_verbosity_error()
    config = getattr(transformers, name)(**keys)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return model
