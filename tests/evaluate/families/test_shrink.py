"""A small configuration keeps what makes a family what it is."""

from __future__ import annotations

import pytest

from plena_cosim.evaluate.families.shrink import HEADS, LAYERS, VOCABULARY, families, small_config


def test_every_family_of_causal_models_is_known() -> None:
    known = families()
    assert {"llama", "gpt2", "falcon", "mamba", "zamba2", "qwen3_moe", "gemma3n"} <= set(known)
    assert known["llama"] == "LlamaForCausalLM"


@pytest.mark.parametrize("family", ["llama", "gpt2", "mpt", "opt", "mamba"])
def test_sizes_are_small_by_whatever_name(family: str) -> None:
    config = small_config(family)
    assert config.model_type == family
    assert config.num_hidden_layers == LAYERS
    assert config.hidden_size == 64
    assert config.vocab_size == VOCABULARY


def test_keys_stay_fewer_than_queries_or_as_many() -> None:
    grouped, alike = small_config("mistral"), small_config("llama")
    assert (grouped.num_attention_heads, grouped.num_key_value_heads) == (HEADS, 2)
    assert (alike.num_attention_heads, alike.num_key_value_heads) == (HEADS, HEADS)


def test_every_type_of_layer_has_its_turn() -> None:
    assert small_config("qwen3_next").layer_types == ["linear_attention", "full_attention"] * 2
    kinds = small_config("dots3_note_text")
    assert kinds.layer_types == ["indexed_attention", "sliding_attention"] * 2
    assert small_config("gemma4_text").per_layer_config[1].head_dim == 16


def test_parts_are_small_too_and_special_tokens_in_the_vocabulary() -> None:
    config = small_config("gemma3")
    assert config.text_config.num_hidden_layers == LAYERS
    assert config.vision_config.hidden_size == 64
    assert config.text_config.vocab_size == VOCABULARY
    assert 0 <= config.image_token_id < VOCABULARY
    assert small_config("bert").is_decoder


def test_what_is_small_already_stays() -> None:
    config = small_config("mixtral")
    assert config.num_experts_per_tok == 2
    assert config.num_local_experts == 4
    assert config.tie_word_embeddings is False
