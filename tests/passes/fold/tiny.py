"""Tiny decoders in float64, and their logits without the places where models narrow to float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..families import FAMILIES, build
from ..recipes import token_ids

FOLDED = (
    "llama", "mistral", "qwen2", "qwen3", "qwen3_moe", "gemma", "gpt_oss", "glm4_moe", "smollm3",
)  # fmt: skip
"""Families of tests/passes/families.py whose stream and values can be folded."""
BASE: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 48,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 12,
    "max_position_embeddings": 128,
}


def tiny(family: str, *, dtype: torch.dtype = torch.float64, **changes: Any) -> nn.Module:
    """A model with seeded weights and gains that are not ones; Mixtral is added."""
    if family == "mixtral":
        config = transformers.MixtralConfig(
            num_local_experts=4, num_experts_per_tok=2, **BASE, **changes
        )
        torch.manual_seed(0)
        model: nn.Module = transformers.AutoModelForCausalLM.from_config(config).eval()
        scatter(model)
    else:
        assert family in FAMILIES
        model = build(family, **changes)
    model.config._experts_implementation = "eager"  # grouped products have no float64
    return model.to(dtype)


@torch.no_grad()
def scatter(model: nn.Module) -> None:
    """Move gains and biases away from ones and zeros."""
    for parameter in model.parameters():
        if parameter.ndim == 1:
            parameter.add_(torch.randn_like(parameter) * 0.1)


class Wide(TorchFunctionMode):
    """Where code asks for float32, it gets float64: norms, routers and rotary tables."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = [_wide(arg) for arg in args]
        named = {key: _wide(value) for key, value in (kwargs or {}).items()}
        return (torch.Tensor.double if func is torch.Tensor.float else func)(*given, **named)


def _wide(value: Any) -> Any:
    return torch.float64 if value is torch.float32 else value


@contextmanager
def precisely(model: nn.Module) -> Iterator[None]:
    """Compute in the model's own dtype only."""
    if next(model.parameters()).dtype is torch.float64:
        with Wide():
            yield
    else:
        yield


def ids() -> Tensor:
    return token_ids(2, 21, seed=1)


@torch.no_grad()
def logits(model: nn.Module) -> Tensor:
    with precisely(model):
        found: Tensor = model(ids(), use_cache=False).logits
    return found


def error(after: Tensor, before: Tensor) -> float:
    """Relative error of logits."""
    return float((after.double() - before.double()).norm() / before.double().norm())


def state(model: nn.Module) -> dict[str, Tensor]:
    """A copy of all parameters; tied ones under both names."""
    named = model.named_parameters(remove_duplicate=False)
    return {name: parameter.detach().clone() for name, parameter in named}
