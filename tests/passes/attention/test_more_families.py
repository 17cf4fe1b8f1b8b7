"""Families whose cache, rotary embedding or scores are called otherwise than Llama's."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch import Tensor, nn

from plena_cosim import golden
from plena_cosim.golden import FormatError, HardwareConfig, ops
from plena_cosim.passes import quantize_module_transform_pass
from plena_cosim.passes.attention import hooks

from ..machine import Machine, array
from ..modules.test_exact_modules import FP12_FORMAT, INT8, MACHINES, same
from ..recipes import ATTENTION, FP12, IN4, IN8
from .more_families import FAMILIES, INKLING, SPARSE, Family, build, tiny

EVERY = pytest.mark.parametrize("name", FAMILIES)
LENGTH = 13
FP32 = {"data_in_exponent_width": 8, "data_in_frac_width": 23, "data_in_is_finite": False}


def tokens(length: int = LENGTH) -> Tensor:
    return torch.randint(3, 96, (2, length), generator=torch.Generator().manual_seed(1))


def formats(family: Family, **tables: Any) -> dict[str, Any]:
    """Those of ATTENTION that a family has."""
    found = ATTENTION | tables
    if family.turn is None:
        del found["rope"]
    return found


def quantised(name: str, numerics: str = "exact", recipe: Any = None, **how: Any) -> nn.Module:
    family = FAMILIES[name]
    given = recipe or {"by": "type", family.attention: formats(family)}
    model, info = quantize_module_transform_pass(build(name), given, numerics=numerics, **how)
    assert {found.kind for found in info.values()} == {"attention"}
    return model


def inputs(model: nn.Module, ids: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
    """What a model is given: positions too, where they are not its own affair."""
    mask = torch.ones_like(ids) if mask is None else mask
    given = {"input_ids": ids, "attention_mask": mask}
    if "position_ids" in inspect.signature(type(model).forward).parameters:
        given["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
    return given


def padded(count: int) -> tuple[Tensor, Tensor]:
    """The second sequence shorter, and padded on the left."""
    ids, mask = tokens(), torch.ones(2, LENGTH, dtype=torch.long)
    ids[1, count:], ids[1, :count], mask[1, :count] = tokens()[1, : LENGTH - count], 0, 0
    return ids, mask


# ------------------------------------------------------------------------- the float model


@pytest.mark.parametrize("layers", ["all", "first"])
@EVERY
@torch.no_grad()
def test_formats_that_hold_float32_change_nothing(name: str, layers: str) -> None:
    """So the attention that we compute is the family's own, also beside a layer left alone."""
    family, model = FAMILIES[name], build(name)
    ids, mask = padded(4)
    given = inputs(model, ids, mask)
    before = model(**given).logits
    cast = dict.fromkeys(("qk_matmul", "av_matmul", "rope", "softmax", "kv_cache"), FP32)
    table = {key: fmt for key, fmt in cast.items() if key != "rope" or family.turn}
    key = family.module.replace(".0.", r".\d+." if layers == "all" else ".0.")
    _, info = quantize_module_transform_pass(model, {key: {"name": "minifloat", **table}})
    assert len(info) == (2 if layers == "all" else 1)
    after = model(**given).logits
    kept = mask.bool()
    # Sums of float32 in another order, over two layers.
    assert (after - before)[kept].norm() < 1e-5 * before[kept].norm()
    again = model(**inputs(model, ids[:1], mask[:1])).logits
    assert torch.allclose(again, after[:1], atol=1e-4)


@EVERY
@torch.no_grad()
def test_eight_bits_stay_near_and_four_do_not(name: str) -> None:
    model, family = build(name), FAMILIES[name]
    before = model(**inputs(model, tokens())).logits
    errors = []
    for bits in (IN8, IN4):
        table = dict.fromkeys(("qk_matmul", "av_matmul", "kv_cache"), bits)
        recipe = {"by": "type", family.attention: {"name": "mxint", **table}}
        for numerics in ("fake", "exact"):
            found = quantised(name, numerics, recipe)(**inputs(model, tokens())).logits
            errors.append(float((found - before).norm() / before.norm()))
    assert 0 < max(errors[:2]) < 0.05
    assert min(errors[2:]) > 2 * max(errors[:2])


@torch.no_grad()
def test_mpt_clamps_and_scales_as_its_configuration_says() -> None:
    own = {"clip_qkv": 0.5, "softmax_scale": 2.0}
    model = build("mpt", attn_config=own)
    before = model(tokens()).logits
    assert not torch.allclose(before, build("mpt")(tokens()).logits, atol=1e-2)
    recipe = {"by": "type", "MptAttention": {"name": "minifloat", "softmax": FP32}}
    quantize_module_transform_pass(model, recipe)
    assert torch.allclose(model(tokens()).logits, before, atol=1e-4)


@torch.no_grad()
def test_a_bias_that_the_attention_function_is_given() -> None:
    model = tiny("inkling_text", **INKLING)
    before = model(tokens(), use_cache=True).logits
    recipe = {"by": "type", "InklingAttention": {"name": "minifloat", "softmax": FP32}}
    quantize_module_transform_pass(model, recipe)
    assert torch.allclose(model(tokens(), use_cache=True).logits, before, atol=1e-4)
    with pytest.raises(AttributeError, match="was given none; call the model with use_cache=True"):
        model(tokens(), use_cache=False)


@pytest.mark.parametrize("name", ["gptj", "codegen"])
@torch.no_grad()
def test_scores_beyond_the_range_of_a_model_in_half_precision(name: str) -> None:
    model = build(name)
    model.transformer.h[0].ln_1.weight.mul_(200)
    family = FAMILIES[name]
    with recorded(model.get_submodule(family.module), family.out) as seen:
        before = model(**inputs(model, tokens())).logits
    query, key, _ = family.split({part: calls[0] for part, calls in seen.items()})
    assert np.abs(query @ key.swapaxes(-1, -2)).max() > torch.finfo(torch.float16).max
    recipe = {"by": "type", family.attention: {"name": "minifloat", "softmax": FP32}}
    quantize_module_transform_pass(model, recipe)
    after = model.half()(**inputs(model, tokens())).logits
    assert (after - before).norm() < 0.05 * before.norm()


@EVERY
@torch.no_grad()
def test_a_model_in_bfloat16_stays_in_it(name: str) -> None:
    family, model = FAMILIES[name], build(name).bfloat16()
    before = model(**inputs(model, tokens())).logits
    recipe = {"by": "type", family.attention: formats(family)}
    quantize_module_transform_pass(model, recipe, numerics="exact")
    out = model(**inputs(model, tokens()))
    layer = out.past_key_values.layers[0]
    assert layer.keys.dtype == layer.values.dtype == out.logits.dtype == torch.bfloat16
    assert (out.logits - before).norm() < 0.1 * before.norm()


# ------------------------------------------------------------------------- golden's codes


@contextmanager
def recorded(attention: nn.Module, out: str) -> Iterator[dict[str, list[np.ndarray]]]:
    """Record, call by call, what the parts of a module give, and what its last one is given."""
    seen: dict[str, list[np.ndarray]] = {}

    def record(name: str, x: Tensor, y: Tensor) -> None:
        seen.setdefault(name, []).append(array(y))
        seen.setdefault(f"into {name}", []).append(array(x))

    hooks = [
        part.register_forward_hook(lambda _, x, y, name=name: record(name, x[0].clone(), y.clone()))
        for name, part in attention.named_children()
    ]
    yield seen
    for hook in hooks:
        hook.remove()


def tables(family: Family, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines for pairs that turn together, each (batch, 1, tokens, turned)."""
    steps = torch.arange(0, family.turned, 2).float() / family.turned
    angles = torch.from_numpy(positions).float()[:, None, :, None] * (1.0 / 10000**steps)
    lay = (
        (lambda x: torch.cat([x, x], dim=-1))
        if family.turn == "halves"
        else (lambda x: x.repeat_interleave(2, dim=-1))
    )
    return array(lay(angles.cos())), array(lay(angles.sin()))


def turned(x: np.ndarray, family: Family, positions: np.ndarray, machine: Machine) -> Any:
    """Codes of V of queries or keys, (batch, heads, tokens, head_dim), after the rotary part."""
    if family.turn is None:
        return machine.enter(x)
    place = slice(-TURNED_LAST) if family.latent else slice(family.turned)
    rest = x[..., place] if family.latent else x[..., family.turned :]
    given = x[..., -family.turned :] if family.latent else x[..., place]
    cos, sin = (machine.enter(y, FP12_FORMAT) for y in tables(family, positions))
    stride = None if family.turn == "halves" else 1
    codes = ops.rope(machine.enter(given, FP12_FORMAT), cos, sin, machine.v, stride=stride)
    if family.turn == "parted":
        codes = np.concatenate([codes[..., 0::2], codes[..., 1::2]], axis=-1)
    others = machine.enter(rest, FP12_FORMAT if family.whole else None)
    return np.concatenate([others, codes] if family.latent else [codes, others], axis=-1)


TURNED_LAST = 8


def eight_bits(codes: Any, machine: Machine) -> np.ndarray:
    """As they lie in the cache, in blocks of 16 along a head."""
    return golden.quantize(machine.real(codes), INT8).dequantize()


def check(
    name: str,
    seen: dict[str, list[np.ndarray]],
    cache: Any,
    mask: Tensor,
    machine: Machine,
    *,
    before: bool = False,
    basis: int | None = None,
) -> None:
    """Compare the last call of an attention module with golden, every head of every sequence.

    Args:
        name: of the family.
        seen: of all calls that filled the cache.
        cache: the layer of the cache.
        mask: (batch, keys), 1 where a token is.
        machine: golden on one hardware configuration.
        before: keys are quantised before they are turned.
        basis: size of the Hadamard blocks by which keys and values are rotated when cached.
    """
    family = FAMILIES[name]
    positions = array((mask.cumsum(-1) - 1).clamp(min=0))
    joined = {
        part: np.concatenate(calls, axis=1) for part, calls in seen.items() if "kv_b" not in part
    }
    query, key, value = family.split(joined)
    query = machine.real(turned(query, family, positions, machine))
    if before:
        key = eight_bits(machine.enter(key), machine)
    codes = key if family.latent else turned(key, family, positions, machine)
    if family.latent:
        key = eight_bits(machine.enter(key), machine)
        value = eight_bits(turned(value, family, positions, machine), machine)
    else:
        rotated = machine.rotated(codes, basis)
        key = machine.real(codes) if before else eight_bits(rotated, machine)
        value = eight_bits(machine.rotated(machine.enter(value), basis), machine)
    np.testing.assert_array_equal(array(cache.keys), key)
    np.testing.assert_array_equal(array(cache.values), value)
    if family.latent:
        np.testing.assert_array_equal(seen["into kv_b_proj"][-1], key)
        made = seen["kv_b_proj"][-1][:, 0]
        made = made.reshape(*made.shape[:2], 4, 40).swapaxes(1, 2)
        rest = np.broadcast_to(value, (*made.shape[:3], TURNED_LAST))
        key, value = np.concatenate([made[..., :16], rest], axis=-1), made[..., 16:]
    found = torch.from_numpy(seen[f"into {family.out}"][-1])
    rows, keys = found.shape[1], mask.shape[1]
    found = found.view(*found.shape[:2], query.shape[1], -1).transpose(1, 2)
    query = query[:, :, -rows:]
    seen_keys = np.tril(np.ones((keys, keys), dtype=bool))[-rows:] & (array(mask)[:, None] > 0)
    if family.window is not None:
        seen_keys &= ~np.tril(np.ones((keys, keys), dtype=bool), -family.window)[-rows:]
    bias = None if family.bias is None else family.bias(positions, query.shape[1])
    group = query.shape[1] // key.shape[1]
    for b, head in np.ndindex(*query.shape[:2]):
        expected = machine.attend(
            query[b, head],
            key[b, head // group],
            value[b, head // group],
            seen_keys[b],
            scale=family.scale or query.shape[-1] ** -0.5,
            qk=INT8,
            av=INT8,
            softmax=FP12_FORMAT,
            bias=None if bias is None else bias[b, head],
            stored=not (family.latent or before),
            key_basis=basis,
            value_basis=basis,
        )
        same(found[b, head], expected, machine, f"sequence {b}, head {head}")


@pytest.mark.parametrize("case", ["one pass", "padded", "decode"])
@MACHINES
@EVERY
@torch.no_grad()
def test_attention_is_goldens(name: str, hw: HardwareConfig, case: str) -> None:
    family, model = FAMILIES[name], quantised(name, hw=hw)
    ids, mask = padded(4) if case == "padded" else (tokens(), torch.ones(2, LENGTH).long())
    with recorded(model.get_submodule(family.module), family.out) as seen:
        first = LENGTH - 1 if case == "decode" else LENGTH
        cache = model(**inputs(model, ids[:, :first], mask[:, :first])).past_key_values
        if case == "decode":
            model(**inputs(model, ids[:, first:], mask), past_key_values=cache)
    check(name, seen, cache.layers[0], mask, Machine(hw=hw))


@MACHINES
@pytest.mark.parametrize("name", [name for name in FAMILIES if not FAMILIES[name].latent])
@torch.no_grad()
def test_rotated_attention_is_goldens(name: str, hw: HardwareConfig) -> None:
    family = FAMILIES[name]
    recipe = {"by": "type", family.attention: formats(family)}
    recipe["rotation"] = {"online": ["qk_matmul", "kv_cache"]}
    model = quantised(name, recipe=recipe, hw=hw)
    ids, mask = padded(4)
    with recorded(model.get_submodule(family.module), family.out) as seen:
        cache = model(**inputs(model, ids, mask)).past_key_values
    size = 8 if family.bias is not None and "falcon" in name else 16
    check(name, seen, cache.layers[0], mask, Machine(hw=hw), basis=size)


@MACHINES
@pytest.mark.parametrize("name", ["gpt_neox", "falcon", "falcon of groups"])
@torch.no_grad()
def test_keys_before_they_are_turned(name: str, hw: HardwareConfig) -> None:
    family = FAMILIES[name]
    table = formats(family, kv_cache={**IN8, "position": "pre_rope"})
    model = quantised(name, recipe={"by": "type", family.attention: table}, hw=hw)
    with recorded(model.get_submodule(family.module), family.out) as seen:
        cache = model(**inputs(model, tokens())).past_key_values
    mask = torch.ones(2, LENGTH).long()
    check(name, seen, cache.layers[0], mask, Machine(hw=hw), before=True)


# ------------------------------------------------------------------------- whole models


@pytest.mark.parametrize("left", [True, False], ids=["left", "right"])
@pytest.mark.parametrize("numerics", ["fake", "exact"])
@EVERY
@torch.no_grad()
def test_neither_batch_nor_padding_changes_a_bit(name: str, numerics: str, left: bool) -> None:
    model, (ids, mask) = quantised(name, numerics), padded(4)
    alone = model(**inputs(model, ids[1:, 4:])).logits
    if not left:
        ids[1], mask[1] = ids[1].roll(-4), mask[1].roll(-4)
    together = model(**inputs(model, ids, mask)).logits
    assert torch.equal(together[:1], model(**inputs(model, ids[:1])).logits)
    assert torch.equal(together[1:, 4:] if left else together[1:, :-4], alone)


@pytest.mark.parametrize("numerics", ["fake", "exact"])
@pytest.mark.parametrize(
    "name", [name for name in FAMILIES if name != "falcon with ALiBi" and not FAMILIES[name].grows]
)
@torch.no_grad()
def test_a_cache_of_fixed_size_holds_the_same(name: str, numerics: str) -> None:
    """The float Falcon with ALiBi takes none."""
    model, ids = quantised(name, numerics), tokens()
    given = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "do_sample": False,
        "max_new_tokens": 3,
        "min_new_tokens": 3,
        "output_logits": True,
        "return_dict_in_generate": True,
    }
    expected = model.generate(**given).logits
    found = model.generate(**given, cache_implementation="static").logits
    assert torch.equal(torch.stack(found), torch.stack(expected))


@pytest.mark.parametrize("numerics", ["fake", "exact"])
@torch.no_grad()
def test_a_cache_of_fixed_size_where_the_last_place_is_the_newest_token(numerics: str) -> None:
    """The float GPT-Neo counts its window from there, and is wrong with one."""
    model = quantised("gpt_neo", numerics)
    with pytest.raises(FormatError, match="a StaticCache has free places there; give the model a"):
        model.generate(
            input_ids=tokens(), max_new_tokens=2, do_sample=False, cache_implementation="static"
        )


@torch.no_grad()
def test_a_window_ends_what_a_query_attends() -> None:
    """Two layers of five keys reach back eight places and no more, where blocks share no scale."""
    table = dict.fromkeys(("qk_matmul", "av_matmul", "kv_cache", "softmax"), FP12)
    recipe = {"by": "type", "GPTNeoSelfAttention": {"name": "minifloat", **table}}
    model, ids = quantised("gpt_neo of windows", "fake", recipe), tokens()
    other = ids.clone()
    other[:, 0] = (other[:, 0] + 7) % 90 + 3
    before, after = (model(**inputs(model, given)).logits for given in (ids, other))
    assert torch.equal(before[:, 9:], after[:, 9:])
    assert not torch.equal(before[:, 8], after[:, 8])


@pytest.mark.parametrize("numerics", ["fake", "exact"])
@EVERY
@torch.no_grad()
def test_decode_writes_the_cache_that_one_pass_writes(name: str, numerics: str) -> None:
    model, ids = quantised(name, numerics), tokens()
    whole = model(**inputs(model, ids)).past_key_values.layers[0]
    cache = model(**inputs(model, ids[:, : LENGTH - 2])).past_key_values
    for end in (LENGTH - 1, LENGTH):
        mask = torch.ones(2, end).long()
        cache = model(**inputs(model, ids[:, end - 1 : end], mask), past_key_values=cache)
        cache = cache.past_key_values
    assert torch.equal(cache.layers[0].keys, whole.keys)
    assert torch.equal(cache.layers[0].values, whole.values)


@EVERY
@torch.no_grad()
def test_generation_is_decode_through_the_cache(name: str) -> None:
    family = FAMILIES[name]
    recipe = {"by": "type", family.attention: formats(family)}
    recipe["phase"] = {"kv_handover": "requantize", "decode": {
        family.attention: formats(family, kv_cache=IN4)}}  # fmt: skip
    model, (ids, mask) = quantised(name, recipe=recipe), padded(4)
    with torch.no_grad():
        found = model.generate(
            input_ids=ids, attention_mask=mask, max_new_tokens=4, min_new_tokens=4, do_sample=False
        )
        expected, cache = ids, None
        for _ in range(4):
            new = expected if cache is None else expected[:, -1:]
            out = model(**inputs(model, new, mask), past_key_values=cache)
            scores, cache = out.logits[:, -1], out.past_key_values
            scores[:, 2] = -torch.inf  # the end, which comes later
            expected = torch.cat([expected, scores.argmax(-1, keepdim=True)], dim=1)
            mask = torch.cat([mask, torch.ones(2, 1).long()], dim=1)
    assert torch.equal(found, expected)
    layer = cache.layers[0]
    four = golden.mxint(4, block_size=16)
    for held in (layer.keys, layer.values):  # the whole of it in the format of decode
        again = golden.quantize(array(held), four).dequantize()
        np.testing.assert_array_equal(again, array(held))


@EVERY
@torch.no_grad()
def test_a_saved_model_is_equal_on_every_bit(name: str, tmp_path: Path) -> None:
    model = quantised(name)
    given = inputs(model, *padded(4))
    before = model(**given).logits
    model.save_pretrained(tmp_path)
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    assert torch.equal(again(**given).logits, before)
    copied = copy.deepcopy(again)
    assert torch.equal(copied(**given).logits, before)
    attention = copied.get_submodule(FAMILIES[name].module)
    for patched in (attention.forward, getattr(attention, "_attn", attention.forward)):
        assert patched.args == (attention,)


@pytest.mark.parametrize("name", ["bloom", "mpt", "falcon with ALiBi"])
@torch.no_grad()
def test_queries_in_portions_take_their_own_part_of_the_bias(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """40 queries, eight at a time: keys in vectors of 32 that a portion cannot see are left out."""
    from plena_cosim.passes.attention import core as attention_core

    model = quantised(name, hw=HardwareConfig(vlen=4))
    given = inputs(model, tokens(40))
    expected = model(**given).logits
    monkeypatch.setattr(attention_core, "QUERIES", 8)
    assert torch.equal(model(**given).logits, expected)


# ------------------------------------------------------------------------- what is refused


def refused(name: str, table: dict[str, Any], message: str, **changes: Any) -> None:
    family, model = FAMILIES[name], build(name, **changes)
    recipe = {"by": "type", family.attention: {"name": "mxint", **table}}
    with pytest.raises(FormatError, match=message):
        quantize_module_transform_pass(model, recipe, numerics="exact")
    assert "forward" not in vars(model.get_submodule(family.module))


@pytest.mark.parametrize(
    ("name", "table", "message"),
    [
        ("bloom", {"rope": FP12}, "BloomAttention has no rotary embedding; remove the rope table"),
        ("mpt", {"rope": FP12}, "MptAttention has no rotary embedding"),
        ("gpt2", {"rope": FP12}, "GPT2Attention has no rotary embedding"),
        ("falcon with ALiBi", {"rope": FP12}, "FalconAttention has no rotary embedding"),
        (
            "gptj",
            {"kv_cache": {**IN8, "position": "pre_rope"}},
            "GPTJAttention turns queries and keys by one function of one tensor",
        ),
        (
            "deepseek_v3",
            {"kv_cache": {**IN8, "position": "pre_rope"}},
            'DeepseekV3Attention caches latents, which are not turned; use position = "post_rope"',
        ),
        (
            "deepseek_v2",
            {"kv_cache": IN8 | {"online_rotate": True}},
            "kv_cache: DeepseekV2Attention caches latents, of which it makes keys and values each",
        ),
        (
            "deepseek_v2",
            {"qk_matmul": IN8 | {"online_rotate": True}},
            "qk_matmul: DeepseekV2Attention caches latents",
        ),
    ],
)
def test_what_a_family_has_not(name: str, table: dict[str, Any], message: str) -> None:
    refused(name, table, message)


def test_the_output_projection_of_bloom_slice_by_slice() -> None:
    how = {"pretraining_tp": 2, "slow_but_exact": True}
    refused("bloom", {"kv_cache": IN8}, "BloomAttention: its slow_but_exact multiplies", **how)


def test_attention_to_an_encoder() -> None:
    model = build("gpt2", add_cross_attention=True)
    recipe = {"transformer.h.0.crossattention": {"name": "mxint", "kv_cache": IN8}}
    with pytest.raises(FormatError, match="GPT2Attention attends the tokens of an encoder"):
        quantize_module_transform_pass(model, recipe)


@torch.no_grad()
def test_keys_that_an_indexer_chooses() -> None:
    model = tiny("deepseek_v32", **SPARSE)
    before = model(tokens()).logits
    recipe = {"by": "type", "DeepseekV32Attention": {"name": "mxint", "kv_cache": IN8}}
    with pytest.raises(FormatError, match="gives its attention function indices, which cannot be"):
        quantize_module_transform_pass(model, recipe)
    hooks.use_in(model)  # as where other modules are quantised: it goes on choosing
    assert torch.equal(model(tokens()).logits, before)


def test_scores_in_code_that_is_not_known() -> None:
    """Its cache can be quantised, for that is a seam of its own."""
    config = transformers.XGLMConfig(
        vocab_size=96,
        d_model=64,
        num_layers=1,
        attention_heads=4,
        ffn_dim=64,
        activation_dropout=0.0,
    )
    model = transformers.XGLMForCausalLM(config).eval()
    key = r"model\.layers\.0\.self_attn"
    with pytest.raises(FormatError, match="XGLMAttention computes its scores in code of its own"):
        quantize_module_transform_pass(model, {key: {"name": "mxint", "qk_matmul": IN8}})
    with pytest.raises(FormatError, match="XGLMAttention computes its scores in code of its own"):
        quantize_module_transform_pass(
            model, {key: {"name": "mxint", "kv_cache": IN8}}, numerics="exact"
        )
    with torch.no_grad():
        before = model(tokens()).logits
        quantize_module_transform_pass(model, {key: {"name": "mxint", "kv_cache": IN8}})
        assert not torch.equal(model(tokens()).logits, before)


@pytest.mark.parametrize("name", ["bloom", "mpt", "gptj", "falcon"])
def test_dropout_of_probabilities_in_training(name: str) -> None:
    model = quantised(name, "fake").train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.1
        if hasattr(module, "attn_dropout_p"):
            module.attn_dropout_p = 0.1
    with pytest.raises(FormatError, match="attention dropout cannot be quantised"):
        model(tokens())


def test_a_bias_for_fewer_keys_than_the_cache_holds() -> None:
    model = quantised("mpt", "fake")
    with (
        torch.no_grad(),
        pytest.raises(FormatError, match="gives a bias for 64 keys, and its cache"),
    ):
        model(torch.ones(1, 65).long())
