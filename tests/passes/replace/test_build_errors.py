"""What cannot be quantised is said with its place, its reason and what to do."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from plena_cosim import golden
from plena_cosim.golden import FormatError
from plena_cosim.passes import quantize_module_transform_pass
from plena_cosim.passes.attention.hooks import core_of

from ..families import build
from ..recipes import FP12, IN8, W8A8

EIGHT = {"name": "mxint", "kv_cache": IN8}
PRE_ROPE = {"name": "mxint", "kv_cache": {**IN8, "position": "pre_rope"}}
WHERE = "quantisation recipe [{}]: module {!r}: "


def refused(model: nn.Module, recipe: dict[str, Any], message: str, **how: Any) -> None:
    """The pass refuses a recipe, in these words, and leaves the model as it was."""
    before = [type(module) for module in model.modules()]
    with pytest.raises(FormatError, match=f"^{re.escape(message)}$"):
        quantize_module_transform_pass(model, recipe, **how)
    assert [type(module) for module in model.modules()] == before


ALL_ATTENTION_FUNCTIONS = None
"""What a forward looks up tells who computes its scores."""


def rotary_by_another_name(x: Tensor) -> Tensor:
    return x


class OldAttention(nn.Module):
    """Without a cache of today's."""

    def __init__(self) -> None:
        super().__init__()
        self.layer_idx = 0
        self.k_proj, self.v_proj = nn.Linear(16, 16), nn.Linear(16, 16)

    def forward(self, x: Tensor, layer_history: Any = None) -> Tensor:
        return x


class PlainAttention(OldAttention):
    def forward(self, x: Tensor, past_key_values: Any = None) -> Tensor:  # type: ignore[override]
        return ALL_ATTENTION_FUNCTIONS or x


class OwnScores(OldAttention):
    def forward(self, x: Tensor, layer_past: Any = None) -> Tensor:  # type: ignore[override]
        return x


class OtherRotary(OldAttention):
    def forward(self, x: Tensor, past_key_values: Any = None) -> Tensor:  # type: ignore[override]
        return ALL_ATTENTION_FUNCTIONS or rotary_by_another_name(x)


# The linear layer comes first: were attention checked late, it would have been replaced.
def within(attention: nn.Module) -> nn.Module:
    return nn.ModuleDict({"first": nn.Linear(16, 16), "attn": attention})


@pytest.mark.parametrize(
    ("attention", "table", "numerics", "message"),
    [
        (
            OldAttention,
            EIGHT,
            "fake",
            "OldAttention.forward takes no past_key_values or layer_past; only attention modules "
            "of transformers 5 can be quantised inside",
        ),
        (
            PlainAttention,
            {"name": "mxint", "rope": FP12},
            "fake",
            "PlainAttention has no rotary embedding; remove the rope table and position = "
            '"pre_rope", or use bypass = true',
        ),
        (
            OtherRotary,
            PRE_ROPE,
            "fake",
            "OtherRotary turns queries and keys by rotary_by_another_name, whose operands are not "
            'known; remove the rope table and position = "pre_rope", or use bypass = true',
        ),
        (
            OtherRotary,
            EIGHT,
            "exact",
            "OtherRotary turns queries and keys by rotary_by_another_name, whose operands are not "
            "known, so that exact numerics cannot follow it; use fake numerics or bypass = true",
        ),
        (
            OwnScores,
            EIGHT,
            "exact",
            "OwnScores computes its scores in code of its own, which is not among those that are "
            "known; with fake numerics kv_cache and rope can be quantised, or use bypass = true",
        ),
        (
            PlainAttention,
            {"name": "mxint", "qk_matmul": FP12},
            "exact",
            "qk_matmul: exact numerics need MX operands in the matrix unit, got e5m6 without a "
            "block size; give block_size or use fake numerics",
        ),
    ],
)
def test_attention_that_does_not_fit(
    attention: Callable[[], nn.Module], table: dict[str, Any], numerics: str, message: str
) -> None:
    place = WHERE.format("attn", "attn")
    recipe = {"first": W8A8, "attn": table}
    refused(within(attention()), recipe, place + message, numerics=numerics)


def test_attention_without_a_rotary_embedding_is_exact_as_it_is() -> None:
    model = within(PlainAttention())
    quantize_module_transform_pass(model, {"attn": EIGHT}, numerics="exact")
    assert core_of(model["attn"]) is not None


def test_turned_keys_cannot_be_quantised_again() -> None:
    name = "model.layers.0.self_attn"
    refused(
        build("llama"),
        {r".*self_attn": PRE_ROPE, ".*_proj": W8A8, "phase": {"kv_handover": "requantize"}},
        WHERE.format(".*self_attn", name)
        + 'keys of position = "pre_rope" cannot be quantised again once they are turned; use '
        'kv_handover = "keep" or position = "post_rope"',
    )


def test_keys_that_are_turned_in_part_only() -> None:
    model, _ = quantize_module_transform_pass(build("phi"), {r".*self_attn": PRE_ROPE})
    message = (
        "the rotary embedding turns 8 of the 16 elements of a key, and blocks run along all of "
        'them; use position = "post_rope"'
    )
    with pytest.raises(FormatError, match=f"^{message}$"):
        model(torch.arange(5)[None])


def halves(q: Tensor, k: Tensor, cos: Tensor, sin: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    return torch.addcmul(q, q, cos[:, None]), k


def test_a_rotary_embedding_of_unknown_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers.models.llama import modeling_llama

    monkeypatch.setattr(modeling_llama, "apply_rotary_pos_emb", halves)
    model, _ = quantize_module_transform_pass(
        build("llama"), {r".*self_attn": EIGHT}, numerics="exact"
    )
    message = (
        r"module 'model\.layers\.0\.self_attn': its rotary embedding is not made of sums, "
        "differences and products of tensors, and exact numerics cannot follow it; use fake "
        "numerics$"
    )
    with pytest.raises(FormatError, match=message):
        model(torch.arange(5)[None])


ALL_OF_IT = {"name": "mxint", "qk_matmul": IN8}


def test_dropout_in_training() -> None:
    model, _ = quantize_module_transform_pass(
        build("llama", attention_dropout=0.1), {r".*self_attn": ALL_OF_IT}
    )
    ids = torch.arange(5)[None]
    model(ids)
    with pytest.raises(
        FormatError, match=r"self_attn': attention dropout cannot be quantised; set it to 0$"
    ):
        model.train()(ids)


def test_a_mask_that_is_more_than_yes_and_no() -> None:
    model, _ = quantize_module_transform_pass(build("llama"), {r".*self_attn": ALL_OF_IT})
    ids = torch.arange(5)[None]
    model(ids, attention_mask=torch.zeros(1, 1, 5, 5))
    with pytest.raises(
        FormatError,
        match=r"self_attn': the attention mask adds a bias to scores; only masks of 0 and -inf "
        "can be quantised$",
    ):
        model(ids, attention_mask=torch.full((1, 1, 5, 5), -0.5))


class HalfNorm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(16)), 1e-6

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x / x.abs().mean(-1, keepdim=True)


@pytest.mark.parametrize(
    ("norm", "message"),
    [
        (
            HalfNorm(),
            "HalfNorm is no RMSNorm or LayerNorm; exclude it from the recipe",
        ),
        (nn.LayerNorm((2, 16)), "only norms over the last axis can be quantised"),
    ],
)
@pytest.mark.parametrize("numerics", ["fake", "exact"])
def test_norms_of_another_kind(norm: nn.Module, message: str, numerics: str) -> None:
    model = nn.Sequential(nn.Linear(16, 16), norm)
    recipe = {"0": W8A8, "1": {"name": "minifloat", **FP12}}
    refused(model, recipe, WHERE.format("1", "1") + message, numerics=numerics)


def test_activations_that_the_machine_does_not_have() -> None:
    recipe = {".*mlp": {"name": "minifloat", **FP12}}
    name = "model.layers.0.mlp"
    refused(
        build("llama", hidden_act="gelu"),
        recipe | {".*self_attn.*_proj": W8A8},
        WHERE.format(".*mlp", name) + "the machine computes silu, gelu_tanh, gelu_sigmoid, but "
        "GELUActivation is none of them; exclude it, use fake numerics, or change the model's "
        "activation",
        numerics="exact",
    )


class Odd(nn.Module):
    """Experts of unknown orientation."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Parameter(torch.ones(2, 3, 4))


def test_experts_of_unknown_orientation() -> None:
    refused(
        nn.ModuleDict({"first": nn.Linear(16, 16), "experts": Odd()}),
        {"first": W8A8, "experts": W8A8},
        WHERE.format("experts", "experts")
        + "cannot tell along which axis Odd multiplies its weights ((2, 3, 4)); exclude it from "
        "the recipe",
    )


EXPERTS = "model.layers.0.mlp.experts"


@pytest.mark.parametrize(
    "phases",
    [
        {"prefill": {".*experts": W8A8}, "decode": {".*experts": W8A8 | {"weight_width": 4}}},
        {"decode": {".*experts": W8A8}},
    ],
)
def test_experts_that_differ_between_phases(phases: dict[str, Any]) -> None:
    refused(
        build("qwen3_moe"),
        {"phase": phases},
        WHERE.format(".*experts", EXPERTS)
        + "experts cannot change their formats between phases; give prefill and decode the same "
        "table, or put it outside of [phase]",
    )


def test_experts_with_two_block_sizes() -> None:
    refused(
        build("qwen3_moe"),
        {".*experts": W8A8 | {"data_in_block_size": 8}, "lm_head": W8A8},
        WHERE.format(".*experts", EXPERTS)
        + "data_in: exact numerics need one block size for both operands, got 8 and 16",
        numerics="exact",
    )


def test_experts_in_other_operations() -> None:
    model, _ = quantize_module_transform_pass(build("qwen3_moe"), {".*experts": W8A8})
    matrix, x = model.get_submodule(EXPERTS).gate_up_proj[0], torch.ones(2, 64)
    with pytest.raises(
        FormatError,
        match=r"^experts are quantised where they are multiplied by linear or @, not in ",
    ):
        torch.mul(x, matrix)
    with pytest.raises(FormatError, match="by linear or @, not in "):
        torch.matmul(matrix, x.T)
    with pytest.raises(
        FormatError, match=r"^experts are multiplied along another axis than they were quantised$"
    ):
        x @ matrix
    bias = torch.randn(64)
    with_bias = functional.linear(x, matrix, bias=bias)
    assert torch.equal(with_bias, functional.linear(x, matrix) + bias)


@pytest.mark.parametrize(
    ("family", "key", "table"),
    [
        ("llama", ".*self_attn", EIGHT),
        ("llama", ".*mlp", {"name": "minifloat", **FP12}),
        ("llama", ".*norm", {"name": "minifloat", **FP12}),
        ("llama", ".*embed_tokens", {"name": "mxint", "weight_block_size": 16, "weight_width": 8}),
        ("qwen3_moe", ".*experts", W8A8),
    ],
)
def test_dtypes_that_cannot_hold_the_machines_values(
    family: str, key: str, table: dict[str, Any]
) -> None:
    model = build(family).half()
    message = r"torch\.float16 cannot hold the machine's vector format bf16; load the model in "
    with pytest.raises(FormatError, match=f"{message}float32$"):
        quantize_module_transform_pass(model, {key: table}, numerics="exact")
    wide = golden.HardwareConfig(vector_format=golden.get_format("fp16"))
    with pytest.raises(FormatError, match=r"torch\.bfloat16 cannot hold .* fp16; load the model"):
        quantize_module_transform_pass(model.bfloat16(), {key: table}, numerics="exact", hw=wide)


def test_experts_that_are_not_finite() -> None:
    model = build("qwen3_moe")
    with torch.no_grad():
        model.get_submodule(EXPERTS).down_proj[1, 2, 3] = torch.inf
    message = "its down_proj holds a NaN or Inf and cannot be quantised"
    refused(model, {".*experts": W8A8}, WHERE.format(".*experts", EXPERTS) + message)


def test_scaling_needs_a_tokenizer_or_tokens() -> None:
    refused(
        nn.Sequential(nn.Linear(16, 16)),
        {"0": W8A8, "scaling": {"method": "awq"}},
        "quantisation recipe: calibration needs a tokenizer, and the model does not say where it "
        "is from; give model_name in the table that calibrates, or give the pass tokens",
    )
