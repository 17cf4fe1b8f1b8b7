"""Rotations turn the stream and the values, and the model computes what it did."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn

from plena_cosim.golden import FormatError
from plena_cosim.passes.fold import fold_rotations
from plena_cosim.passes.fold.hadamard_matrix import rotation_matrix

from .tiny import FOLDED, error, ids, logits, precisely, state, tiny

EXACT = 1e-10
SINGLE = 5e-6
"""A float32 model: each of some 15 products is rounded to 2**-24 and weights once more."""
OPTIONS: dict[str, dict[str, Any]] = {
    "r1": {"r1": True, "r2": False},
    "r2": {"r1": False, "r2": True},
    "both": {"r1": True, "r2": True},
    "random": {"r1": True, "r2": True, "random": True, "seed": 7},
    "blocks": {"r1": True, "r2": True, "size": 4},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("family", [*FOLDED, "mixtral"])
def test_a_model_of_float64_computes_what_it_did(family: str, options: dict[str, Any]) -> None:
    model = tiny(family)
    before, weights = logits(model), state(model)
    fold_rotations(model, **options)
    assert error(logits(model), before) < EXACT
    assert any(not torch.equal(weights[name], now) for name, now in state(model).items())


@pytest.mark.parametrize("family", [*FOLDED, "mixtral"])
def test_a_model_of_float32_computes_nearly_what_it_did(family: str) -> None:
    model = tiny(family, dtype=torch.float32)
    before = logits(model)
    fold_rotations(model, r1=True, r2=True)
    assert error(logits(model), before) < SINGLE


def test_fused_projections_take_r1_alone() -> None:
    model = tiny("phi3")
    before = logits(model)
    with pytest.raises(FormatError, match=r"layers\.0\.self_attn: has no v_proj of its own"):
        fold_rotations(model, r1=True, r2=True)
    assert torch.equal(logits(model), before)
    fold_rotations(model, r1=True, r2=False)
    assert error(logits(model), before) < EXACT


@pytest.mark.parametrize("changes", [{}, {"hidden_size": 48, "head_dim": 12}, {"head_dim": 20}])
@torch.no_grad()
def test_stream_and_values_are_turned(changes: dict[str, Any]) -> None:
    model = tiny("qwen2", **changes)
    size, head = model.config.hidden_size, changes.get("head_dim", 16)

    def seen() -> tuple[list[Tensor], list[Tensor]]:
        streams: list[Tensor] = []
        handles = [
            layer.register_forward_hook(lambda module, args, output: streams.append(output))
            for layer in model.model.layers
        ]
        with precisely(model):
            cache = model(ids(), use_cache=True).past_key_values
        for handle in handles:
            handle.remove()
        return streams, [layer.values for layer in cache.layers]

    streams, values = seen()
    fold_rotations(model, r1=True, r2=True, random=True, seed=3)
    turned_streams, turned_values = seen()
    for before, after in zip(streams, turned_streams, strict=True):
        torch.testing.assert_close(after, before @ rotation_matrix(size, random=True, seed=3))
    for before, after in zip(values, turned_values, strict=True):
        torch.testing.assert_close(after, before @ rotation_matrix(head, random=True, seed=3))
    for name, parameter in model.named_parameters():
        if name.endswith("norm.weight"):
            assert torch.equal(parameter, torch.ones_like(parameter))


def test_values_alone_change_two_projections() -> None:
    model = tiny("qwen2")
    before = state(model)
    fold_rotations(model, r1=False, r2=True)
    changed = {name for name, now in state(model).items() if not torch.equal(before[name], now)}
    assert changed == {
        f"model.layers.{index}.self_attn.{name}"
        for index in (0, 1)
        for name in ("v_proj.weight", "v_proj.bias", "o_proj.weight")
    }


@pytest.mark.parametrize(("size", "by_head"), [(8, 8), (64, 16)])
def test_blocks_of_values_are_no_larger_than_heads(size: int, by_head: int) -> None:
    model = tiny("qwen2")
    bias = model.model.layers[1].self_attn.v_proj.bias
    before = bias.detach().reshape(2, 16).clone()
    fold_rotations(model, r1=True, r2=True, size=size)
    expected = before @ rotation_matrix(16, size=by_head)
    torch.testing.assert_close(bias.detach().reshape(2, 16), expected)


def test_gains_that_are_stored_less_one_become_zero() -> None:
    model = tiny("gemma")
    fold_rotations(model, r1=True, r2=False)
    norms = [p for name, p in model.named_parameters() if name.endswith("norm.weight")]
    assert len(norms) == 5
    assert not any(bool(norm.any()) for norm in norms)


@pytest.mark.parametrize("family", ["qwen2", "mixtral"])
def test_no_weight_may_be_forgotten(family: str) -> None:
    model = tiny(family)
    before, weights = logits(model), state(model)
    fold_rotations(model, r1=True, r2=True)
    for name, parameter in model.named_parameters():
        # biases of queries and keys, and norms of heads, stay as they were
        if torch.equal(parameter, weights[name]):
            assert name.endswith(("q_proj.bias", "k_proj.bias")), name
            continue
        folded = parameter.detach().clone()
        parameter.data.copy_(weights[name])
        assert error(logits(model), before) > 1e-4, name
        parameter.data.copy_(folded)
    assert error(logits(model), before) < EXACT


def test_twice_the_same_symmetric_rotation_undoes_it() -> None:
    model = tiny("llama")
    fold_rotations(model, r1=True, r2=True)
    once = state(model)
    fold_rotations(model, r1=True, r2=True)
    fold_rotations(model, r1=True, r2=True)
    for name, weight in state(model).items():
        torch.testing.assert_close(weight, once[name], rtol=1e-12, atol=1e-14)


def test_two_rotations_compose() -> None:
    model = tiny("llama", hidden_size=48)
    before, embedding = logits(model), model.model.embed_tokens.weight.detach().clone()
    for seed in (1, 2):
        fold_rotations(model, r1=True, r2=True, random=True, seed=seed)
    assert error(logits(model), before) < EXACT
    first, second = (rotation_matrix(48, random=True, seed=seed) for seed in (1, 2))
    torch.testing.assert_close(model.model.embed_tokens.weight, embedding @ first @ second)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_are_rounded_once(dtype: torch.dtype) -> None:
    model = tiny("qwen2", dtype=dtype)
    wide = copy.deepcopy(model).double()
    fold_rotations(model, r1=True, r2=True)
    fold_rotations(wide, r1=True, r2=True)
    expected = state(wide)
    for name, weight in state(model).items():
        assert weight.dtype == dtype
        assert torch.equal(weight, expected[name].to(dtype)), name


def test_weights_in_portions_are_whole_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    from plena_cosim.passes.fold import matrix

    whole, portions = tiny("llama"), tiny("llama")
    fold_rotations(whole, r1=True, r2=True)
    monkeypatch.setattr(matrix, "_AT_ONCE", 64 * 5)
    fold_rotations(portions, r1=True, r2=True)
    expected = state(whole)
    for name, weight in state(portions).items():
        torch.testing.assert_close(weight, expected[name], rtol=1e-12, atol=1e-14)


def test_tied_embeddings_are_untied_and_survive_a_file(tmp_path: Path) -> None:
    model = tiny("llama", tie_word_embeddings=True)
    assert model.lm_head.weight is model.model.embed_tokens.weight
    model.lm_head.weight.requires_grad_(False)
    before = logits(model)
    fold_rotations(model, r1=True, r2=True)
    assert error(logits(model), before) < EXACT
    assert model.config.tie_word_embeddings is False
    assert model.lm_head.weight is not model.model.embed_tokens.weight
    assert not model.lm_head.weight.requires_grad
    model.save_pretrained(tmp_path)
    loaded = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float64)
    assert error(logits(loaded), before) < EXACT


def test_values_alone_leave_embeddings_tied() -> None:
    model = tiny("llama", tie_word_embeddings=True)
    fold_rotations(model, r1=False, r2=True)
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert model.config.tie_word_embeddings is True


def test_modes_and_parameters_stay() -> None:
    model = tiny("llama").train()
    model.model.layers[0].mlp.eval()
    model.lm_head.weight.requires_grad_(False)
    names = {name: id(parameter) for name, parameter in model.named_parameters()}
    fold_rotations(model, r1=True, r2=True)
    assert model.training
    assert not model.model.layers[0].mlp.training
    assert {name: id(parameter) for name, parameter in model.named_parameters()} == names
    assert not model.lm_head.weight.requires_grad
    assert model.model.embed_tokens.weight.requires_grad
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_neither_changes_nothing() -> None:
    model = nn.Linear(2, 2)
    fold_rotations(model, r1=False, r2=False)


@pytest.mark.parametrize("size", [5, 64])
def test_a_size_that_does_not_fit_changes_nothing(size: int) -> None:
    model = tiny("llama", hidden_size=48)
    weights = state(model)
    with pytest.raises(FormatError, match=f"rotation size {size} does not divide the axis of 48"):
        fold_rotations(model, r1=True, r2=True, size=size)
    assert all(torch.equal(weights[name], now) for name, now in state(model).items())
