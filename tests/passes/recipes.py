"""Recipes and tokens that the tests of passes share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

W4 = {"weight_block_size": 16, "weight_width": 4}
IN4 = {"data_in_block_size": 16, "data_in_width": 4}
IN8 = {"data_in_block_size": 16, "data_in_width": 8}
W4A4 = {"name": "mxint", **W4, **IN4}
W8A8 = {"name": "mxint", "weight_block_size": 16, "weight_width": 8, **IN8}
FP12 = {"data_in_exponent_width": 5, "data_in_frac_width": 6}
ATTENTION = {
    "name": "mxint",
    "qk_matmul": IN8,
    "av_matmul": IN8,
    "rope": FP12,
    "softmax": FP12,
    "kv_cache": IN8,
}
LINEAR = r"model\.layers\.\d+\..*_proj"
"""Key of a selector: the linear layers of all layers."""
LINEAR_AND_EXPERTS = r"model\.layers\.\d+\..*(_proj|\.experts)"
GPTQ: dict[str, Any] = {"model_name": "tiny", "format": "mxint", "weight_config": W4}
"""[gptq]."""
NO_MLP = {"qwen3_moe", "gpt_oss"}
"""Families whose activations sit in the experts."""


def full_recipe(family: str) -> dict[str, Any]:
    """Return a recipe of eight bits for every module that can be quantised."""
    recipe: dict[str, Any] = {
        r".*self_attn": ATTENTION,
        r".*(_proj|dense|fc1|fc2|lm_head|\.experts)": W8A8,
        r".*(norm|_layernorm)": {"name": "minifloat", **FP12},
        r".*\.mlp": {"name": "minifloat", **FP12},
        r".*embed_tokens": {"name": "mxint", "weight_block_size": 16, "weight_width": 8},
    }
    if family in NO_MLP:
        del recipe[r".*\.mlp"]
    return recipe


def token_ids(samples: int, length: int, *, seed: int) -> Tensor:
    """Tokens of the models in families.py that are neither padding nor an end, int64."""
    return torch.randint(3, 64, (samples, length), generator=torch.Generator().manual_seed(seed))
