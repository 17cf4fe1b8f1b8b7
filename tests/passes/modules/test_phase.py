"""Prefill and decode: each pass runs its own twins, and the cache is handed over as asked."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import DynamicCache

from plena_cosim import golden
from plena_cosim.passes import quantize_module_transform_pass
from plena_cosim.passes.modules.phase import PhaseSwitch

from ..families import build
from ..recipes import IN4, IN8, W4, W4A4, W8A8, token_ids

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


def phases_of(model: nn.Module) -> list[str]:
    """A list that gets the phase of every pass from now on."""
    seen: list[str] = []
    switch = model.model.layers[0].mlp.up_proj
    assert isinstance(switch, PhaseSwitch)
    for name in ("prefill", "decode"):
        switch.get_submodule(name).register_forward_hook(lambda *_, name=name: seen.append(name))
    return seen


@torch.no_grad()
def test_the_phase_follows_from_the_call_in_every_form_and_at_every_entry() -> None:
    model, ids = made(recipe()), tokens()
    seen, last = phases_of(model), ids[:, 11:]
    cache = model(ids[:, :11], use_cache=True).past_key_values
    embedded = model.model.embed_tokens(last)
    turns = model.model.rotary_emb(embedded, torch.tensor([[11]]))

    def given() -> Any:
        return deepcopy(cache)

    calls = {
        "cache by name": lambda: model(last, past_key_values=given()),
        "tokens by name": lambda: model(input_ids=last, past_key_values=given()),
        "embeddings": lambda: model(inputs_embeds=embedded, past_key_values=given()),
        "all by position": lambda: model(last, None, None, given()),
        "with cache_position": lambda: model(
            last, past_key_values=given(), cache_position=torch.tensor([11])
        ),
        "the decoder": lambda: model.model(last, past_key_values=given()),
        "the decoder by position": lambda: model.model(last, None, None, given()),
        "a layer": lambda: model.model.layers[0](
            embedded, position_embeddings=turns, past_key_values=given()
        ),
    }
    for name, call in calls.items():
        seen.clear()
        call()
        assert seen == ["decode"], name
    prefills = {
        "two tokens": lambda: model(ids[:, :2], past_key_values=given()),
        "an empty cache": lambda: model(last, past_key_values=DynamicCache()),
        "the decoder without a cache": lambda: model.model(last),
        "an MLP": lambda: model.model.layers[0].mlp(embedded),
    }
    for name, call in prefills.items():
        seen.clear()
        call()
        assert seen == ["prefill"], name


@torch.no_grad()
def test_a_pass_of_layer_after_layer_asks_for_each_layers_own_tokens() -> None:
    """One token with an empty cache is a prefill in the last layer, though the first has it."""
    model, cache = made(recipe()), DynamicCache()
    switch = model.model.layers[1].mlp.up_proj
    seen: list[nn.Module] = []
    switch.decode.register_forward_hook(lambda *_: seen.append(switch.decode))
    x = model.model.embed_tokens(tokens(1))
    turns = model.model.rotary_emb(x, torch.tensor([[0]]))
    for layer in model.model.layers:
        x = layer(x, position_embeddings=turns, past_key_values=cache)
    assert cache.get_seq_length() == 1
    assert not seen


@torch.no_grad()
def test_threads_of_one_model_do_not_meet() -> None:
    """One thread decodes, and stays inside, while another one reads a prompt."""
    model, ids = made(recipe()), tokens()
    expected = model(ids).logits
    cache = model(ids[:, :11], use_cache=True).past_key_values
    inside, leave = threading.Event(), threading.Event()

    def wait(*_: Any) -> None:
        if threading.current_thread() is not threading.main_thread():
            inside.set()
            leave.wait(60)

    model.model.layers[0].register_forward_hook(wait)
    with ThreadPoolExecutor(1) as pool:

        def decode() -> Tensor:
            with torch.no_grad():
                return model(ids[:, 11:], past_key_values=cache).logits

        theirs = deepcopy(cache)
        running = pool.submit(decode)
        assert inside.wait(60)
        found = model(ids).logits
        leave.set()
        decoded = running.result()
    assert torch.equal(found, expected)
    assert torch.equal(decoded, model(ids[:, 11:], past_key_values=theirs).logits)


@torch.no_grad()
def test_a_pass_that_was_broken_off_leaves_no_phase_behind() -> None:
    model, ids = made(recipe()), tokens()
    seen = phases_of(model)
    for error in (KeyboardInterrupt, ValueError):
        cache = model(ids[:, :11], use_cache=True).past_key_values

        def stop(*_: Any, error: type[BaseException] = error) -> None:
            raise error

        handle = model.model.norm.register_forward_hook(stop)
        with pytest.raises(error):
            model(ids[:, 11:], past_key_values=cache)
        handle.remove()
        seen.clear()
        model.model.layers[0].mlp(torch.zeros(1, 3, 64))
        model(ids)
        assert seen == ["prefill", "prefill"]


@torch.no_grad()
def test_the_input_format_of_each_phase_is_the_same_layer() -> None:
    """Formats of the input that alone differ: nothing is written into a layer that others use."""
    tables = [{r".*_proj": {"name": "mxint", **W4, **given}} for given in (IN8, IN4)]
    model = made({"phase": dict(zip(("prefill", "decode"), tables, strict=True))})
    layer, ids = model.model.layers[0].mlp.up_proj, tokens()
    formats: list[str] = []
    layer.register_forward_hook(lambda module, *_: formats.append(module.data_in.name))
    cache = model(ids[:, :11], use_cache=True).past_key_values
    model(ids[:, 11:], None, None, cache)
    assert formats == ["mxint8", "mxint4"]
    assert layer.data_in.name == "mxint8"


@BOTH
def test_generate_goes_through_both_phases(numerics: str) -> None:
    model, ids = made(recipe("requantize"), numerics), tokens(5)
    seen = phases_of(model)
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
    clocks = [m.model.layers[0].mlp.up_proj.clock for m in (model, copy)]
    assert clocks[0] is not clocks[1]
    assert all(m.clock is clocks[1] for m in copy.modules() if isinstance(m, PhaseSwitch))
    with torch.no_grad():
        outs = []
        for m in (model, copy):
            cache = m(ids[:, :11], use_cache=True).past_key_values
            outs.append(m(ids[:, 11:], past_key_values=cache).logits)
        assert torch.equal(*outs)
