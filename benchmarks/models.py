"""Models that are timed: the demo model, and Llamas of any size with random weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from plena_cosim.evaluate import load_model
from plena_cosim.sources import load_text, tokenize


@dataclass(frozen=True, kw_only=True)
class Size:
    """Of a Llama with heads of 64 and half as many heads of keys as of queries."""

    hidden: int
    inner: int
    layers: int
    vocabulary: int = 32_000


TOY = Size(hidden=128, inner=256, layers=2, vocabulary=256)


def random_llama(size: Size) -> nn.Module:
    """Return a Llama with random weights in float32, ready to evaluate."""
    from transformers import LlamaConfig, LlamaForCausalLM

    heads = size.hidden // 64
    config = LlamaConfig(
        hidden_size=size.hidden,
        intermediate_size=size.inner,
        num_hidden_layers=size.layers,
        num_attention_heads=heads,
        num_key_value_heads=max(heads // 2, 1),
        vocab_size=size.vocabulary,
        max_position_embeddings=8192,
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    model: nn.Module = LlamaForCausalLM(config).eval()
    return model


def subject(*, full: bool, tokens: int) -> tuple[nn.Module, Tensor]:
    """Return the demo model and tokens of its text, or a toy with random tokens.

    Args:
        full: the demo model, which is downloaded where it is not in the cache.
        tokens: how many, (1, tokens).
    """
    if not full:
        draw = torch.Generator().manual_seed(0)
        return random_llama(TOY), torch.randint(0, 256, (1, tokens), generator=draw)
    model, tokenizer = load_model("demo")
    return model, tokenize(tokenizer, load_text("demo"), limit=tokens)[None]


def filled_cache(model: nn.Module, ids: Tensor) -> Any:
    """Return the model's cache after it has read tokens."""
    with torch.no_grad():
        return model(ids, use_cache=True).past_key_values


def decode(model: nn.Module, cache: Any, token: Tensor) -> None:
    """Run one token with a cache, and take the token off the cache again.

    Args:
        model: whose cache it is.
        cache: of `filled_cache`.
        token: (1, 1).
    """
    with torch.no_grad():
        model(token, past_key_values=cache, use_cache=True)
    cache.crop(-1)
