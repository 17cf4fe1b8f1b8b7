"""small_config: the configuration of a family with sizes that a test can afford.

A family's own defaults decide what it is; only numbers become smaller, by the names that
transformers gives them. What does not follow from names is in OWN.
"""

from __future__ import annotations

from typing import Any

from plena_cosim.sources.errors import need

VOCABULARY = 96
LAYERS = 4
WIDTH, HEADS, HEAD = 64, 4, 16
_FIRST_SPECIAL = 80
"""Ids of special tokens other than those of beginning, end and padding; text has smaller ones."""

_LAYERS = "num_hidden_layers n_layer num_layers n_layers decoder_layers num_decoder_layers"
_SIZES: tuple[tuple[int, str], ...] = (
    (
        VOCABULARY,
        "vocab_size decoder_vocab_size unpadded_vocab_size vocab_size_per_layer_input "
        "shape_vocab_size pronunciation_vocab_size encoder_hash_byte_group_vocab "
        "ngram_vocab_size_base",
    ),
    (
        128,
        "max_position_embeddings n_positions n_ctx max_seq_len context_length model_max_length "
        "max_target_positions max_source_positions original_max_position_embeddings mamba_d_ssm",
    ),
    (
        WIDTH,
        "hidden_size n_embd d_model emb_dim embedding_size embedding_dim attention_hidden_size "
        "word_embed_proj_dim input_embedding_size output_embedding_size lru_width "
        "backbone_hidden_size ple_embed_dim router_hidden_size dim_model_base shape_embed_dim "
        "pronunciation_embed_dim adapter_in_dim adapter_out_dim adapter_input_size",
    ),
    (
        96,
        "intermediate_size ffn_dim encoder_ffn_dim decoder_ffn_dim dff dim_ff ffn_hidden_size "
        "n_inner d_inner intermediate_size_mlp dense_intermediate_size feed_forward_size "
        "shared_intermediate_size",
    ),
    (
        32,
        "moe_intermediate_size shared_expert_intermediate_size shared_experts_intermediate_size "
        "moe_shared_expert_intermediate_size expert_ffn_hidden_size q_lora_rank kv_lora_rank "
        "o_lora_rank qk_head_dim",
    ),
    (
        HEAD,
        "head_dim attention_head_dim kv_channels d_head dim_head swa_head_dim qk_nope_head_dim "
        "qk_rope_head_dim v_head_dim index_head_dim linear_key_head_dim linear_value_head_dim "
        "linear_head_dim mamba_d_head mamba_head_dim mamba_headdim mamba_d_state state_size "
        "ssm_state_size attention_head_size query_pre_attn_scalar",
    ),
    (
        8,
        "sliding_window sliding_window_size attention_chunk_size chunk_size mamba_chunk_size "
        "mamba_n_heads mamba_num_heads time_step_rank mamba_dt_rank rotary_dim index_topk "
        "window_size hidden_size_per_layer_input laurel_rank",
    ),
    (
        HEADS,
        "num_attention_heads n_head num_heads n_heads attention_heads encoder_attention_heads "
        "decoder_attention_heads num_encoder_attention_heads num_decoder_attention_heads "
        "swa_num_attention_heads index_n_heads linear_num_value_heads linear_num_heads "
        "num_experts num_local_experts n_routed_experts moe_num_experts",
    ),
    (LAYERS, _LAYERS),
    (
        2,
        "linear_num_key_heads num_experts_per_tok num_experts_per_token moe_topk moe_k "
        "encoder_layers num_encoder_layers n_group num_expert_group mamba_n_groups mamba_ngroups "
        "n_groups n_mamba_heads num_key_value_heads num_kv_heads swa_num_key_value_heads "
        "num_query_groups attn_layer_period expert_layer_period n_shared_experts "
        "num_shared_experts moe_num_shared_experts zero_expert_num num_kv_shared_layers",
    ),
    (
        1,
        "first_k_dense_replace num_dense_layers attn_layer_offset expert_layer_offset topk_group "
        "num_nextn_predict_layers",
    ),
)
SMALL = {name: size for size, names in _SIZES for name in names.split()}
"""The size of each attribute of a configuration that is larger by default."""

OWN: dict[str, dict[str, Any]] = {
    "blenderbot": {"encoder_layers": LAYERS},
    "cohere_compass_text": {
        "rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 10000.0}}
    },
    "bamba": {"attn_layer_indices": [1, 3]},
    "dbrx": {"attn_config": {"kv_n_heads": 2, "rope_theta": 10000.0, "clip_qkv": 8.0}},
    "deepseek_v2": {"num_experts_per_tok": 2, "n_group": 1, "topk_group": 1},
    "dots1": {"n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2},
    "dots3_note_text": {"head_dim": 2 * HEAD},
    "granitemoehybrid": {"layer_types": ["mamba", "attention"] * 2},
    "hunyuan_v1_dense": {"head_dim": HEAD},
    "hunyuan_v1_moe": {"head_dim": HEAD},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"] * 2},
    "mamba2": {"num_heads": 8},
    "ministral": {"head_dim": HEAD},
    "nemotron": {"num_key_value_heads": 2},
    "qwen4_exp_text": {
        "indexer_n_heads": 4,
        "indexer_kv_heads": 1,
        "indexer_head_dim": HEAD,
        "indexer_budget": 8,
        "indexer_compress_ratio": 2,
    },
    "reformer": {
        "axial_pos_embds_dim": [32, 32],
        "axial_pos_shape": [8, 16],
        "local_attn_chunk_length": 8,
        "lsh_attn_chunk_length": 8,
    },
    "zamba": {"attention_hidden_size": 2 * WIDTH, "attention_head_dim": 2 * HEAD},
    "zamba2": {
        "attention_hidden_size": 2 * WIDTH,
        "attention_head_dim": 2 * HEAD,
        "n_mamba_heads": 8,
    },
}
"""What a family needs besides, by the type of its configuration."""


def families() -> dict[str, str]:
    """Return the class of each family of causal language models that transformers knows."""
    known = need("transformers").models.auto.modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    return dict(known)


def small_config(family: str) -> Any:
    """Return a family's configuration with small sizes, for a decoder.

    Args:
        family: of `families`.

    Raises:
        Exception: whatever transformers raises for a family without defaults.
    """
    transformers = need("transformers")
    default = transformers.AutoConfig.for_model(family)
    return type(default)(**_smaller(default))


def _smaller(config: Any) -> dict[str, Any]:
    """Return the arguments that make a configuration of the same class small."""
    given = {key: value for key, value in config.to_dict().items() if not key.startswith("_")}
    layers = next((given[name] for name in _LAYERS.split() if _is_size(given.get(name))), None)
    kept: dict[str, Any] = {}
    specials = 0
    for name, value in given.items():
        if name in type(config).sub_configs and value is not None:
            nested = getattr(config, name)
            kept[name] = {"model_type": nested.model_type, **_smaller(nested)}
        elif isinstance(value, list) and layers is not None and len(value) == layers > LAYERS:
            kept[name] = [_size(name, each) for each in _representative(value)]
        elif name.endswith("_layers") and value == layers:
            kept[name] = min(LAYERS, value)
        elif _size(name, value) != value:
            kept[name] = _size(name, value)
        elif name.endswith(("token_id", "token_index")):
            kept[name], specials = _special(name, value, specials)
    if "per_layer_config" in given and "layer_types" in kept:
        kept["per_layer_config"] = _of_layers(given, kept)
    kept |= _as_many_keys(given, kept)
    if "is_decoder" in given:
        kept["is_decoder"] = True
    return kept | OWN.get(config.model_type, {})


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _size(name: str, value: Any) -> Any:
    """Return a smaller size, where it is one and has a known name."""
    return min(value, SMALL.get(name, value)) if _is_size(value) else value


def _representative(values: list[Any]) -> list[Any]:
    """Return LAYERS entries of a list with one a layer, where each different one has its turn."""
    different = [value for at, value in enumerate(values) if value not in values[:at]]
    return (different * LAYERS)[:LAYERS]


def _of_layers(given: dict[str, Any], kept: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """Return what single layers have of their own: as much as the first one of their type."""
    own = {int(layer): values for layer, values in given["per_layer_config"].items()}
    found = {}
    for layer, kind in enumerate(kept["layer_types"]):
        values = own.get(given["layer_types"].index(kind), {})
        small = {name: _size(name, value) for name, value in values.items()}
        found[layer] = small | _as_many_keys(values, small)
    return {layer: values for layer, values in found.items() if values}


def _as_many_keys(given: dict[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
    """Return as many heads of keys as of queries, where that is so by default."""
    heads = given.get("num_attention_heads")
    if heads is None or given.get("num_key_value_heads") != heads:
        return {}
    return {"num_key_value_heads": kept.get("num_attention_heads", heads)}


def _special(name: str, value: Any, count: int) -> tuple[Any, int]:
    """Return a token's id that is in the small vocabulary, and how many have been given."""
    plain = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    if value is None:
        return None, count
    if name in plain:
        return plain[name], count
    return _FIRST_SPECIAL + count, count + 1
