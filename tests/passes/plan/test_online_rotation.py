"""[rotation] online: which matmuls it reaches, what they then compute, and that files say so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModelForCausalLM

from plena_cosim import golden
from plena_cosim.golden import FormatError
from plena_cosim.passes import (
    Phase,
    dequantized_state_dict,
    quantize_module_transform_pass,
)
from plena_cosim.passes.attention.hooks import core_of
from plena_cosim.passes.plan.match import choose
from plena_cosim.passes.recipe.formats import RotationMode
from plena_cosim.passes.recipe.load import read_quant_config
from plena_cosim.passes.recipe.selector import LARGEST_ROTATION, Selector

from ..attention.test_rotated_attention import q, turned
from ..families import FAMILIES, build
from ..machine import Machine, array
from ..recipes import IN8, W8A8, full_recipe, token_ids

INT8 = golden.mxint(8, block_size=16)
W8 = {key: value for key, value in W8A8.items() if "data_in" not in key}
LINEAR, SELF = r".*(_proj|lm_head)", r".*self_attn"
EVERYTHING = {LINEAR: W8A8, SELF: {"name": "mxint", **dict.fromkeys(
    ("qk_matmul", "av_matmul", "kv_cache"), IN8)}}  # fmt: skip
LAYER = "model.layers.{}.{}"
BOTH = pytest.mark.parametrize("numerics", ["fake", "exact"])


def ids(length: int = 19) -> Tensor:
    return token_ids(2, length, seed=2)


@torch.no_grad()
def logits(model: nn.Module, **kwargs: Any) -> Tensor:
    return model(ids(), **kwargs).logits


def selectors(
    rotation: dict[str, Any], now: Phase | None = None, **recipe: Any
) -> dict[str, Selector]:
    given = {**(recipe or EVERYTHING), "rotation": rotation}
    return choose(build("llama"), read_quant_config(given), now)


def rotations(chosen: dict[str, Selector]) -> dict[str, int]:
    """What is rotated, by its full name."""
    found = {name: one.online_rotate for name, one in chosen.items()}
    for name, one in chosen.items():
        inside = one.formats.attention
        found[f"{name}.qk_matmul"] = inside.qk_rotate
        found[f"{name}.av_matmul"] = inside.av_rotate
        found[f"{name}.kv_cache"] = inside.kv_rotate
    return {name: size for name, size in found.items() if size is not None}


# ------------------------------------------------------------------- where it is applied


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {}),
        ({"r1": True, "r2": True}, {}),
        ({"r3": True}, dict.fromkeys(("self_attn.qk_matmul",), -1)),
        ({"r4": True}, dict.fromkeys(("mlp.down_proj",), -1)),
        ({"online": ["down_proj", "qk_matmul"], "size": 8}, {
            "mlp.down_proj": 8, "self_attn.qk_matmul": 8}),
        ({"r4": True, "online": ["o_proj", "av_matmul", "kv_cache"]}, dict.fromkeys(
            ("mlp.down_proj", "self_attn.o_proj", "self_attn.av_matmul", "self_attn.kv_cache"), -1,
        )),
    ],
)  # fmt: skip
def test_matmul_types_are_rotated_in_all_layers(
    given: dict[str, Any], expected: dict[str, int]
) -> None:
    assert LARGEST_ROTATION == -1
    found = rotations(selectors(given))
    assert found == {
        LAYER.format(layer, name): size for layer in (0, 1) for name, size in expected.items()
    }


def test_a_full_name_is_one_place() -> None:
    names = ["model.layers.1.mlp.up_proj", "model.layers.0.self_attn.kv_cache", "lm_head"]
    assert rotations(selectors({"online": names, "size": 4})) == dict.fromkeys(names, 4)


def test_only_linear_layers_bear_the_name_of_a_type() -> None:
    model = nn.ModuleDict(
        {
            "up": nn.ModuleDict({"x": nn.Linear(16, 16)}),
            "down": nn.ModuleDict({"x": nn.Embedding(4, 16)}),
        }
    )
    recipe = {"by": "glob", "*": W8, "rotation": {"online": ["x"]}}
    chosen = choose(model, read_quant_config(recipe))
    assert rotations(chosen) == {"up.x": -1}
    assert "down.x" in chosen


def test_a_selectors_own_key_wins() -> None:
    own = {
        r".*layers\.0\..*_proj": W8A8 | {"online_rotate": 2},
        r".*layers\.1\..*_proj": W8A8 | {"online_rotate": False},
        SELF: {
            "name": "mxint",
            "qk_matmul": IN8 | {"online_rotate": False},
            "av_matmul": IN8 | {"online_rotate": 4},
            "kv_cache": IN8,
        },
    }
    rotation = {"online": ["o_proj", "down_proj", "qk_matmul", "av_matmul", "kv_cache"], "size": 16}
    found = rotations(selectors(rotation, **own))
    linear = [name for name in found if name.endswith("_proj")]
    assert len(linear) == 7
    assert all(found.pop(name) == 2 for name in linear)
    assert found == {
        LAYER.format(layer, f"self_attn.{name}"): size
        for layer in (0, 1)
        for name, size in (("av_matmul", 4), ("kv_cache", 16))
    }
    without = read_quant_config(own)
    assert choose(build("llama"), without)["model.layers.0.self_attn"].formats.attention == (
        read_quant_config({SELF: own[SELF] | {"qk_matmul": IN8}})
        .selectors[0].formats.attention
    )  # fmt: skip


def test_a_default_is_a_selectors_own() -> None:
    recipe = {"defaults": W8A8 | {"online_rotate": 8}, LINEAR: {}}
    found = rotations(selectors({"r4": True, "size": 2}, **recipe))
    assert set(found.values()) == {8}


def test_shorthands_leave_alone_what_nothing_quantises() -> None:
    rotation = {"r3": True, "r4": True}
    assert rotations(selectors(rotation, lm_head=W8A8)) == {}
    table = {"name": "mxint", "av_matmul": IN8}
    assert rotations(selectors(rotation, **{SELF: table, r".*\.up_proj": W8A8})) == {}
    found = rotations(selectors(rotation, **{SELF: {"name": "mxint", "kv_cache": IN8}}))
    assert found == {LAYER.format(layer, "self_attn.qk_matmul"): -1 for layer in (0, 1)}
    found = rotations(selectors(rotation, **{r".*layers\.1\.mlp\.down_proj": W8}))
    assert found == {"model.layers.1.mlp.down_proj": -1}


def test_dequant_concerns_what_is_quantised_again() -> None:
    """Weights stay as they are, and keys in the cache have a name of their own."""
    rotation = {"r3": True, "r4": True, "semantics": "dequant"}
    cache = {"name": "mxint", "kv_cache": IN8}
    assert rotations(selectors(rotation, **{SELF: cache, LINEAR: W8})) == {}
    chosen = selectors(rotation | {"online": ["kv_cache"]}, **EVERYTHING)
    attention = chosen["model.layers.0.self_attn"].formats.attention
    assert attention.semantics is RotationMode.DEQUANT
    assert chosen["model.layers.0.mlp.down_proj"].semantics is RotationMode.DEQUANT
    assert chosen["model.layers.0.mlp.up_proj"].semantics is RotationMode.FUSED


IN_DECODE = {"phase": {"decode": {r".*\.down_proj": W8A8}}, "lm_head": W8A8}


def test_one_phase_that_quantises_is_enough() -> None:
    rotation = {"online": ["down_proj"]}
    assert rotations(selectors(rotation, Phase.PREFILL, **IN_DECODE)) == {}
    assert len(rotations(selectors(rotation, Phase.DECODE, **IN_DECODE))) == 2


NOTHING = r"recipe \[rotation\]: online names '{}', but the recipe quantises none of its "


@pytest.mark.parametrize(
    ("online", "recipe", "message"),
    [
        (
            ["o_porj"],
            EVERYTHING,
            r"recipe \[rotation\]: online names 'o_porj', but the model has no such matmul; it has "
            "qk_matmul, av_matmul, kv_cache, q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, "
            r"down_proj, lm_head, and each of them by its full name. Did you mean 'o_proj'\?$",
        ),
        (["model.layers.2.mlp.up_proj"], EVERYTHING, "Did you mean 'model.layers.1.mlp.up_proj'"),
        (["model.layers.0.mlp"], EVERYTHING, "has no such matmul"),
        (["mlp"], EVERYTHING, "has no such matmul"),
        (["embed_tokens"], EVERYTHING, "has no such matmul"),
        ([""], EVERYTHING, "names '', but the model has no such"),
        (
            ["lm_head", "o_proj"],
            {"lm_head": W8A8},
            NOTHING.format("o_proj") + "operands; give them a format or remove the name$",
        ),
        (["qk_matmul"], {SELF: {"name": "mxint", "av_matmul": IN8}}, NOTHING.format("qk_matmul")),
        (["av_matmul"], {SELF: {"name": "mxint", "kv_cache": IN8}}, NOTHING.format("av_matmul")),
        (["kv_cache"], {SELF: {"name": "mxint", "qk_matmul": IN8}}, NOTHING.format("kv_cache")),
        (
            ["model.layers.0.mlp.up_proj"],
            {r".*layers\.1\.mlp\.up_proj": W8A8},
            NOTHING.format("model.layers.0.mlp.up_proj"),
        ),
        (["down_proj"], {"exclude": [r".*\.mlp"], LINEAR: W8A8}, NOTHING.format("down_proj")),
        (["up_proj"], IN_DECODE, NOTHING.format("up_proj")),
    ],
)
@BOTH
def test_names_that_reach_nothing(
    online: list[str], recipe: dict[str, Any], message: str, numerics: str
) -> None:
    model = build("llama")
    with pytest.raises(FormatError, match=message):
        quantize_module_transform_pass(
            model, {**recipe, "rotation": {"online": online}}, numerics=numerics
        )
    assert type(model.lm_head) is nn.Linear


def test_dequant_of_a_weight_alone_is_nothing() -> None:
    rotation = {"online": ["o_proj"], "semantics": "dequant"}
    with pytest.raises(FormatError, match=NOTHING.format("o_proj") + "inputs; give them"):
        selectors(rotation, **{LINEAR: W8})
    assert rotations(selectors({"online": ["o_proj"]}, **{LINEAR: W8}))


# ------------------------------------------------------------------- what is computed


@BOTH
def test_a_linear_layer_of_the_table_is_that_of_its_own_key(numerics: str) -> None:
    tables = {LINEAR: W8A8 | {"online_rotate": 16}}, {LINEAR: W8A8}
    rotation = {"online": [f"{role}_proj" for role in ("q", "k", "v", "o", "gate", "up", "down")]}
    rotation = {"online": [*rotation["online"], "lm_head"], "size": 16}
    models = [
        quantize_module_transform_pass(build("llama"), given, numerics=numerics)[0]
        for given in (tables[0], tables[1] | {"rotation": rotation})
    ]
    assert torch.equal(*map(logits, models))


def test_dequant_turns_the_input_back_and_leaves_the_weight() -> None:
    linear, x = nn.Linear(48, 8), torch.randn(5, 48)
    weight, bias = linear.weight.detach().clone(), linear.bias.detach().clone()
    model = nn.Sequential(linear)
    recipe = {"by": "type", "linear": W8A8 | {"online_rotate": 8}}
    _, info = quantize_module_transform_pass(model, recipe | {"rotation": {"semantics": "dequant"}})
    operand = turned(q(turned(x, 8), INT8), 8)
    torch.testing.assert_close(
        model(x), functional.linear(operand, q(weight, INT8), bias), rtol=1e-5, atol=1e-5
    )
    assert torch.equal(model[0].weight, q(weight, INT8))
    assert torch.equal(dequantized_state_dict(model)["0.weight"], q(weight, INT8))
    assert (info["0"].rotation, info["0"].semantics) == (8, "dequant")


@pytest.mark.parametrize("size", [True, 4])
def test_a_fused_weight_is_quantised_in_its_rotated_basis(size: Any) -> None:
    model = nn.Sequential(nn.Linear(48, 8))
    weight = model[0].weight.detach().clone()
    _, info = quantize_module_transform_pass(
        model, {"by": "type", "linear": W8A8 | {"online_rotate": size}}
    )
    torch.testing.assert_close(
        model[0].weight, q(turned(weight, 16 if size is True else 4), INT8), rtol=1e-6, atol=0.02
    )
    assert info["0"].semantics == "fused"
    with pytest.raises(FormatError, match="rotates its input while it runs"):
        dequantized_state_dict(model)


ROTATED = {"r3": True, "r4": True, "online": ["av_matmul", "kv_cache"]}


@pytest.mark.parametrize(
    ("family", "numerics", "semantics"),
    [
        (family, *how)
        for family in FAMILIES
        for how in (("fake", "fused"), ("fake", "dequant"), ("exact", "fused"))
        if (family, how[0]) != ("gemma2", "exact")
    ],
)
def test_every_family_rotates(family: str, numerics: str, semantics: str) -> None:
    model = build(family)
    before = logits(model)
    recipe = full_recipe(family) | {"rotation": ROTATED | {"semantics": semantics}}
    _, info = quantize_module_transform_pass(model, recipe, numerics=numerics)
    after = logits(model)
    # Eight bits a block lose half a step of 1/64 an operand; errors add up over two layers.
    assert 0 < (after - before).norm() < 0.05 * before.norm()
    attention = info["model.layers.0.self_attn"]
    assert attention.rotated_inside == {"qk_matmul": 16, "av_matmul": 16, "kv_cache": 16}
    assert attention.semantics == semantics


# ------------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("numerics", "semantics"), [("fake", "fused"), ("fake", "dequant"), ("exact", "fused")]
)
def test_a_saved_model_rotates_as_before(numerics: str, semantics: str, tmp_path: Path) -> None:
    recipe = full_recipe("llama") | {"rotation": ROTATED | {"semantics": semantics, "size": 8}}
    recipe[SELF] = recipe[SELF] | {"av_matmul": IN8 | {"online_rotate": 4}}
    model, _ = quantize_module_transform_pass(build("llama"), recipe, numerics=numerics)
    model.save_pretrained(tmp_path / "once")
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "once")
    assert again.config.quantization_config.recipe["rotation"] == recipe["rotation"]
    assert core_of(again.model.layers[1].self_attn).now == (
        core_of(model.model.layers[1].self_attn).now
    )
    assert torch.equal(logits(again), logits(model))
    with torch.no_grad():
        caches = [each(ids(), use_cache=True).past_key_values for each in (model, again)]
        steps = [
            each(ids(1), past_key_values=cache).logits
            for each, cache in zip((model, again), caches, strict=True)
        ]
    assert torch.equal(*steps)
    assert torch.equal(caches[0].layers[1].values, caches[1].layers[1].values)
    again.save_pretrained(tmp_path / "twice")
    for file in ("model.safetensors", "config.json"):
        assert (tmp_path / "once" / file).read_bytes() == (tmp_path / "twice" / file).read_bytes()


def test_an_exact_linear_layer_of_the_table_is_goldens() -> None:
    linear, x = nn.Linear(48, 8, bias=False), torch.randn(5, 48)
    with torch.no_grad():  # few bits: torch rotates them without rounding
        linear.weight.copy_(torch.randint(-8, 9, (8, 48)) / 8)
    weight = array(linear.weight)
    model, machine = nn.ModuleDict({"down_proj": linear}), Machine(hw=golden.HardwareConfig())
    quantize_module_transform_pass(
        model, {"down_proj": W8A8, "rotation": {"r4": True}}, numerics="exact"
    )
    codes = machine.linear(
        array(x),
        turned(torch.from_numpy(weight), 16).numpy(),
        weight_mx=INT8,
        input_mx=INT8,
        rotation=16,
    )
    assert array(model["down_proj"](x)).tolist() == machine.real(codes).tolist()
