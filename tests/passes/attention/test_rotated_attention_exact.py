"""Attention that rotates computes golden's codes, from the projections to the output."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from plena_cosim import golden
from plena_cosim.golden import FormatError, HardwareConfig, ops
from plena_cosim.passes import quantize_module_transform_pass
from plena_cosim.passes.attention import core as attention_core
from plena_cosim.passes.attention.hooks import core_of

from ..families import build
from ..machine import Machine, array
from ..modules.test_exact_modules import (
    DEFAULT,
    FP12_FORMAT,
    INT8,
    MACHINES,
    attention_calls,
    check_attention,
    check_eight_bits,
    exact,
    ids,
)
from ..recipes import FP12, IN4, IN8, W8A8, full_recipe, token_ids

INT4 = golden.mxint(4, block_size=16)
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "qk": ({"online": ["qk_matmul"]}, {"key_basis": 8}),
    "kv": ({"online": ["kv_cache"]}, {"key_basis": 8, "value_basis": 8}),
    "av": ({"online": ["av_matmul"]}, {"along_keys": 16}),
    "av of 4": ({"online": ["av_matmul"], "size": 4}, {"along_keys": 4}),
    "all of 2": (
        {"r3": True, "online": ["av_matmul", "kv_cache"], "size": 2},
        {"key_basis": 2, "value_basis": 2, "along_keys": 2},
    ),
    "all of 12": (
        {"r3": True, "online": ["av_matmul", "kv_cache"], "size": 12},
        {"key_basis": 12, "value_basis": 12, "along_keys": 12},
    ),
    "kv of 24": (
        {"online": ["kv_cache"], "size": 24},
        {"key_basis": 24, "value_basis": 24},
    ),
    "all": (
        {"r3": True, "online": ["av_matmul", "kv_cache"]},
        {"key_basis": 8, "value_basis": 8, "along_keys": 16},
    ),
}
"""[rotation] and what it is for a head of 24 elements and blocks of 16."""
ROTATIONS = pytest.mark.parametrize("case", CASES)


def recipe(case: str, **tables: Any) -> dict[str, Any]:
    given = {"qk_matmul": IN8, "av_matmul": IN8, "rope": FP12, "softmax": FP12, "kv_cache": IN8}
    table = {"name": "mxint", **(tables or given)}
    return {r".*self_attn": table, "rotation": CASES[case][0]}


def check(calls: list[tuple[nn.Module, dict[str, Any]]], case: str, machine: Machine) -> None:
    check_eight_bits(calls, machine, **CASES[case][1])


@contextmanager
def projections(attention: nn.Module) -> Iterator[dict[str, np.ndarray]]:
    """Record the heads that the projections give, (batch, heads, tokens, head_dim)."""
    found: dict[str, np.ndarray] = {}

    def record(name: str, y: Tensor) -> None:
        heads = y.view(*y.shape[:2], -1, attention.head_dim).transpose(1, 2)
        found[name] = array(heads)

    hooks = [
        attention.get_submodule(name).register_forward_hook(
            lambda _, __, y, name=name: record(name, y)
        )
        for name in ("k_proj", "v_proj")
    ]
    yield found
    for hook in hooks:
        hook.remove()


@MACHINES
@ROTATIONS
@pytest.mark.parametrize("family", ["llama", "phi", "gpt_oss"])
def test_the_cache_holds_rotated_codes(hw: HardwareConfig, case: str, family: str) -> None:
    """A whole head is turned (llama), a part of it (phi), by tables of half the width (gpt_oss)."""
    sizes = {"phi": {"hidden_size": 96, "num_key_value_heads": 4}}.get(family, {"head_dim": 24})
    model = build(family, num_hidden_layers=1, sliding_window=64, **sizes)
    attention, machine = model.model.layers[0].self_attn, Machine(hw=hw)
    exact(model, recipe(case, rope=FP12, kv_cache=IN8, qk_matmul=IN8, av_matmul=IN8), hw)
    with torch.no_grad(), projections(attention) as heads:
        layer = model(ids(), use_cache=True).past_key_values.layers[0]
        cos, sin = model.model.rotary_emb(torch.zeros(1), torch.arange(12)[None])
    x, cosines, sines = (
        machine.enter(y, FP12_FORMAT) for y in (heads["k_proj"], array(cos), array(sin))
    )
    if family == "gpt_oss":
        cosines, sines = (np.concatenate([y, y], axis=-1) for y in (cosines, sines))
    width = cosines.shape[-1]
    turned = ops.rope(x[..., :width], cosines, sines, machine.v)
    rest = machine.enter(heads["k_proj"])[..., width:]
    keys = np.concatenate([turned, rest], axis=-1)
    how = CASES[case][1]
    values = machine.rotated(machine.enter(heads["v_proj"]), how.get("value_basis"))
    keys = machine.rotated(keys, how.get("key_basis"))
    for found, codes in ((layer.keys, keys), (layer.values, values)):
        expected = golden.quantize(machine.real(codes), INT8).dequantize()
        np.testing.assert_array_equal(array(found), expected)


@MACHINES
@ROTATIONS
@pytest.mark.parametrize(
    ("family", "padding"),
    [("llama", None), ("llama", "left"), ("mistral", "right"), ("gpt_oss", "left")],
)
def test_attention(hw: HardwareConfig, case: str, family: str, padding: str | None) -> None:
    """Grouped queries, a sliding window of 8, sinks; padding; a head of 24 elements."""
    model = exact(build(family, head_dim=24), recipe(case), hw)
    given: dict[str, Tensor] = {"input_ids": ids(19)}
    if padding:
        mask = torch.ones_like(ids(19))
        mask[1, slice(0, 5) if padding == "left" else slice(14, None)] = 0
        given["attention_mask"] = mask
    with torch.no_grad(), attention_calls(model) as calls:
        model(**given)
    assert len(calls) == 2
    check(calls, case, Machine(hw=hw))


@MACHINES
@ROTATIONS
@pytest.mark.parametrize("family", ["llama", "gpt_oss"])
def test_decode_rotates_only_what_is_new(hw: HardwareConfig, case: str, family: str) -> None:
    model = exact(build(family, head_dim=24), recipe(case), hw)
    with torch.no_grad(), attention_calls(model) as calls:
        whole = model(ids(17), use_cache=True).past_key_values
        cache = model(ids(17)[:, :16], use_cache=True).past_key_values
        before = cache.layers[0].keys.clone()
        cache = model(ids(17)[:, 16:], past_key_values=cache, use_cache=True).past_key_values
    check(calls, case, Machine(hw=hw))
    assert calls[-1][1]["query"].shape[2] == 1
    kept = cache.layers[0].keys[:, :, :-1]
    assert torch.equal(kept, before[:, :, -kept.shape[2] :])  # a window keeps the last ones
    assert torch.equal(cache.layers[0].keys, whole.layers[0].keys)
    assert torch.equal(cache.layers[0].values, whole.layers[0].values)


@MACHINES
def test_keys_without_a_format_of_their_own_are_rotated_in_the_vector_unit(
    hw: HardwareConfig,
) -> None:
    model = exact(build("llama", num_hidden_layers=1), recipe("qk", qk_matmul=IN8), hw)
    machine, attention = Machine(hw=hw), model.model.layers[0].self_attn
    plain = exact(build("llama", num_hidden_layers=1), {r".*self_attn": {
        "name": "mxint", "qk_matmul": IN8}}, hw)  # fmt: skip
    with torch.no_grad(), attention_calls(model) as calls:
        keys = model(ids(), use_cache=True).past_key_values.layers[0].keys
        before = plain(ids(), use_cache=True).past_key_values.layers[0].keys
    codes = machine.rotated(machine.enter(array(before)), 16)
    np.testing.assert_array_equal(array(keys), machine.real(codes))
    wide = golden.mxint(16, block_size=32)
    check_attention(calls[0][1], machine, qk=INT8, av=wide, key_basis=16)
    assert core_of(attention).now.qk_rotate == 16


def test_portions_of_queries_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """80 keys in blocks of 64: what a portion cannot see is left out in whole blocks."""
    tokens = token_ids(2, 80, seed=3)
    rotation = {"r3": True, "online": ["av_matmul", "kv_cache"], "size": 16}
    given = full_recipe("llama") | {"rotation": rotation}
    given[r".*self_attn"] = given[r".*self_attn"] | {"av_matmul": IN8 | {"online_rotate": 64}}
    logits, shapes = [], []
    for portion in (8, 1000):
        monkeypatch.setattr(attention_core, "QUERIES", portion)
        model = exact(build("llama"), given, HardwareConfig(vlen=4))
        core = next(found for module in model.modules() if (found := core_of(module)))
        inner = core._portion
        core._portion = lambda given, inner=inner: (
            shapes.append((given.query.shape[2], given.key.shape[2])) or inner(given)
        )
        with torch.no_grad():
            logits.append(model(tokens).logits)
    assert shapes == [(8, 64)] * 8 + [(8, 80)] * 2 + [(80, 80)]
    assert torch.equal(logits[0], logits[1])


@pytest.mark.parametrize("threads", [1, 2])
def test_neither_batch_nor_padding_nor_threads_change_a_token(threads: int) -> None:
    given = full_recipe("llama") | {"rotation": CASES["all"][0] | {"r4": True}}
    model, tokens = exact(build("llama"), given), ids(19)
    torch.set_num_threads(threads)
    with torch.no_grad():
        alone = model(tokens[1:, :14]).logits
        row, mask = tokens.clone(), torch.ones_like(tokens)
        row[1, 5:], row[1, :5], mask[1, :5] = tokens[1, :14], 0, 0
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        together = model(row, attention_mask=mask, position_ids=positions).logits
    assert torch.equal(together[1:, 5:], alone)


@pytest.mark.parametrize(
    ("key", "table", "online"),
    [
        ("lm_head", W8A8 | {"online_rotate": 16}, []),
        (r".*down_proj", W8A8, ["down_proj"]),
        (r".*self_attn", {"name": "mxint", "kv_cache": IN4}, ["kv_cache"]),
        (r".*self_attn", {"name": "mxint", "av_matmul": IN4 | {"online_rotate": 4}}, []),
    ],
)
def test_dequant_is_refused_with_the_reason(
    key: str, table: dict[str, Any], online: list[str]
) -> None:
    model, rotation = build("llama"), {"semantics": "dequant", "online": online}
    message = (
        r'semantics = "dequant" rotates operands back once they are quantised, and what that gives '
        r"are no MX codes, which alone the matrix unit multiplies; use semantics = \"fused\" in "
        r"\[rotation\], or fake numerics$"
    )
    before = [type(module) for module in model.modules()]
    with pytest.raises(FormatError, match=message):
        quantize_module_transform_pass(
            model, {key: table, "rotation": rotation}, numerics="exact", hw=DEFAULT
        )
    assert [type(module) for module in model.modules()] == before
