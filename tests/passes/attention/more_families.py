"""Tiny models of further families, and their attention between projections, in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import transformers
from torch import nn

Array = np.ndarray
TOKENS = {"vocab_size": 96, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
HEADS = 4
WIDE = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": HEADS}
SHORT = {"n_embd": 64, "n_layer": 2, "n_head": HEADS, "n_positions": 128}
NEO = {
    "hidden_size": 64, "num_layers": 2, "num_heads": HEADS, "intermediate_size": 96,
    "max_position_embeddings": 128, "window_size": 5,
}  # fmt: skip
LATENT = WIDE | {
    "num_key_value_heads": HEADS, "intermediate_size": 96, "moe_intermediate_size": 32,
    "q_lora_rank": 32, "kv_lora_rank": 48, "qk_rope_head_dim": 8, "qk_nope_head_dim": 16,
    "v_head_dim": 24, "n_routed_experts": 4, "num_experts_per_tok": 2, "first_k_dense_replace": 2,
    "n_group": 1, "topk_group": 1, "max_position_embeddings": 128,
}  # fmt: skip
TURNED = 8
"""Elements of a head that models of a partial rotary embedding turn."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """What a test has to know of a family.

    Attributes:
        model_type: name of its configuration.
        sizes: of the tiny model.
        attention: the class of its attention.
        module: name of the first layer's attention.
        out: the projection that takes what attention gives.
        split: from what its projections give, by name (batch, tokens, …), queries, keys and values
            (batch, heads, tokens, head_dim).
        turn: pairs (i, i + n/2) of the first n elements: "halves"; pairs (2i, 2i + 1):
            "neighbours"; those, of which the results lie in halves: "parted"; None: no rotary
            embedding.
        turned: how many elements are turned.
        whole: the function that turns them is given the whole head.
        bias: from keys' positions (batch, keys) and the number of heads what ALiBi adds, (batch,
            heads, keys); None: no ALiBi.
        scale: of the scores; None: head_dim^-0.5.
        window: of the keys up to its own, how many a query attends; None: all.
        grows: it takes no cache of a fixed size.
        latent: latents are cached, of which keys and values are made.
    """

    model_type: str
    sizes: Mapping[str, Any]
    attention: str
    module: str
    out: str
    split: Callable[[Mapping[str, Array]], tuple[Array, Array, Array]]
    turn: str | None = None
    turned: int = 16
    bias: Callable[[Array, int], Array] | None = None
    whole: bool = False
    latent: bool = False
    scale: float | None = None
    window: int | None = None
    grows: bool = False


def heads(x: Array, count: int) -> Array:
    """(batch, tokens, heads * d) as (batch, heads, tokens, d)."""
    return x.reshape(*x.shape[:2], count, -1).swapaxes(1, 2)


def thirds(name: str) -> Callable[[Mapping[str, Array]], tuple[Array, ...]]:
    """All queries, then all keys, then all values."""
    return lambda y: tuple(heads(part, HEADS) for part in np.split(y[name], 3, axis=-1))


def head_by_head(y: Mapping[str, Array], name: str = "query_key_value", count: int = HEADS) -> Any:
    """For each head its query, key and value."""
    return tuple(np.split(heads(y[name], count), 3, axis=-1))


def one_key(name: str) -> Callable[[Mapping[str, Array]], tuple[Array, ...]]:
    """The queries of all heads, then one key and one value."""

    def split(y: Mapping[str, Array]) -> tuple[Array, ...]:
        parts = heads(y[name], HEADS + 2)
        return parts[:, :HEADS], parts[:, HEADS : HEADS + 1], parts[:, HEADS + 1 :]

    return split


def groups_of_two(y: Mapping[str, Array]) -> tuple[Array, ...]:
    """Two queries, their key and their value, twice; a key for each query in the cache."""
    parts = heads(y["query_key_value"], 8)
    return (
        parts[:, [0, 1, 4, 5]],
        parts[:, [2, 2, 6, 6]],
        parts[:, [3, 3, 7, 7]],
    )


def projected(y: Mapping[str, Array]) -> tuple[Array, ...]:
    return tuple(heads(y[name], HEADS) for name in ("q_proj", "k_proj", "v_proj"))


def quarters(y: Mapping[str, Array]) -> tuple[Array, ...]:
    """Four times: a quarter of the queries, of the values and of the keys."""
    parts = y["qkv_proj"].reshape(*y["qkv_proj"].shape[:2], 4, 3, -1)
    query, value, key = (parts[:, :, :, place].reshape(*parts.shape[:2], -1) for place in range(3))
    return tuple(heads(part, HEADS) for part in (query, key, value))


def latents(y: Mapping[str, Array]) -> tuple[Array, ...]:
    """Queries; in the cache for one head, latents and what of a key is turned, in this place."""
    turned = y["kv_a_proj_with_mqa"][:, None, :, 48:]
    return heads(y["q_b_proj"], HEADS), y["kv_a_layernorm"][:, None], turned


def slopes(count: int) -> Array:
    """Of ALiBi, for a power of two of heads: 2^(-8 i / n), i from 1."""
    return 2.0 ** (-8 * np.arange(1, count + 1) / count)


def from_the_first(positions: Array, count: int) -> Array:
    return slopes(count)[None, :, None] * positions[:, None]


def scaled(positions: Array, count: int) -> Array:
    """Of Falcon, in float32 and for heads of eight elements."""
    return from_the_first(positions, count).astype(np.float32) / np.float32(8**0.5)


def from_the_last(positions: Array, count: int) -> Array:
    keys = positions.shape[1]
    back = np.arange(1 - keys, 1)[None, None]
    return np.broadcast_to(slopes(count)[None, :, None] * back, (len(positions), count, keys))


FAMILIES: dict[str, Family] = {
    "gpt_neox": Family(
        model_type="gpt_neox",
        sizes=WIDE | {"intermediate_size": 96, "rotary_pct": 0.5, "max_position_embeddings": 128},
        attention="GPTNeoXAttention",
        module="gpt_neox.layers.0.attention",
        out="dense",
        split=head_by_head,
        turn="halves",
        turned=TURNED,
        whole=True,
    ),
    "gpt_neox_japanese": Family(
        model_type="gpt_neox_japanese",
        sizes=WIDE | {"rotary_pct": 0.5, "intermediate_multiple_size": 2},
        attention="GPTNeoXJapaneseAttention",
        module="gpt_neox_japanese.layers.0.attention",
        out="dense",
        split=head_by_head,
        turn="halves",
        turned=TURNED,
    ),
    "gpt_bigcode": Family(
        model_type="gpt_bigcode",
        sizes=SHORT,
        attention="GPTBigCodeAttention",
        module="transformer.h.0.attn",
        out="c_proj",
        split=one_key("c_attn"),
    ),
    "gpt_bigcode of many keys": Family(
        model_type="gpt_bigcode",
        sizes=SHORT | {"multi_query": False},
        attention="GPTBigCodeAttention",
        module="transformer.h.0.attn",
        out="c_proj",
        split=lambda y: head_by_head(y, "c_attn"),
    ),
    "gpt2": Family(
        model_type="gpt2",
        sizes=SHORT,
        attention="GPT2Attention",
        module="transformer.h.0.attn",
        out="c_proj",
        split=thirds("c_attn"),
    ),
    "falcon": Family(
        model_type="falcon",
        sizes=WIDE | {"new_decoder_architecture": False},
        attention="FalconAttention",
        module="transformer.h.0.self_attention",
        out="dense",
        split=one_key("query_key_value"),
        turn="halves",
    ),
    "falcon of groups": Family(
        model_type="falcon",
        sizes=WIDE | {"new_decoder_architecture": True, "num_kv_heads": 2},
        attention="FalconAttention",
        module="transformer.h.0.self_attention",
        out="dense",
        split=groups_of_two,
        turn="halves",
    ),
    "falcon with ALiBi": Family(
        model_type="falcon",
        sizes=WIDE
        | {"alibi": True, "multi_query": False, "new_decoder_architecture": False}
        | {"num_attention_heads": 8},
        attention="FalconAttention",
        module="transformer.h.0.self_attention",
        out="dense",
        split=lambda y: head_by_head(y, count=8),
        bias=scaled,
    ),
    "bloom": Family(
        model_type="bloom",
        sizes={"hidden_size": 64, "n_layer": 2, "n_head": HEADS},
        attention="BloomAttention",
        module="transformer.h.0.self_attention",
        out="dense",
        split=head_by_head,
        bias=from_the_first,
    ),
    "mpt": Family(
        model_type="mpt",
        sizes={
            "d_model": 64,
            "n_layers": 2,
            "n_heads": HEADS,
            "max_seq_len": 64,
            "use_cache": True,
        },
        attention="MptAttention",
        module="transformer.blocks.0.attn",
        out="out_proj",
        split=thirds("Wqkv"),
        bias=from_the_last,
    ),
    "gptj": Family(
        model_type="gptj",
        sizes=SHORT | {"rotary_dim": TURNED},
        attention="GPTJAttention",
        module="transformer.h.0.attn",
        out="out_proj",
        split=projected,
        turn="neighbours",
        turned=TURNED,
    ),
    "gpt_neo": Family(
        model_type="gpt_neo",
        sizes=NEO | {"attention_types": [[["global", "local"], 1]]},
        attention="GPTNeoSelfAttention",
        module="transformer.h.0.attn.attention",
        out="out_proj",
        split=projected,
        scale=1.0,
        grows=True,
    ),
    "gpt_neo of windows": Family(
        model_type="gpt_neo",
        sizes=NEO | {"attention_types": [[["local"], 2]]},
        attention="GPTNeoSelfAttention",
        module="transformer.h.0.attn.attention",
        out="out_proj",
        split=projected,
        scale=1.0,
        window=5,
        grows=True,
    ),
    "codegen": Family(
        model_type="codegen",
        sizes=SHORT | {"rotary_dim": TURNED, "n_ctx": 128},
        attention="CodeGenAttention",
        module="transformer.h.0.attn",
        out="out_proj",
        split=quarters,
        turn="neighbours",
        turned=TURNED,
    ),
    "deepseek_v2": Family(
        model_type="deepseek_v2",
        sizes=LATENT,
        attention="DeepseekV2Attention",
        module="model.layers.0.self_attn",
        out="o_proj",
        split=latents,
        turn="neighbours",
        turned=TURNED,
        latent=True,
    ),
    "deepseek_v3": Family(
        model_type="deepseek_v3",
        sizes=LATENT,
        attention="DeepseekV3Attention",
        module="model.layers.0.self_attn",
        out="o_proj",
        split=latents,
        turn="parted",
        turned=TURNED,
        latent=True,
    ),
}


INKLING = WIDE | {
    "num_key_value_heads": 2, "head_dim": 16, "swa_num_attention_heads": HEADS,
    "swa_num_key_value_heads": 2, "swa_head_dim": 16, "sliding_window_size": 8, "d_rel": 8,
    "intermediate_size": 64, "rel_extent": 16, "mlp_layer_types": ["dense", "dense"],
    "layer_types": ["hybrid", "hybrid_sliding"],
}  # fmt: skip
"""A bias of positions, which the attention function is given."""
SPARSE = LATENT | {"index_topk": 4, "index_n_heads": 2, "index_head_dim": 16}
"""Keys that an indexer chooses."""


def build(name: str, **changes: Any) -> nn.Module:
    """Return a model of FAMILIES with seeded weights, some of its sizes changed."""
    return tiny(FAMILIES[name].model_type, **(dict(FAMILIES[name].sizes) | changes))


def tiny(model_type: str, **sizes: Any) -> nn.Module:
    """Return a model with seeded weights, so large that attention is not flat."""
    torch.manual_seed(0)
    transformers.logging.set_verbosity_error()
    config = transformers.AutoConfig.for_model(model_type, **TOKENS | sizes)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model
