"""Each module of exact numerics computes golden's codes, seen at its own inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from plena_cosim import golden
from plena_cosim.golden import HardwareConfig, ops
from plena_cosim.golden.hadamard_matrices import hadamard_matrix
from plena_cosim.passes import quantize_module_transform_pass
from plena_cosim.passes.attention import core as attention_core
from plena_cosim.passes.attention.hooks import core_of
from plena_cosim.passes.modules.exact_linear import ExactLinear
from plena_cosim.passes.modules.hadamard import rotate
from plena_cosim.passes.modules.quant_activation import QuantActivation
from plena_cosim.passes.modules.quant_embedding import QuantEmbedding
from plena_cosim.passes.modules.quant_norm import QuantNorm

from ..families import build
from ..machine import Machine, array
from ..recipes import ATTENTION, FP12, IN8, W8A8, full_recipe, token_ids

INT4, INT8, INT16 = (golden.mxint(width, block_size=16) for width in (4, 8, 16))
FP12_FORMAT = golden.Minifloat(exp_bits=5, man_bits=6, specials="none")
DEFAULT = HardwareConfig()
NARROW = HardwareConfig(
    vlen=2,  # many rows in a sum
    vector_format=golden.get_format("e6m5"),
    accumulator_format=golden.get_format("bf16"),
    reduction_format=golden.get_format("bf16"),
)
MACHINES = pytest.mark.parametrize("hw", [DEFAULT, NARROW], ids=["bf16", "e6m5"])


def exact(model: nn.Module, recipe: dict[str, Any], hw: HardwareConfig = DEFAULT) -> nn.Module:
    return quantize_module_transform_pass(model, recipe, numerics="exact", hw=hw)[0]


def ids(length: int = 12) -> Tensor:
    return token_ids(2, length, seed=2)


def same(found: Tensor, codes: Any, machine: Machine, what: str = "") -> None:
    np.testing.assert_array_equal(machine.enter(array(found)), codes, err_msg=what)
    np.testing.assert_array_equal(array(found), machine.real(codes), err_msg=what)


@contextmanager
def boundaries(model: nn.Module) -> Iterator[dict[str, tuple[Tensor, Tensor]]]:
    """Record input and output of each twin in one pass."""
    seen: dict[str, tuple[Tensor, Tensor]] = {}
    kinds = (ExactLinear, QuantNorm, QuantActivation, QuantEmbedding)

    def recorder(name: str) -> Callable[..., None]:
        return lambda _, args, output: seen.__setitem__(name, (args[0].clone(), output.clone()))

    hooks = [
        module.register_forward_hook(recorder(name))
        for name, module in model.named_modules()
        if isinstance(module, kinds)
    ]
    yield seen
    for hook in hooks:
        hook.remove()


@contextmanager
def attention_calls(model: nn.Module) -> Iterator[list[tuple[nn.Module, dict[str, Any]]]]:
    """Record what goes into attention, between rotary embedding and output projection."""
    calls: list[tuple[nn.Module, dict[str, Any]]] = []

    def recorder(module: nn.Module, attend: Callable[..., Any]) -> Callable[..., Any]:
        def recording(*args: Any, **kwargs: Any) -> Any:
            output, weights = attend(*args, **kwargs)
            names = ("query", "key", "value", "mask")
            given = dict(zip(names, args[1:], strict=True))
            calls.append((module, given | {"scaling": kwargs["scaling"], "output": output}))
            return output, weights

        return recording

    for module in model.modules():
        if (core := core_of(module)) is not None:
            core.attend = recorder(module, core.attend)
    yield calls
    for module in model.modules():
        if (core := core_of(module)) is not None:
            del core.attend


def check_attention(call: dict[str, Any], machine: Machine, sinks: Any = None, **how: Any) -> None:
    query, key, value = (array(call[name]) for name in ("query", "key", "value"))
    batch, heads, rows, _ = query.shape
    keys, groups = key.shape[2], heads // key.shape[1]
    mask = np.zeros((batch, 1, rows, keys)) if call["mask"] is None else array(call["mask"])
    seen = np.broadcast_to(mask == 0, (batch, 1, rows, keys))
    for b in range(batch):
        for head in range(heads):
            codes = machine.attend(
                query[b, head],
                key[b, head // groups],
                value[b, head // groups],
                seen[b, 0],
                scale=call["scaling"],
                sink=None if sinks is None else float(sinks[head]),
                **how,
            )
            same(call["output"][b, head], codes, machine, f"sequence {b}, head {head}")


# -------------------------------------------------------------------------- linear layers


@MACHINES
@pytest.mark.parametrize("bias", ["none", "plain", "mxint5"])
@pytest.mark.parametrize("roles", ["both", "weight", "data_in"])
def test_linear(hw: HardwareConfig, bias: str, roles: str) -> None:
    linear, x = nn.Linear(40, 24, bias=bias != "none"), torch.randn(3, 40)
    table = {"weight_block_size": 16, "weight_width": 4, **IN8}
    table = {key: value for key, value in table.items() if roles in ("both", key.rsplit("_", 2)[0])}
    if roles == "data_in":
        table = dict(IN8)
    if bias == "mxint5":
        table |= {"bias_block_size": 4, "bias_width": 5}
    model = nn.Sequential(deepcopy(linear))
    exact(model, {"by": "type", "linear": {"name": "mxint", **table}}, hw)
    machine = Machine(hw=hw)
    expected = machine.linear(
        array(x),
        array(linear.weight),
        weight_mx=INT16 if roles == "data_in" else INT4,
        input_mx=INT16 if roles == "weight" else INT8,
        bias=None if linear.bias is None else array(linear.bias),
        bias_mx=golden.mxint(5, block_size=4) if bias == "mxint5" else None,
    )
    same(model(x), expected, machine)


@MACHINES
@pytest.mark.parametrize(("size", "k"), [(4, 1), (16, 1), (48, 12), (144, 36), (368, 92)])
def test_linear_with_rotation(hw: HardwareConfig, size: int, k: int) -> None:
    width = 48 if size < 48 else size
    linear = nn.Linear(width, 8, bias=False)
    with torch.no_grad():  # few bits: torch rotates them without rounding
        linear.weight.copy_(torch.randint(-8, 9, (8, width)) / 8)
    sylvester = np.array([[1.0]])
    while len(sylvester) < size // k:
        sylvester = np.block([[sylvester, sylvester], [sylvester, -sylvester]])
    hadamard = np.kron(hadamard_matrix(k).astype(float), sylvester)
    blocks = array(linear.weight).reshape(8, -1, size) @ hadamard.T / size**0.5
    if k > 1:  # 1/√n is no power of two: the weight is near the real one, and then taken as it is
        near = array(rotate(linear.weight.detach(), size)).reshape(blocks.shape)
        np.testing.assert_allclose(near, blocks, rtol=1e-5, atol=1e-6)
        blocks = near
    model, x = nn.Sequential(linear), torch.randn(5, width)
    exact(model, {"by": "type", "linear": W8A8 | {"online_rotate": size}}, hw)
    machine = Machine(hw=hw)
    turned = blocks.reshape(8, width)
    expected = machine.linear(array(x), turned, weight_mx=INT8, input_mx=INT8, rotation=size)
    same(model(x), expected, machine)


# -------------------------------------------------------------------------- one whole model


@pytest.mark.parametrize("family", ["llama", "qwen2", "gemma", "phi", "qwen3"])
@MACHINES
def test_every_boundary_of_a_model(family: str, hw: HardwareConfig) -> None:
    plain = build(family, num_hidden_layers=1)
    check_boundaries(plain, full_recipe(family), ids(), hw)


@pytest.mark.demo
def test_every_boundary_of_the_demo_model() -> None:
    from plena_cosim.evaluate import load_model

    model, tokenizer = load_model("demo")
    model.model.layers = model.model.layers[:1]
    model.lm_head = nn.Identity()
    text = tokenizer("The quick brown fox jumps over the lazy dog", return_tensors="pt").input_ids
    recipe = full_recipe("llama")
    check_boundaries(model.float(), recipe, text, DEFAULT)


def check_boundaries(
    plain: nn.Module, recipe: dict[str, Any], tokens: Tensor, hw: HardwareConfig
) -> None:
    machine = Machine(hw=hw)
    model = exact(deepcopy(plain), recipe, hw)
    with torch.no_grad(), boundaries(model) as seen, attention_calls(model) as calls:
        model(tokens)
    assert {name for name, _ in seen.items()} >= {"model.embed_tokens"}
    checked = dict.fromkeys((nn.Linear, nn.Embedding, "norm", "activation"), 0)
    for name, (x, y) in seen.items():
        old = plain.get_submodule(name)
        if isinstance(old, nn.Linear):
            bias = None if old.bias is None else array(old.bias)
            expected = machine.linear(
                array(x), array(old.weight), weight_mx=INT8, input_mx=INT8, bias=bias
            )
            checked[nn.Linear] += 1
        elif isinstance(old, nn.Embedding):
            expected = machine.enter(array(old.weight[x]), INT8)
            if scale := getattr(old, "scalar_embed_scale", None):
                expected = ops.mul(expected, machine.enter(np.float64(scale)), machine.v)
            checked[nn.Embedding] += 1
        elif isinstance(model.get_submodule(name), QuantNorm):
            rows, gain = machine.enter(array(x), FP12_FORMAT), array(old.weight)
            if "Gemma" in type(old).__name__:
                gain = (old.weight.detach() + 1.0).double().numpy()
            if isinstance(old, nn.LayerNorm):
                shift = machine.enter(array(old.bias))
                expected = machine.layer_norm(rows, machine.enter(gain), shift, old.eps)
            else:
                eps = getattr(old, "variance_epsilon", getattr(old, "eps", None))
                expected = machine.rms_norm(rows, machine.enter(gain), eps)
            checked["norm"] += 1
        else:
            activation = ops.silu if "SiLU" in type(old).__name__ else ops.gelu_tanh
            expected = activation(machine.enter(array(x), FP12_FORMAT), machine.v)
            checked["activation"] += 1
        same(y, expected, machine, name)
    assert all(checked.values())
    how: dict[str, Any] = {"qk": INT8, "av": INT8, "softmax": FP12_FORMAT, "stored": True}
    for _, call in calls:
        check_attention(call, machine, **how)
    assert len(calls) == len(model.model.layers)


# -------------------------------------------------------------------------- attention


ONLY_ATTENTION = {r".*self_attn": ATTENTION}


def check_eight_bits(
    calls: list[tuple[nn.Module, dict[str, Any]]], machine: Machine, **how: Any
) -> None:
    """Check calls of attention with the formats of ATTENTION, and a cache that holds codes."""
    for module, call in calls:
        sinks = getattr(module, "sinks", None)
        check_attention(
            call,
            machine,
            sinks=None if sinks is None else array(sinks),
            qk=INT8,
            av=INT8,
            softmax=FP12_FORMAT,
            stored=True,
            **how,
        )


@MACHINES
@pytest.mark.parametrize(
    ("family", "padding"),
    [
        ("llama", None),
        ("llama", "left"),
        ("llama", "right"),
        ("mistral", None),
        ("mistral", "left"),
        ("gpt_oss", None),
        ("gpt_oss", "left"),
        ("gpt_oss", "right"),
    ],
)
def test_attention(hw: HardwareConfig, family: str, padding: str | None) -> None:
    """Grouped queries, a sliding window of 8, sinks; padding; a head of 24 elements."""
    model = exact(build(family, head_dim=24), ONLY_ATTENTION, hw)
    given: dict[str, Tensor] = {"input_ids": ids()}
    if padding:
        mask = torch.ones_like(ids())
        mask[1, slice(0, 5) if padding == "left" else slice(7, None)] = 0
        given["attention_mask"] = mask
    with torch.no_grad(), attention_calls(model) as calls:
        model(**given)
    assert len(calls) == 2
    check_eight_bits(calls, Machine(hw=hw))


@MACHINES
@pytest.mark.parametrize("family", ["llama", "mistral", "gpt_oss"])
def test_attention_in_decode(hw: HardwareConfig, family: str) -> None:
    model = exact(build(family), ONLY_ATTENTION, hw)
    with torch.no_grad(), attention_calls(model) as calls:
        cache = model(ids()[:, :10], use_cache=True).past_key_values
        model(ids()[:, 10:11], past_key_values=cache, use_cache=True)
    assert [call["query"].shape[2] for _, call in calls] == [10, 10, 1, 1]
    check_eight_bits(calls[2:], Machine(hw=hw))


@MACHINES
def test_attention_without_formats_is_mxint16_and_other_keys_pass_the_vector_unit(
    hw: HardwareConfig,
) -> None:
    table = {"name": "mxint", "kv_cache": {"data_in_block_size": 8, "data_in_width": 8}}
    model = exact(build("llama"), {r".*self_attn": table}, hw)
    wide = golden.mxint(16, block_size=32)
    with torch.no_grad(), attention_calls(model) as calls:
        model(ids())
    for _, call in calls:
        check_attention(call, Machine(hw=hw), qk=wide, av=wide)


@pytest.mark.parametrize(
    ("numerics", "rule", "width"),
    [
        ({"profile": "mase"}, {"scale_rule": "mase", "symmetric": False}, 4),
        ({"profile": "ocp"}, {}, 4),
        # In three bits an amax may become a power of two, which this rule would clip again.
        ({"scale_rule": "clip"}, {"scale_rule": "clip"}, 3),
    ],
    ids=["mase", "ocp", "clip"],
)
def test_keys_in_the_cache_are_not_rounded_again(
    numerics: dict[str, Any], rule: dict[str, Any], width: int
) -> None:
    narrow = {"data_in_block_size": 16, "data_in_width": width}
    table = {"name": "mxint", "qk_matmul": narrow, "kv_cache": narrow}
    model = exact(build("llama"), {r".*self_attn": table, "numerics": numerics})
    mx, machine = golden.mxint(width, block_size=16, **rule), Machine(hw=DEFAULT)
    with torch.no_grad(), attention_calls(model) as calls:
        model(ids())
    _, call = calls[0]
    query, key = array(call["query"])[0, 0], array(call["key"])[0, 0]
    wide = golden.mxint(16, block_size=16)  # holds the values of the cache as they are
    assert np.array_equal(golden.quantize(key, wide).dequantize(), key)
    operand = golden.quantize(machine.real(machine.enter(query)), mx)
    scores = ops.matmul(operand, golden.quantize(key.T, wide, axis=0), DEFAULT)
    scores = ops.mul(scores, machine.enter(np.float64(0.25)), machine.v)
    seen = np.tril(np.ones((12, 12), dtype=bool))
    weights = ops.softmax(scores, seen, machine.v, DEFAULT.reduction_format, lanes=DEFAULT.vlen)
    av = golden.mxint(16, block_size=32)
    value = golden.quantize(array(call["value"])[0, 0], av, axis=0)
    expected = ops.matmul(golden.quantize(machine.real(weights), av), value, DEFAULT)
    same(call["output"][0, 0], expected, machine)


@MACHINES
@pytest.mark.parametrize("position", ["post_rope", "pre_rope"])
@pytest.mark.parametrize("family", ["llama", "glm4", "gpt_oss"])
def test_rotary_embedding_and_cache(hw: HardwareConfig, family: str, position: str) -> None:
    """Halves (llama), neighbours and a part of the head (glm4), halves by other code (gpt_oss)."""
    window = {"sliding_window": 64} if family == "gpt_oss" else {}
    model = build(family, num_hidden_layers=1, **window)
    attention, machine = model.model.layers[0].self_attn, Machine(hw=hw)
    table = {"name": "mxint", "rope": FP12, "kv_cache": {**IN8, "position": position}}
    exact(model, {r".*self_attn": table}, hw)
    projected: dict[str, Tensor] = {}
    for name in ("k_proj", "v_proj"):
        attention.get_submodule(name).register_forward_hook(
            lambda _, __, y, name=name: projected.__setitem__(name, y.clone())
        )
    with torch.no_grad():
        layer = model(ids(), use_cache=True).past_key_values.layers[0]
        cos, sin = model.model.rotary_emb(torch.zeros(1), torch.arange(12)[None])
    heads = {name: array(y.view(2, 12, 2, 16).transpose(1, 2)) for name, y in projected.items()}
    cached = machine.enter(machine.real(machine.enter(heads["v_proj"])), INT8)
    np.testing.assert_array_equal(machine.enter(array(layer.values)), cached)
    keys = heads["k_proj"]
    if position == "pre_rope":
        keys = golden.quantize(machine.real(machine.enter(keys)), INT8).dequantize()
    x, cosines, sines = (machine.enter(y, FP12_FORMAT) for y in (keys, array(cos), array(sin)))
    if family == "gpt_oss":  # tables of half the width
        cosines, sines = (np.concatenate([y, y], axis=-1) for y in (cosines, sines))
    if family == "glm4":
        half = cosines.shape[-1] // 2
        cosines, sines = (np.repeat(y[..., :half], 2, axis=-1) for y in (cosines, sines))
    width = cosines.shape[-1]
    stride = 1 if family == "glm4" else None
    turned = ops.rope(x[..., :width], cosines, sines, machine.v, stride=stride)
    turned = np.concatenate([turned, x[..., width:]], axis=-1)
    if position == "post_rope":
        turned = golden.quantize(machine.real(turned), INT8).dequantize()
        np.testing.assert_array_equal(array(layer.keys), turned)
    else:
        same(layer.keys, turned, machine)


# -------------------------------------------------------------------------- experts


@MACHINES
@pytest.mark.parametrize("table", [W8A8, {k: v for k, v in W8A8.items() if "data" not in k}])
@pytest.mark.parametrize("family", ["qwen3_moe", "gpt_oss"])
def test_experts(hw: HardwareConfig, family: str, table: dict[str, Any]) -> None:
    plain = build(family, num_hidden_layers=1)
    old = plain.model.layers[0].mlp.experts
    weights = {name: array(old.get_parameter(name)) for name in ("gate_up_proj", "down_proj")}
    exact(plain, {r".*experts": table}, hw)
    machine, input_mx = Machine(hw=hw), INT8 if table is W8A8 else INT16
    for name, weight in weights.items():
        for expert in (torch.tensor(1), 3):
            twin = old.get_submodule(name)[expert]
            matrix = weight[int(expert)]
            if family == "gpt_oss":
                matrix = matrix.T
            x = torch.randn(5, matrix.shape[1])
            y = x @ twin if family == "gpt_oss" else nn.functional.linear(x, twin)
            expected = machine.linear(array(x), matrix, weight_mx=INT8, input_mx=input_mx)
            same(y, expected, machine)


@MACHINES
def test_a_bias_of_experts_is_added_with_one_rounding(hw: HardwareConfig) -> None:
    model = build("qwen3_moe", num_hidden_layers=1)
    experts = model.model.layers[0].mlp.experts
    weight = array(experts.down_proj)[2]
    exact(model, {r".*experts": W8A8}, hw)
    x, bias, machine = torch.randn(5, 32), torch.randn(64), Machine(hw=hw)
    found = nn.functional.linear(x, experts.get_submodule("down_proj")[2], bias)
    expected = machine.linear(array(x), weight, weight_mx=INT8, input_mx=INT8, bias=array(bias))
    same(found, expected, machine)


@pytest.mark.parametrize("family", ["llama", "mistral", "gpt_oss"])
def test_queries_in_portions_change_no_bit(family: str, monkeypatch) -> None:
    """80 queries, eight at a time and all at once; keys that a portion cannot see are left out."""
    tokens = token_ids(2, 80, seed=3)
    mask = torch.ones_like(tokens)
    mask[1, 70:] = 0
    logits, shapes = [], []
    for portion in (8, 1000):
        monkeypatch.setattr(attention_core, "QUERIES", portion)
        model = exact(build(family), full_recipe(family), HardwareConfig(vlen=4))
        core = next(found for module in model.modules() if (found := core_of(module)))
        inner = core._portion
        core._portion = lambda given, inner=inner: (
            shapes.append((given.query.shape[2], given.key.shape[2])) or inner(given)
        )
        with torch.no_grad():
            logits.append(model(tokens, attention_mask=mask).logits)
    assert shapes[:10] == [(8, 32)] * 4 + [(8, 64)] * 4 + [(8, 80)] * 2
    assert shapes[10] == (80, 80)
    assert torch.equal(logits[0], logits[1])


@pytest.mark.parametrize("numerics", ["fake", "exact"])
@pytest.mark.parametrize("shape", [(64,), (0, 64), (2, 0, 64)])
def test_a_linear_layer_takes_the_shapes_of_its_original(
    numerics: str, shape: tuple[int, ...]
) -> None:
    roles = {"weight_block_size": 32, "weight_width": 8, "data_in_block_size": 32}
    recipe = {"by": "name", "0": {"name": "mxint", "data_in_width": 8, **roles}}
    net = nn.Sequential(nn.Linear(64, 48))
    quantize_module_transform_pass(net, recipe, numerics=numerics)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    y = net(x)
    assert y.shape == (*shape[:-1], 48)
    if shape == (64,):
        assert torch.equal(y, net(x[None])[0])
