"""Every cache of transformers gives the bits that a DynamicCache without a window gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache, StaticCache
from transformers.cache_utils import EncoderDecoderCache, QuantizedCache

from plena_cosim.golden import FormatError
from plena_cosim.passes import quantize_module_transform_pass

PROMPT, TOKENS, WINDOW = 12, 15, 6
IDS = torch.randint(3, 96, (2, TOKENS), generator=torch.Generator().manual_seed(1))
STATES = torch.randn(2, 9, 64, generator=torch.Generator().manual_seed(2))
TEXT = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "head_dim": 16,
    "num_key_value_heads": 2, "intermediate_size": 96, "max_position_embeddings": 64,
}  # fmt: skip
HYBRID = {"sliding_window": WINDOW, "layer_types": ["sliding_attention", "full_attention"]}
PAIR = {
    "d_model": 64, "decoder_layers": 2, "encoder_layers": 2, "decoder_attention_heads": 4,
    "encoder_attention_heads": 4, "decoder_ffn_dim": 96, "encoder_ffn_dim": 96,
    "max_position_embeddings": 64, "max_target_positions": 64,
    "suppress_tokens": [], "begin_suppress_tokens": [],
}  # fmt: skip
MODELS: dict[str, dict[str, Any]] = {
    "mistral": TEXT | {"sliding_window": WINDOW},
    "gemma3_text": TEXT | HYBRID,
    "bart": PAIR,
    "whisper": PAIR,
}


def attention(bits: int) -> dict[str, Any]:
    keys = {"data_in_block_size": 8, "data_in_width": bits}
    return {"name": "mxint"} | dict.fromkeys(("qk_matmul", "av_matmul", "kv_cache"), keys)


def recipe(handover: str | None, key: str = r".*self_attn") -> dict[str, Any]:
    if handover is None:
        return {key: attention(6)}
    phases = {"prefill": {key: attention(8)}, "decode": {key: attention(4)}}
    return {"phase": {"kv_handover": handover, **phases}}


def quantised(name: str, given: dict[str, Any], numerics: str = "exact") -> nn.Module:
    torch.manual_seed(0)
    special = {"vocab_size": 96, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    config = AutoConfig.for_model(name, **MODELS[name], **special)
    model = AutoModelForCausalLM.from_config(config).eval()
    quantize_module_transform_pass(model, given, numerics=numerics)
    return model


@torch.no_grad()
def logits(model: nn.Module, cache: Any, **more: Tensor) -> Tensor:
    """Of a prompt, read in two parts, and of single tokens after it."""
    found = []
    for part in (IDS[:, :4], IDS[:, 4:PROMPT], *IDS[:, PROMPT:].split(1, dim=1)):
        out = model(part, past_key_values=cache, use_cache=True, **more)
        cache = out.past_key_values
        found.append(out.logits)
    return torch.cat(found, dim=1)


def static(config: Any, length: int = TOKENS + 5) -> StaticCache:
    return StaticCache(config=config, max_cache_len=length)


CACHES: dict[str, Callable[[Any], Any]] = {
    "the model's own": lambda _: None,
    "with windows": lambda config: DynamicCache(config=config),
    "static": static,
    "static and full": lambda config: static(config, TOKENS),
    "of an encoder": lambda _: EncoderDecoderCache(DynamicCache(), DynamicCache()),
    "of an encoder, static": lambda config: EncoderDecoderCache(static(config), static(config)),
}


@pytest.mark.parametrize(
    ("handover", "numerics"), [(None, "fake"), ("keep", "exact"), ("requantize", "exact")]
)
@pytest.mark.parametrize("name", MODELS)
def test_every_cache_gives_the_same_bits(name: str, handover: str | None, numerics: str) -> None:
    model = quantised(name, recipe(handover), numerics)
    expected = logits(model, DynamicCache())
    caches = CACHES if MODELS[name] is PAIR else dict(list(CACHES.items())[:4])
    for what, cache in caches.items():
        assert torch.equal(logits(model, cache(model.config)), expected), what


def test_the_handover_tells() -> None:
    keep, again = (logits(quantised("bart", recipe(way)), None) for way in ("keep", "requantize"))
    assert torch.equal(keep[:, :PROMPT], again[:, :PROMPT])
    assert not torch.equal(keep[:, PROMPT:], again[:, PROMPT:])


@pytest.mark.parametrize("key", [r".*decoder.*\.self_attn", r".*decoder.*attn"])
@torch.no_grad()
def test_a_decoder_that_attends_an_encoder(key: str) -> None:
    """What is cached of the encoder is quantised once, too, where a selector means it."""
    table = {name: fmt for name, fmt in attention(6).items() if name != "av_matmul"}
    model = quantised("bart", {key: table})  # blocks of values would span later keys
    whole = model(IDS, encoder_hidden_states=STATES, use_cache=False).logits
    cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
    stepped = logits(model, cache, encoder_hidden_states=STATES)
    # Equal but for linear layers, which torch sums in another order for other numbers of rows.
    assert torch.allclose(stepped, whole, atol=1e-5)
    kept = cache.cross_attention_cache.layers[0].keys
    assert kept.shape[-2] == STATES.shape[1]
    assert cache.self_attention_cache.layers[0].keys.shape[-2] == TOKENS
    step = kept.unflatten(-1, (-1, 8)).abs().amax(-1).log2().floor().exp2() / 16  # of 6 bits
    codes = kept / step.repeat_interleave(8, dim=-1)
    assert torch.equal(codes, codes.round()) is key.endswith(".*attn")


def test_what_is_cached_of_an_encoder_cannot_be_quantised_again() -> None:
    model = quantised("bart", recipe("requantize", r".*decoder.*attn"))
    with pytest.raises(
        FormatError, match=r"encoder_attn.*written once.*use kv_handover = \"keep\""
    ):
        logits(model, None, encoder_hidden_states=STATES)


def test_a_cache_that_quantises_again() -> None:
    torch.manual_seed(0)
    config = AutoConfig.for_model("llama", vocab_size=96, **TEXT)
    model = AutoModelForCausalLM.from_config(config).eval()
    quantize_module_transform_pass(model, recipe(None))
    with pytest.raises(FormatError, match=r"self_attn': .*Fp8QuantizedLayer would quantise them"):
        logits(model, QuantizedCache("fp8", config))
