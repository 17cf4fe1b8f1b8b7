"""Fake numerics: rotated attention is the attention of before, with what was rotated quantised."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from plena_cosim import golden
from plena_cosim.golden import FormatError, Mx
from plena_cosim.passes import quantize_module_transform_pass
from plena_cosim.passes.attention import hooks as attention
from plena_cosim.passes.attention.hooks import core_of
from plena_cosim.passes.attention.rotation import Rotator
from plena_cosim.passes.modules.phase import PhaseClock
from plena_cosim.passes.recipe.formats import AttentionFormats, RotationMode
from plena_cosim.passes.recipe.recipe import Phase

from ..families import build
from ..recipes import IN8, token_ids

INT8, INT16 = (golden.mxint(width, block_size=16) for width in (8, 16))
IN16 = IN8 | {"data_in_width": 16}
OPERATIONS = ("qk_matmul", "av_matmul", "kv_cache")


def q(x: Tensor, mx: Mx, axis: int = -1) -> Tensor:
    """golden's quantizer on a tensor."""
    values = golden.quantize(x.detach().double().numpy(), mx, axis=axis).dequantize()
    return torch.from_numpy(values).to(x.dtype)


def turned(x: Tensor, size: int) -> Tensor:
    """Blocks of the last axis times an orthonormal Hadamard, element by element of its matrix."""
    bits = torch.arange(size)[:, None] & torch.arange(size)
    odd = sum((bits >> place) & 1 for place in range(size.bit_length()))
    matrix = (1 - 2 * (odd % 2)).to(torch.float64) * size**-0.5
    blocks = x.double().reshape(*x.shape[:-1], -1, size)
    return (blocks @ matrix).reshape(x.shape).to(x.dtype)


def turned_along_keys(x: Tensor, size: int, axis: int) -> Tensor:
    x = x.transpose(axis, -1)
    return turned(functional.pad(x, (0, -x.shape[-1] % size)), size).transpose(axis, -1)


def ids(length: int = 19) -> Tensor:
    return token_ids(2, length, seed=2)


@torch.no_grad()
def logits(model: nn.Module, **kwargs: Any) -> Tensor:
    return model(ids(), **kwargs).logits


def fake(model: nn.Module, table: dict[str, Any], rotation: dict[str, Any]) -> nn.Module:
    recipe = {r".*self_attn": {"name": "mxint", **table}, "rotation": rotation}
    return quantize_module_transform_pass(model, recipe)[0]


# ------------------------------------------------------------------- nothing is quantised


@pytest.mark.parametrize("family", ["llama", "mistral", "gpt_oss", "phi", "smollm3", "gemma2"])
def test_without_formats_nothing_changes(family: str) -> None:
    """Rotations alone, in float64 if the experts can, around the model's own attention function."""
    model = build(family)
    model = model if family == "gpt_oss" else model.double()
    plain = deepcopy(model)
    plain.set_attn_implementation("eager")
    formats = AttentionFormats(qk_rotate=16, kv_rotate=16)
    for layer in model.model.layers:
        clock, by_phase = PhaseClock(), dict.fromkeys(Phase, formats)
        attention.install(layer.self_attn, by_phase, hw=None, clock=clock, where="here")
    attention.use_in(model)
    found, expected = logits(model), logits(plain)
    with torch.no_grad():
        keys, others = (m(ids()).past_key_values.layers[0].keys for m in (model, plain))
    # Every model's softmax is in float32.
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=2e-6)
    torch.testing.assert_close(keys, turned(others, 16))
    assert not torch.allclose(keys, others, atol=0.1)


@pytest.mark.parametrize("semantics", RotationMode)
def test_values_come_back_where_the_matrix_is_not_symmetric(semantics: RotationMode) -> None:
    """92 is Williamson's; in exact numerics every sum rounds to bf16, to 8 bits."""
    widest = golden.mxint(16, block_size=4)
    formats = AttentionFormats(kv_cache=widest, kv_rotate=92, semantics=semantics)
    x, basis = torch.randn(3, 92), formats.value_basis
    assert (basis is None) is (semantics is RotationMode.DEQUANT)
    fake = Rotator(formats, None)
    torch.testing.assert_close(fake.from_values(fake.cached(x, basis)), x, rtol=1e-3, atol=1e-3)
    if basis is not None:
        hardware = Rotator(formats, golden.HardwareConfig())
        found = hardware.from_values(hardware.rotated(x, basis))
        torch.testing.assert_close(found, x, rtol=0, atol=0.1)


@pytest.mark.parametrize("semantics", ["fused", "dequant"])
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("size", [True, 2, 8])
def test_sixteen_bits_are_near_the_model(operation: str, size: Any, semantics: str) -> None:
    model = build("llama")
    before = logits(model)
    rotation = {"semantics": semantics}
    found = logits(fake(model, {operation: IN16 | {"online_rotate": size}}, rotation))
    # Operands of 15 bits in blocks lose about 2^-15 of their largest.
    torch.testing.assert_close(found, before, rtol=2e-3, atol=5e-4)


# ------------------------------------------------------------------- a direct reference


def reference(model: nn.Module, sizes: dict[str, int], semantics: str) -> None:
    """Write out a Llama's attention, every operation at eight bits, some of them rotated."""

    def there(x: Tensor, name: str, wanted: str) -> Tensor:
        return turned(x, sizes[name]) if name in sizes and semantics == wanted else x

    def keep(x: Tensor, name: str, axis: int = -1) -> Tensor:
        """Quantise; under dequant in the rotated basis and back."""
        if semantics == "fused" or name not in sizes:
            return q(x, INT8, axis)
        if name == "av_matmul":
            count, size = x.shape[axis], sizes[name]
            y = q(turned_along_keys(x, size, axis), INT8, axis)
            return turned_along_keys(y, size, axis).narrow(axis, 0, count)
        return turned(q(turned(x, sizes[name]), INT8), sizes[name])

    def forward(self: Any, hidden_states: Tensor, position_embeddings: Any, **_: Any) -> Any:
        batch, length, _ = hidden_states.shape
        query, key, value = (
            projection(hidden_states).view(batch, length, -1, 16).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        cos, sin = (x[:, None] for x in position_embeddings)
        query, key = (
            x * cos + torch.cat((-x[..., 8:], x[..., :8]), -1) * sin for x in (query, key)
        )
        fused_keys = "kv_cache" if "kv_cache" in sizes else "qk_matmul"
        query, key = (there(x, fused_keys, "fused") for x in (query, key))
        key = keep(key, "kv_cache")
        value = keep(there(value, "kv_cache", "fused"), "kv_cache")
        query, key = keep(query, "qk_matmul"), keep(key, "qk_matmul")
        key, value = (x.repeat_interleave(2, 1) for x in (key, value))
        future = torch.ones(length, length, dtype=torch.bool).triu(1)
        p = (query @ key.mT * 16**-0.5).masked_fill(future, -torch.inf).softmax(-1)
        if semantics == "fused" and "av_matmul" in sizes:
            size = sizes["av_matmul"]
            p, value = turned_along_keys(p, size, -1), turned_along_keys(value, size, -2)
        output = keep(p, "av_matmul") @ keep(value, "av_matmul", -2)
        output = there(output, "kv_cache", "fused")
        return self.o_proj(output.transpose(1, 2).reshape(batch, length, -1)), None

    for layer in model.model.layers:
        layer.self_attn.forward = forward.__get__(layer.self_attn)


@pytest.mark.parametrize("semantics", ["fused", "dequant"])
@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"qk_matmul": 16},
        {"kv_cache": 8},
        {"av_matmul": 8},
        {"av_matmul": 32},
        {"qk_matmul": 16, "kv_cache": 16},
        {"qk_matmul": 4, "av_matmul": 2, "kv_cache": 4},
    ],
    ids=str,
)
def test_formats_in_rotated_bases(sizes: dict[str, int], semantics: str) -> None:
    """Blocks along the keys are no square: the probabilities of early queries, which sum up to 1,
    would meet at a power of two, the edge between two scales."""
    model = build("llama", num_hidden_layers=1)
    plain, expected = deepcopy(model), deepcopy(model)
    reference(expected, sizes, semantics)
    table = {name: dict(IN8) for name in OPERATIONS}
    for name, size in sizes.items():
        table[name]["online_rotate"] = size
    found = logits(fake(model, table, {"semantics": semantics}))
    # The order of sums differs; where it moves a value over a rounding edge, one code moves.
    difference = (found - logits(expected)).norm()
    assert difference < 0.1 * (found - logits(plain)).norm()
    assert difference < 1e-4 * found.norm()


@pytest.mark.parametrize("axis", [-1, -2])
@pytest.mark.parametrize("semantics", list(RotationMode))
def test_operands_along_the_keys(semantics: RotationMode, axis: int) -> None:
    """By themselves: H Q(Hp) times H Q(Hv) is nearly Q(Hp) times Q(Hv)."""
    formats = AttentionFormats(av_matmul=INT8, av_rotate=8, semantics=semantics)
    x = torch.randn(2, 3, 19, 19)
    y = q(turned_along_keys(x, 8, axis), INT8, axis)
    if semantics is RotationMode.DEQUANT:
        y = turned_along_keys(y, 8, axis).narrow(axis, 0, 19)
    found = Rotator(formats, hw=None).narrow_av(x, axis=axis)
    assert found.shape == y.shape
    assert float(((found - y).abs() > 1e-5).float().mean()) < 2e-3  # a code that rounds otherwise


def test_the_two_semantics_differ() -> None:
    table = dict.fromkeys(OPERATIONS, IN8)
    rotation = {"r3": True, "online": ["av_matmul", "kv_cache"]}
    fused, dequant = (
        logits(fake(build("llama"), table, rotation | {"semantics": semantics}))
        for semantics in ("fused", "dequant")
    )
    assert not torch.equal(fused, dequant)
    torch.testing.assert_close(fused, dequant, rtol=0.2, atol=0.1)


@pytest.mark.parametrize(
    ("qk", "kv", "again"), [(8, 8, False), (8, 4, True), (0, 8, True), (8, 0, True), (0, 0, False)]
)
def test_dequant_reads_the_cache_where_it_holds_what_the_product_takes(
    qk: int, kv: int, again: bool
) -> None:
    table = {
        "qk_matmul": IN8 | {"online_rotate": qk or False},
        "kv_cache": IN8 | {"online_rotate": kv or False},
    }
    model = fake(build("llama", num_hidden_layers=1), table, {"semantics": "dequant"})
    assert core_of(model.model.layers[0].self_attn).reads_cache is not again


def test_outliers_are_spread_before_they_are_quantised() -> None:
    four = IN8 | {"data_in_width": 4}
    errors = {}
    for size in (False, 16):
        model = build("llama", num_hidden_layers=1)
        with torch.no_grad():
            model.model.layers[0].self_attn.v_proj.weight[5] *= 30
        before = logits(model)
        table = {"kv_cache": four | {"online_rotate": size}}
        errors[size] = (logits(fake(model, table, {})) - before).norm()
    assert errors[16] < 0.7 * errors[False]


# ------------------------------------------------------------------- caches, gradients, errors


@pytest.mark.parametrize("semantics", ["fused", "dequant"])
@pytest.mark.parametrize("family", ["llama", "mistral", "gpt_oss"])
@torch.no_grad()
def test_decode_writes_the_cache_that_one_pass_writes(family: str, semantics: str) -> None:
    from transformers import StaticCache

    rotation = {"r3": True, "online": ["kv_cache"], "semantics": semantics}
    model = fake(build(family), {"kv_cache": IN8, "qk_matmul": IN8}, rotation)
    whole = model(ids(), use_cache=True)
    static = StaticCache(config=model.config, max_cache_len=40)
    for cache in (None, static):
        cache = model(ids()[:, :17], use_cache=True, past_key_values=cache).past_key_values
        for column in (17, 18):
            out = model(ids()[:, column : column + 1], past_key_values=cache, use_cache=True)
            cache = out.past_key_values
        keys, values = cache.layers[0].keys, cache.layers[0].values
        expected = whole.past_key_values.layers[0]
        if cache is not static:
            assert torch.equal(keys, expected.keys)
            assert torch.equal(values, expected.values)
        torch.testing.assert_close(out.logits[:, -1], whole.logits[:, -1], rtol=1e-4, atol=1e-5)


def test_gradients_go_through_rotations() -> None:
    for semantics in ("fused", "dequant"):
        rotation = {"r3": True, "online": ["av_matmul", "kv_cache"], "semantics": semantics}
        model = build("llama", num_hidden_layers=1)
        plain = deepcopy(model)
        fake(model, dict.fromkeys(OPERATIONS, IN16), rotation)
        gradients = []
        for each in (model, plain):
            each(ids()).logits.square().sum().backward()
            gradients.append(each.model.embed_tokens.weight.grad)
        assert (gradients[0] - gradients[1]).norm() < 0.01 * gradients[1].norm()


def refused(model: nn.Module, recipe: dict[str, Any], message: str) -> None:
    before = [type(module) for module in model.modules()]
    with pytest.raises(FormatError, match=message):
        quantize_module_transform_pass(model, recipe)
    assert [type(module) for module in model.modules()] == before


SELF = r".*self_attn"
AT = r"^quantisation recipe \[\.\*self_attn\]: module 'model\.layers\.0\.self_attn': "


def two(prefill: dict[str, Any], decode: dict[str, Any], **rest: Any) -> dict[str, Any]:
    tables = {"prefill": {SELF: {"name": "mxint", **prefill}}, "decode": {}}
    tables["decode"] = {SELF: {"name": "mxint", **decode}}
    return {"phase": tables, **rest}


def turn(size: Any) -> dict[str, Any]:
    return IN8 | {"online_rotate": size}


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (
            {SELF: {"name": "mxint", "kv_cache": turn(32)}},
            "kv_cache: online_rotate, or size in .* axis of 16 elements, got 32; nearest: 16$",
        ),
        (
            {SELF: {"name": "mxint", "kv_cache": IN8}, "rotation": {"r3": True, "size": 64}},
            "qk_matmul: online_rotate, or size in .* axis of 16 elements, got 64; nearest: 16$",
        ),
        (
            {SELF: {"name": "mxint", "kv_cache": turn(8), "qk_matmul": turn(4)}},
            "qk_matmul rotates keys by 4 and kv_cache by 8, but they are cached in one way; give "
            "both one size$",
        ),
        (
            {
                SELF: {"name": "mxint", "kv_cache": IN8 | {"position": "pre_rope"}},
                "rotation": {"r3": True},
            },
            'keys are rotated after the rotary embedding, and position = "pre_rope" quantises them '
            'before it; use position = "post_rope" or do not rotate them$',
        ),
        (
            two({"kv_cache": turn(8)}, {"kv_cache": IN8}),
            "prefill rotates keys by 8 and values by 8, decode keys by none and values by none, "
            "but both use one cache; quantise and rotate qk_matmul and kv_cache alike in both "
            "phases, or in neither$",
        ),
        (
            two({"kv_cache": IN8, "qk_matmul": turn(8)}, {"kv_cache": turn(8)}),
            "prefill rotates keys by 8 and values by none, decode keys by 8 and values by 8, ",
        ),
        (
            {"phase": {"decode": {SELF: {"name": "mxint", "kv_cache": turn(8)}}}},
            "prefill rotates keys by none and values by none, decode keys by 8",
        ),
    ],
)
def test_rotations_that_cannot_be(recipe: dict[str, Any], message: str) -> None:
    refused(build("llama"), recipe, AT + message)


def test_dequant_may_differ_between_phases() -> None:
    given = two({"kv_cache": turn(8)}, {"kv_cache": IN8}, rotation={"semantics": "dequant"})
    quantize_module_transform_pass(build("llama"), given)


ALL_ATTENTION_FUNCTIONS = None
"""A forward that looks it up has its scores computed by transformers' attention function."""


class NoWidth(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer_idx = 0
        self.k_proj, self.v_proj = nn.Linear(16, 16), nn.Linear(16, 16)

    def forward(self, x: Tensor, past_key_values: Any = None) -> Tensor:
        return ALL_ATTENTION_FUNCTIONS or x


class Shared(NoWidth):
    head_dim, is_kv_shared_layer = 16, True


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (NoWidth, "kv_cache: NoWidth does not say its head_dim, along which it would be rotated; "),
        (Shared, "kv_cache: the keys and values are those of another layer, which rotates them in"),
    ],
)
def test_attention_of_which_too_little_is_known(
    kind: Callable[[], nn.Module], message: str
) -> None:
    model = nn.ModuleDict({"attn": kind()})
    refused(model, {"attn": {"name": "mxint", "kv_cache": turn(8)}}, message)
