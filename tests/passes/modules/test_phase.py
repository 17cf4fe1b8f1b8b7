"""Prefill and decode: each pass runs its own twins, and the cache is handed over as asked."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from plena_cosim import golden
from plena_cosim.passes import quantize_module_transform_pass
from plena_cosim.passes.modules.phase import PhaseSwitch

from ..families import build
from ..recipes import IN4, IN8, W4A4, W8A8, token_ids

INT4, INT8 = (golden.mxint(width, block_size=16) for width in (4, 8))
QK = {"data_in_block_size": 8, "data_in_width": 6}
BOTH = pytest.mark.parametrize("numerics", ["fake", "exact"])


ROTATIONS = [None, {"r3": True, "r4": True, "online": ["kv_cache"], "size": 8}]


def recipe(handover: str = "keep", rotation: dict[str, Any] | None = None) -> dict[str, Any]:
    def tables(linear: dict[str, Any], cache: dict[str, Any]) -> dict[str, Any]:
        return {
            r".*_proj": linear,
            r".*self_attn": {"name": "mxint", "kv_cache": cache, "qk_matmul": QK},
        }

    prefill, decode = tables(W8A8, IN8), tables(W4A4, IN4)
    phases = {"phase": {"kv_handover": handover, "prefill": prefill, "decode": decode}}
    return phases if rotation is None else phases | {"rotation": rotation}


def tokens(length: int = 12) -> Tensor:
    return token_ids(2, length, seed=3)


def made(given: dict[str, Any], numerics: str = "fake") -> nn.Module:
    return quantize_module_transform_pass(build("llama"), given, numerics=numerics)[0]


def only(phase: str, numerics: str, rotation: dict[str, Any] | None = None) -> nn.Module:
    """A model with one phase's tables throughout."""
    rest = {} if rotation is None else {"rotation": rotation}
    return made(recipe()["phase"][phase] | rest, numerics)


@BOTH
@torch.no_grad()
def test_a_prefill_runs_the_prefill_twins(numerics: str) -> None:
    model = made(recipe(), numerics)
    assert torch.equal(model(tokens()).logits, only("prefill", numerics)(tokens()).logits)
    assert torch.equal(model(tokens(1)).logits, only("prefill", numerics)(tokens(1)).logits)


@BOTH
@pytest.mark.parametrize("handover", ["keep", "requantize"])
@pytest.mark.parametrize("rotation", ROTATIONS, ids=["plain", "rotated"])
@torch.no_grad()
def test_a_decode_runs_the_decode_twins_on_the_cache_it_gets(
    handover: str, numerics: str, rotation: dict[str, Any] | None
) -> None:
    """What is rotated in the cache is not rotated again when it is handed over."""
    model, ids = made(recipe(handover, rotation), numerics), tokens()
    cache = model(ids[:, :11], use_cache=True).past_key_values
    theirs = deepcopy(cache)
    out = model(ids[:, 11:], past_key_values=cache, use_cache=True)
    decoder = only("decode", numerics, rotation)
    if handover == "requantize":
        for layer in theirs.layers:
            layer.keys, layer.values = (
                torch.from_numpy(golden.quantize(x.numpy(), INT4).dequantize()).float()
                for x in (layer.keys, layer.values)
            )
    expected = decoder(ids[:, 11:], past_key_values=theirs, use_cache=True)
    assert torch.equal(out.logits, expected.logits)
    for mine, other in zip(out.past_key_values.layers, theirs.layers, strict=True):
        assert torch.equal(mine.keys, other.keys)
        assert torch.equal(mine.values, other.values)


@torch.no_grad()
def test_the_cache_is_handed_over_once() -> None:
    model, ids = made(recipe("requantize")), tokens()
    cache = model(ids[:, :10], use_cache=True).past_key_values
    written = cache.layers[0].keys.clone()
    model(ids[:, 10:11], past_key_values=cache)
    handed = cache.layers[0].keys.clone()
    expected = torch.from_numpy(golden.quantize(written.numpy(), INT4).dequantize()).float()
    assert torch.equal(handed[:, :, :10], expected)
    assert not torch.equal(handed[:, :, :10], written)
    model(ids[:, 11:], past_key_values=cache)
    assert torch.equal(cache.layers[0].keys[:, :, :11], handed)


@torch.no_grad()
def test_keep_leaves_the_codes_of_prefill() -> None:
    model, ids = made(recipe("keep")), tokens()
    cache = model(ids[:, :10], use_cache=True).past_key_values
    written = cache.layers[0].keys.clone()
    model(ids[:, 10:11], past_key_values=cache)
    assert torch.equal(cache.layers[0].keys[:, :, :10], written)


@torch.no_grad()
def test_embeddings_count_as_tokens_and_arguments_may_be_positional() -> None:
    model, ids = made(recipe()), tokens()
    switch = model.model.layers[0].mlp.up_proj
    assert isinstance(switch, PhaseSwitch)
    cache = model(ids[:, :11], use_cache=True).past_key_values
    assert switch.active() is switch.prefill
    embedded = model.model.embed_tokens(ids[:, 11:])
    model(inputs_embeds=embedded, past_key_values=deepcopy(cache))
    assert switch.active() is switch.decode
    assert switch.weight is switch.decode.weight
    model(ids[:, :2], past_key_values=deepcopy(cache))
    assert switch.active() is switch.prefill
    model(input_ids=ids[:, 11:], past_key_values=cache)
    assert switch.active() is switch.decode


@BOTH
def test_generate_goes_through_both_phases(numerics: str) -> None:
    model, ids = made(recipe("requantize"), numerics), tokens(5)
    seen: list[str] = []
    switch = model.model.layers[0].mlp.up_proj
    for name in ("prefill", "decode"):
        switch.get_submodule(name).register_forward_hook(lambda *_, name=name: seen.append(name))
    options = {"max_new_tokens": 4, "min_new_tokens": 4, "do_sample": False}
    written = model.generate(ids, attention_mask=torch.ones_like(ids), **options)
    assert written.shape == (2, 9)
    assert seen == ["prefill", "decode", "decode", "decode"]
    # By hand, token by token:
    row, cache = ids, None
    with torch.no_grad():
        given = ids
        for _ in range(4):
            out = model(given, past_key_values=cache, use_cache=True)
            cache, given = out.past_key_values, out.logits[:, -1:].argmax(-1)
            row = torch.cat([row, given], -1)
    assert torch.equal(row, written)


@BOTH
def test_one_phase_alone_leaves_the_other_as_it_was(numerics: str) -> None:
    decode = {"phase": {"decode": recipe()["phase"]["decode"]}}
    model, plain, ids = made(decode, numerics), build("llama"), tokens()
    plain.set_attn_implementation("eager")
    with torch.no_grad():
        found, expected = model(ids).logits, plain(ids).logits
        if numerics == "fake":
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
        mlp, x = model.model.layers[0].mlp, torch.randn(3, 64)
        assert torch.equal(mlp(x), plain.model.layers[0].mlp(x))


def test_info_names_the_phases() -> None:
    _, info = quantize_module_transform_pass(build("llama"), recipe())
    name = "model.layers.1.mlp.up_proj"
    assert info[f"{name} (prefill)"].weight == "mxint8"
    assert info[f"{name} (decode)"].weight == "mxint4"
    assert name not in info


def test_a_copy_has_a_clock_of_its_own() -> None:
    model, ids = made(recipe()), tokens()
    copy = deepcopy(model)
    with torch.no_grad():
        cache = model(ids[:, :11], use_cache=True).past_key_values
        model(ids[:, 11:], past_key_values=cache)
        switches = [m.model.layers[0].mlp.up_proj for m in (model, copy)]
        assert switches[0].active() is switches[0].decode
        assert switches[1].active() is switches[1].prefill
        assert torch.equal(copy(ids).logits, model(ids).logits)
