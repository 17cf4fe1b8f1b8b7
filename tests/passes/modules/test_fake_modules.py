"""Fake numerics are torch's arithmetic on what golden's quantizer gives, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from itertools import combinations
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from plena_cosim import golden
from plena_cosim.golden import Mx
from plena_cosim.passes import quantize_module_transform_pass
from plena_cosim.passes.attention.hooks import core_of
from plena_cosim.passes.recipe.recipe import Phase

from ..families import build
from ..recipes import FP12, IN8, W8A8, token_ids

INT4, INT8 = (golden.mxint(width, block_size=16) for width in (4, 8))
E5M6 = golden.Minifloat(exp_bits=5, man_bits=6, specials="none")


def q(x: Tensor, fmt: Any, axis: int = -1) -> Tensor:
    """golden's quantizer on a float32 tensor."""
    values = x.detach().double().numpy()
    if isinstance(fmt, Mx):
        values = golden.quantize(values, fmt, axis=axis).dequantize()
    else:
        values = golden.decode(golden.encode(values, fmt), fmt)
    return torch.from_numpy(values).to(x.dtype)


def fake(model: nn.Module, recipe: dict[str, Any]) -> nn.Module:
    return quantize_module_transform_pass(model, recipe)[0]


def ids(length: int = 12) -> Tensor:
    return token_ids(2, length, seed=2)


@torch.no_grad()
def logits(model: nn.Module, **kwargs: Any) -> Tensor:
    return model(ids(), **kwargs).logits


# -------------------------------------------------------------------------- single modules


@pytest.mark.parametrize("bias", [False, True])
def test_linear(bias: bool) -> None:
    linear, x = nn.Linear(40, 24, bias=bias), torch.randn(3, 40)
    table = {"name": "mxint", "weight_block_size": 16, "weight_width": 4, **IN8}
    if bias:
        table |= {"bias_block_size": 4, "bias_width": 5}
    model = fake(nn.Sequential(deepcopy(linear)), {"by": "type", "linear": table})
    five = golden.mxint(5, block_size=4)
    expected = functional.linear(
        q(x, INT8), q(linear.weight, INT4), q(linear.bias, five) if bias else None
    )
    assert torch.equal(model(x), expected)


NORM = {"name": "minifloat", "weight_exponent_width": 4, "weight_frac_width": 3, **FP12}
E4M3 = golden.Minifloat(exp_bits=4, man_bits=3, specials="none")


@pytest.mark.parametrize("family", ["llama", "gemma", "phi"])
def test_norm(family: str) -> None:
    """A gain, a gain less one, and LayerNorm's gain and bias."""
    norm, x = build(family).model.layers[0].input_layernorm, torch.randn(5, 64) * 3 + 1
    stored, twin = deepcopy(norm), fake(nn.Sequential(deepcopy(norm)), {".*0": NORM})
    with torch.no_grad():
        if family == "gemma":
            stored.weight.copy_(q(norm.weight + 1.0, E4M3) - 1.0)
        else:
            stored.weight.copy_(q(norm.weight, E4M3))
        torch.testing.assert_close(twin(x), stored(q(x, E5M6)), rtol=2e-6, atol=2e-6)
        assert not torch.allclose(twin(x), stored(x), rtol=1e-4, atol=1e-4)
    expected = q(norm.weight + (family == "gemma"), E4M3)
    assert torch.equal(twin[0].weight, expected)


def test_the_gain_of_a_bfloat16_gemma_keeps_its_bits() -> None:
    norm = build("gemma").model.layers[0].input_layernorm.bfloat16()
    with torch.no_grad():
        norm.weight.fill_(2.0**-9)  # one more than this is one in bfloat16
    twin = fake(nn.Sequential(norm), {".*0": {"name": "minifloat", **FP12}})
    assert torch.equal(twin[0].weight, torch.full((64,), 1 + 2.0**-9))


@pytest.mark.parametrize("function", [nn.SiLU(), nn.GELU(), nn.GELU("tanh"), nn.Tanh()])
def test_activation(function: nn.Module) -> None:
    mlp = nn.Module()
    mlp.up, mlp.act_fn = nn.Linear(4, 4), function
    model = nn.ModuleDict({"mlp": mlp})
    fake(model, {"mlp": {"name": "minifloat", **FP12}})
    x = torch.randn(7, 4) * 3
    assert torch.equal(model["mlp"].act_fn(x), function(q(x, E5M6)))


@pytest.mark.parametrize(("family", "scale"), [("llama", 1.0), ("gemma", 8.0)])
def test_embedding(family: str, scale: float) -> None:
    model = build(family)
    table = q(model.model.embed_tokens.weight, INT4)
    recipe = {".*embed_tokens": {"name": "mxint", "weight_block_size": 16, "weight_width": 4}}
    twin = fake(model, recipe).model.embed_tokens
    assert torch.equal(twin(ids()), table[ids()] * scale)


def test_a_scaled_embedding_in_bfloat16_scales_as_the_model_does() -> None:
    model = build("gemma", hidden_size=48).bfloat16()  # sqrt(48) is no bfloat16
    with torch.no_grad():
        table = q(model.model.embed_tokens.weight, INT8)
        model.model.embed_tokens.weight.copy_(table)
        expected = model.model.embed_tokens(ids())
    recipe = {".*embed_tokens": {"name": "mxint", "weight_block_size": 16, "weight_width": 8}}
    assert torch.equal(fake(model, recipe).model.embed_tokens(ids()), expected)


@pytest.mark.parametrize("family", ["qwen3_moe", "glm4_moe", "gpt_oss"])
def test_experts(family: str) -> None:
    """The module's own code on quantised weights; inputs are quantised where it multiplies."""
    model = build(family)
    old = model.model.layers[-1].mlp.experts
    plain, table = deepcopy(old), {k: v for k, v in W8A8.items() if "data" not in k}
    axis = -2 if family == "gpt_oss" else -1
    with torch.no_grad():
        for name in ("gate_up_proj", "down_proj"):
            plain.get_parameter(name).copy_(q(plain.get_parameter(name), INT8, axis))
    x = torch.randn(6, 64)
    chosen, weights = torch.tensor([[0, 1], [3, 1]] * 3), torch.rand(6, 2)
    with torch.no_grad():
        expected = plain(x, chosen, weights)
        fake(model, {r".*\.experts": table})
        torch.testing.assert_close(old(x, chosen, weights), expected, rtol=1e-6, atol=1e-7)
        one = torch.tensor(2)
        twin, matrix = old.gate_up_proj[one], plain.gate_up_proj[2]
        fake_inputs = build(family)
        fake(fake_inputs, {r".*\.experts": W8A8})
        twin = fake_inputs.model.layers[-1].mlp.experts.gate_up_proj[one]
        if family == "gpt_oss":
            assert torch.equal(x @ twin, q(x, INT8) @ matrix)
        else:
            assert torch.equal(functional.linear(x, twin), functional.linear(q(x, INT8), matrix))


# -------------------------------------------------------------------------- attention


SUB_TABLES = {"qk_matmul": IN8, "av_matmul": IN8, "rope": FP12, "softmax": FP12, "kv_cache": IN8}


def oracle(model: nn.Module, tables: dict[str, Any], *, position: str = "post_rope") -> None:
    """Write out a Llama's attention with golden's quantizer in its places."""

    def keep(x: Tensor, name: str, fmt: Any, axis: int = -1) -> Tensor:
        return q(x, fmt, axis) if name in tables else x

    def forward(self: Any, hidden_states: Tensor, position_embeddings: Any, **_: Any) -> Any:
        batch, length, _ = hidden_states.shape
        query, key, value = (
            projection(hidden_states).view(batch, length, -1, 16).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        if position == "pre_rope":
            key = keep(key, "kv_cache", INT8)
        cos, sin = (keep(x, "rope", E5M6)[:, None] for x in position_embeddings)
        query, key = (
            x * cos + torch.cat((-x[..., 8:], x[..., :8]), -1) * sin
            for x in (keep(query, "rope", E5M6), keep(key, "rope", E5M6))
        )
        if position == "post_rope":
            key = keep(key, "kv_cache", INT8)
        value = keep(value, "kv_cache", INT8)
        query, key = keep(query, "qk_matmul", INT8), keep(key, "qk_matmul", INT8)
        key, value = (x.repeat_interleave(2, 1) for x in (key, value))
        scores = keep(query @ key.mT * 16**-0.5, "softmax", E5M6)
        future = torch.ones(length, length, dtype=torch.bool).triu(1)
        p = scores.masked_fill(future, -torch.inf).softmax(-1)
        p, value = keep(p, "av_matmul", INT8), keep(value, "av_matmul", INT8, -2)
        return self.o_proj((p @ value).transpose(1, 2).reshape(batch, length, -1)), None

    for layer in model.model.layers:
        layer.self_attn.forward = forward.__get__(layer.self_attn)


CHOICES = [
    *[(name,) for name in SUB_TABLES],
    *list(combinations(SUB_TABLES, 2))[:3],
    tuple(SUB_TABLES),
]


@pytest.mark.parametrize(
    ("position", "chosen"),
    [("post_rope", chosen) for chosen in CHOICES]
    + [("pre_rope", chosen) for chosen in CHOICES if "kv_cache" in chosen],
    ids=lambda given: given if isinstance(given, str) else "+".join(given),
)
def test_attention(position: str, chosen: tuple[str, ...]) -> None:
    tables: dict[str, Any] = {name: dict(SUB_TABLES[name]) for name in chosen}
    if position == "pre_rope":
        tables["kv_cache"]["position"] = position
    model = build("llama", num_hidden_layers=1)
    plain, expected = deepcopy(model), deepcopy(model)
    oracle(expected, tables, position=position)
    found = logits(fake(model, {r".*self_attn": {"name": "mxint", **tables}}))
    # The order of sums differs; where it moves a value over a rounding edge, one code moves.
    difference = (found - logits(expected)).norm()
    assert difference < 0.1 * (found - logits(plain)).norm()
    assert difference < 1e-4 * found.norm()


def test_the_oracle_of_attention_is_the_model_without_tables() -> None:
    model = build("llama", num_hidden_layers=1)
    before = logits(model)
    oracle(model, {})
    torch.testing.assert_close(logits(model), before, rtol=1e-5, atol=1e-6)


def test_sinks_and_scores_have_one_format() -> None:
    model = build("gpt_oss", num_hidden_layers=1)
    attention = model.model.layers[0].self_attn
    with torch.no_grad():
        attention.sinks.copy_(torch.tensor([1.01, -0.013, 0.77, 2.03]))
    plain = deepcopy(model)
    plain.set_attn_implementation("eager")
    coarse = {"data_in_exponent_width": 4, "data_in_frac_width": 1}
    fake(model, {r".*self_attn": {"name": "mxint", "softmax": coarse}})
    e4m1 = golden.Minifloat(exp_bits=4, man_bits=1, specials="none")
    x = torch.zeros(1, 4, 1, 16)
    core = core_of(attention)
    _, weights = core.attend(attention, x, x[:, :2], x[:, :2], None)
    expected = 1 / (1 + q(plain.model.layers[0].self_attn.sinks, e4m1).exp())
    torch.testing.assert_close(weights.flatten(), expected)


def test_the_cache_holds_what_golden_quantises() -> None:
    model, raw = build("llama", num_hidden_layers=1), build("llama", num_hidden_layers=1)
    fake(model, {r".*self_attn": {"name": "mxint", "kv_cache": IN8}})
    with torch.no_grad():
        found, plain = (m(ids(), use_cache=True).past_key_values.layers[0] for m in (model, raw))
    assert torch.equal(found.keys, q(plain.keys, INT8))
    assert torch.equal(found.values, q(plain.values, INT8))


@pytest.mark.parametrize("table", ["rope", "kv_cache"])
def test_scores_without_formats_are_left_to_the_model(table: str) -> None:
    model = build("llama", num_hidden_layers=1)
    fake(model, {r".*self_attn": {"name": "mxint", table: SUB_TABLES[table]}})
    core = core_of(model.model.layers[0].self_attn)
    core.attend = None  # nobody calls it
    logits(model)


def test_pre_rope_quantises_keys_of_layers_without_rotary_embedding() -> None:
    table = {"name": "mxint", "kv_cache": {**IN8, "position": "pre_rope"}}
    model = fake(build("smollm3", num_hidden_layers=2), {r".*self_attn": table})
    assert not model.model.layers[1].self_attn.use_rope
    with torch.no_grad():
        keys = [layer.keys for layer in model(ids(), use_cache=True).past_key_values.layers]
    assert torch.equal(keys[1], q(keys[1], INT8))
    assert not torch.equal(keys[0], q(keys[0], INT8))


def test_keys_of_another_phases_format_are_quantised_for_the_product() -> None:
    """Prefill writes 8 bits; decode multiplies in 4, the format of its own cache."""
    four = {"data_in_block_size": 16, "data_in_width": 4}
    eight = {"name": "mxint", "kv_cache": IN8}
    decode = {"name": "mxint", "kv_cache": four, "qk_matmul": four}
    phase = {"prefill": {r".*self_attn": eight}, "decode": {r".*self_attn": decode}}
    model = fake(build("llama", num_hidden_layers=1), {"phase": phase})
    attention = model.model.layers[0].self_attn
    core = core_of(attention)
    core.clock = SimpleNamespace(now=Phase.DECODE)
    query, key = torch.randn(1, 4, 1, 16), q(torch.randn(1, 2, 5, 16), INT8)
    _, weights = core.attend(attention, query, key, key, None)
    keys = q(key, INT4).repeat_interleave(2, 1)
    expected = (q(query, INT4) @ keys.mT * 0.25).softmax(-1)
    torch.testing.assert_close(weights, expected)


# -------------------------------------------------------------------------- gradients, bypass


GRADIENTS: dict[str, Callable[[], tuple[nn.Module, Tensor]]] = {
    "linear": lambda: (
        fake(nn.Sequential(nn.Linear(32, 8)), {"by": "type", "linear": W8A8})[0],
        torch.randn(3, 32),
    ),
    "norm": lambda: (
        fake(nn.Sequential(nn.LayerNorm(32)), {"0": {"name": "minifloat", **FP12}})[0],
        torch.randn(3, 32),
    ),
}


@pytest.mark.parametrize("case", GRADIENTS)
def test_gradients_are_those_at_the_quantised_input(case: str) -> None:
    """Straight through: as if the quantised input had been given."""
    module, x = GRADIENTS[case]()
    fmt = INT8 if case == "linear" else E5M6
    x.requires_grad_()
    module(x).square().sum().backward()
    at = q(x, fmt).requires_grad_()
    module(at).square().sum().backward()
    assert torch.equal(x.grad, at.grad)
    assert not torch.equal(x, at)


def test_gradients_reach_the_embeddings_through_a_whole_model() -> None:
    model = build("llama", num_hidden_layers=1)
    recipe = {r".*self_attn": {"name": "mxint", **SUB_TABLES}, r".*_proj": W8A8}
    fake(model, recipe)
    model(ids()).logits.square().sum().backward()
    gradient = model.model.embed_tokens.weight.grad
    assert bool(gradient.isfinite().all())
    assert bool((gradient[ids().unique()] != 0).any(dim=-1).all())


@pytest.mark.parametrize("numerics", ["fake", "exact"])
def test_bypass_leaves_bits_as_they_were(numerics: str) -> None:
    model = build("llama")
    before = logits(model)
    nothing = {"name": "mxint", "bypass": True}
    recipe = {r"model\.layers.*": nothing, "lm_head": nothing}
    _, info = quantize_module_transform_pass(model, recipe, numerics=numerics)
    assert info == {}
    assert torch.equal(logits(model), before)


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_attention_that_no_selector_names_keeps_its_function(implementation: str) -> None:
    """Layer 1 is bypassed: it attends with the function that the model was made with."""
    model = build("llama")
    model.set_attn_implementation(implementation)
    plain = deepcopy(model)
    fake(model, {r".*layers\.0\.self_attn": {"name": "mxint", "kv_cache": IN8}})
    seen: dict[str, Tensor] = {}

    def record(_: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        seen["x"], seen["y"] = kwargs["hidden_states"], output[0]

    model.model.layers[1].self_attn.register_forward_hook(record, with_kwargs=True)
    logits(model)
    with torch.no_grad():
        turn = plain.model.rotary_emb(seen["x"], torch.arange(12)[None])
        mask = torch.full((12, 12), torch.finfo(torch.float32).min).triu(1)[None, None]
        y, _ = plain.model.layers[1].self_attn(
            seen["x"], position_embeddings=turn, attention_mask=mask.expand(2, 1, 12, 12)
        )
    assert torch.equal(y, seen["y"])


def test_norms_that_torch_brings() -> None:
    """Without a weight, and with the epsilon of the input's dtype."""
    x = torch.randn(3, 32)
    x[1] = 0
    for norm in (nn.LayerNorm(32, elementwise_affine=False), nn.RMSNorm(32)):
        model = fake(nn.Sequential(deepcopy(norm)), {"0": {"name": "minifloat", **FP12}})
        torch.testing.assert_close(model(x), norm(q(x, E5M6)), rtol=2e-6, atol=2e-6)
