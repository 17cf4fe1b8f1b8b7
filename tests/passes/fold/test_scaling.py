"""Scales come from their formulas, and the model computes what it did."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from plena_cosim import golden
from plena_cosim.golden import FormatError
from plena_cosim.passes.fold import ScalingRecord, fold_scaling, scaling
from plena_cosim.passes.fold.channels import Channels
from plena_cosim.passes.fold.output_error import OutputError
from plena_cosim.passes.fold.scaling import activation_scales
from plena_cosim.passes.recipe.load import read_quant_config
from plena_cosim.passes.recipe.recipe import Recipe
from plena_cosim.passes.recipe.scaling_table import ScalingTable

from ..recipes import W4A4, token_ids
from .tiny import FOLDED, error, logits, precisely, state, tiny

LAYER = "model.layers.0"
EVERY = [
    f"model.layers.{index}.{part}"
    for index in (0, 1)
    for part in (
        "input_layernorm", "self_attn.v_proj", "post_attention_layernorm", "mlp.up_proj",
    )
]  # fmt: skip


def recipe(pattern: str = r".*(_proj|\.experts)", **keys: Any) -> Recipe:
    return read_quant_config({pattern: W4A4 | keys})


def tokens(count: int = 3) -> Tensor:
    return token_ids(count, 17, seed=5)


def fold(
    model: nn.Module, method: str, given: Recipe | None = None, **keys: Any
) -> dict[str, ScalingRecord]:
    table = ScalingTable(method=method, **keys)
    with precisely(model):
        return fold_scaling(model, table, given or recipe(), tokens())


@torch.no_grad()
def taken(model: nn.Module, name: str) -> Tensor:
    """What a module of the whole model takes on the calibration tokens, (tokens, in)."""
    found: list[Tensor] = []
    module = model.get_submodule(name)
    handle = module.register_forward_pre_hook(lambda module, args: found.append(args[0]))
    with precisely(model):
        model(tokens(), use_cache=False)
    handle.remove()
    return found[0].reshape(-1, found[0].shape[-1])


@pytest.mark.parametrize("method", ["balance", "smoothquant", "awq"])
@pytest.mark.parametrize("family", [*FOLDED, "mixtral", "phi3"])
def test_a_model_of_float64_computes_what_it_did(family: str, method: str) -> None:
    model = tiny(family)
    before, weights = logits(model), state(model)
    records = fold(model, method)
    assert error(logits(model), before) < 1e-10
    assert any(not torch.equal(weights[name], now) for name, now in state(model).items())
    assert all(record.method == method for record in records.values())


def test_groups_and_what_reads_them() -> None:
    records = fold(tiny("qwen2"), "smoothquant")
    assert list(records) == EVERY
    assert [name.removeprefix(f"{LAYER}.") for name in records[EVERY[0]].targets] == [
        "self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight",
    ]  # fmt: skip
    assert records[EVERY[1]].targets == (f"{LAYER}.self_attn.o_proj.weight",)
    assert records[EVERY[3]].targets == (f"{LAYER}.mlp.down_proj.weight",)
    mixed = fold(tiny("mixtral"), "smoothquant")
    assert set(mixed[f"{LAYER}.post_attention_layernorm"].targets) == {
        f"{LAYER}.mlp.gate.weight", f"{LAYER}.mlp.experts.gate_up_proj",
    }  # fmt: skip


def smooth(model: nn.Module, name: str, targets: list[str], alpha: float) -> Tensor:
    x = taken(model, name).abs().amax(0)
    w = torch.cat([model.get_submodule(t).weight.detach() for t in targets]).abs().amax(0)
    return x**alpha / w ** (1 - alpha)


@pytest.mark.parametrize("layer", [LAYER, "model.layers.1"])
@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 1.0])
def test_smoothquant_behind_a_norm(layer: str, alpha: float) -> None:
    model = tiny("qwen2")
    readers = [f"{layer}.self_attn.{name}_proj" for name in "qkv"]
    scales = smooth(model, readers[0], readers, alpha)
    before = state(model)
    records = fold(model, "smoothquant", alpha=alpha)
    after = state(model)
    gain = f"{layer}.input_layernorm.weight"
    torch.testing.assert_close(after[gain], before[gain] / scales)
    for reader in readers[:2]:
        weight = f"{reader}.weight"
        torch.testing.assert_close(after[weight], before[weight] * scales)
    assert torch.equal(after[f"{readers[0]}.bias"], before[f"{readers[0]}.bias"])
    record = records[f"{layer}.input_layernorm"]
    assert record.exponent == alpha
    assert record.largest == pytest.approx(float(scales.max()))


def energies(model: nn.Module, readers: list[str]) -> tuple[Tensor, Tensor]:
    """Mean squares of what readers take, each token at the same size, and of their columns."""
    x = taken(model, readers[0]).double()
    x = x / x.square().mean(1, keepdim=True).sqrt()
    w = torch.cat([model.get_submodule(reader).weight.detach() for reader in readers]).double()
    return x.square().mean(0), w.square().sum(0)


def test_balance_is_the_least_product_of_energies() -> None:
    model = tiny("qwen2")
    readers = [f"{LAYER}.mlp.{name}_proj" for name in ("gate", "up")]
    x, w = energies(model, readers)
    scales = (x / w) ** 0.25
    scales = scales / (scales.max() * scales.min()).sqrt()
    before = state(model)
    record = fold(model, "balance")[f"{LAYER}.post_attention_layernorm"]
    gain = f"{LAYER}.post_attention_layernorm.weight"
    torch.testing.assert_close(state(model)[gain].double(), before[gain].double() / scales)
    assert record.largest == pytest.approx(float(scales.max()))

    def product(s: Tensor) -> float:
        return float((x / s**2).sum() * (w * s**2).sum())

    generator = torch.Generator().manual_seed(2)
    for _ in range(50):
        other = torch.exp(0.2 * torch.randn(len(scales), generator=generator, dtype=torch.float64))
        assert product(scales) < product(scales * other)


def test_balance_counts_all_that_share_a_head_of_values() -> None:
    model = tiny("qwen2")
    x, w = energies(model, [f"{LAYER}.self_attn.o_proj"])
    both = [of.reshape(2, 2, 16).sum(1).flatten() for of in (x, w)]
    scales = (both[0] / 2 / both[1]) ** 0.25
    scales = scales / (scales.max() * scales.min()).sqrt()
    before = state(model)
    fold(model, "balance")
    bias = f"{LAYER}.self_attn.v_proj.bias"
    torch.testing.assert_close(state(model)[bias].double(), before[bias].double() / scales)


def test_smoothquant_shares_the_scales_of_a_head_of_values() -> None:
    """Query heads 0 and 1 read the first head of values, 2 and 3 the other."""
    model = tiny("qwen2")
    o_proj = model.get_submodule(f"{LAYER}.self_attn.o_proj").weight.detach()
    x = taken(model, f"{LAYER}.self_attn.o_proj").abs().amax(0)
    w = o_proj.abs().amax(0)
    expected = []
    for head in (0, 1):
        pairs = [slice(16 * query, 16 * query + 16) for query in (2 * head, 2 * head + 1)]
        largest = [torch.maximum(of[pairs[0]], of[pairs[1]]) for of in (x, w)]
        expected.append((largest[0] / largest[1]).sqrt())
    scales = torch.cat(expected)
    before = state(model)
    fold(model, "smoothquant")
    after = state(model)
    bias = f"{LAYER}.self_attn.v_proj.bias"
    torch.testing.assert_close(after[bias], before[bias] / scales)
    columns = torch.cat([expected[0], expected[0], expected[1], expected[1]])
    weight = f"{LAYER}.self_attn.o_proj.weight"
    torch.testing.assert_close(after[weight], before[weight] * columns)


def test_smoothquant_from_up_to_down() -> None:
    model = tiny("llama", mlp_bias=True)
    scales = smooth(model, f"{LAYER}.mlp.down_proj", [f"{LAYER}.mlp.down_proj"], 0.5)
    before = state(model)
    fold(model, "smoothquant")
    after = state(model)
    for name, factor in (("up_proj.bias", 1 / scales), ("down_proj.weight", scales)):
        full = f"{LAYER}.mlp.{name}"
        torch.testing.assert_close(after[full], before[full] * factor)
    same = f"{LAYER}.mlp.down_proj.bias"
    assert torch.equal(after[same], before[same])


def quantised(x: Tensor) -> Tensor:
    fmt = golden.mxint(4, block_size=16)
    return torch.from_numpy(np.asarray(golden.quantize(x.numpy(), fmt, axis=-1).dequantize()))


@pytest.mark.parametrize(
    ("rotation", "semantics"), [(None, "fused"), (16, "fused"), (16, "dequant")]
)
def test_awq_takes_the_exponent_that_brute_force_finds(
    rotation: int | None, semantics: str
) -> None:
    model = tiny("qwen2")
    hadamard = torch.eye(64, dtype=torch.float64)
    if rotation:
        block = torch.ones(1, 1, dtype=torch.float64)
        while len(block) < rotation:
            block = torch.cat([torch.cat([block, block], 1), torch.cat([block, -block], 1)])
        hadamard = torch.block_diag(*[block / rotation**0.5] * (64 // rotation))
    readers = [f"{LAYER}.mlp.gate_proj", f"{LAYER}.mlp.up_proj"]
    x = taken(model, readers[0])
    weights = [model.get_submodule(name).weight.detach() for name in readers]
    mean, errors = x.abs().mean(0), []
    back = hadamard.T if semantics == "dequant" else torch.eye(64, dtype=torch.float64)
    of_weight = hadamard @ back
    for step in range(11):
        s = mean ** (step / 10)
        s = s / (s.max() * s.min()).sqrt()
        errors.append(
            sum(
                float(
                    (x @ w.T - quantised(x / s @ hadamard) @ back @ quantised(w * s @ of_weight).T)
                    .square()
                    .sum()
                )
                for w in weights
            )
        )
    best = int(np.argmin(errors))
    keys: dict[str, Any] = {}
    if rotation:
        table = {"size": rotation, "online": ["gate_proj", "up_proj"], "semantics": semantics}
        keys = {"rotation": table}
    given = read_quant_config({r".*_proj": W4A4} | keys)
    record = fold(model, "awq", given, grid=10)[f"{LAYER}.post_attention_layernorm"]
    assert best not in (0, 10)  # a search that stays at an end would pass by chance
    assert record.exponent == best / 10
    assert record.error_before == pytest.approx(errors[0])
    assert record.error_after == pytest.approx(errors[best])


def test_awq_judges_by_some_tokens_of_all_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[Tensor] = []
    init = OutputError.__init__

    def noting(self: OutputError, channels: Channels, chosen: Any) -> None:
        rows.append(torch.cat(channels.rows))
        init(self, channels, chosen)

    monkeypatch.setattr(OutputError, "__init__", noting)
    monkeypatch.setattr(scaling, "ERROR_TOKENS", 7)
    model = tiny("llama")
    x = taken(model, f"{LAYER}.self_attn.o_proj")
    fold(model, "awq")
    places = [int((x - row).norm(dim=1).argmin()) for row in rows[1]]
    assert len(places) == 7
    assert places == sorted(set(places))
    assert places[0] < 17 <= places[-1]


def test_awq_counts_only_what_is_quantised_and_tokens_of_each_expert() -> None:
    model = tiny("mixtral")
    experts = model.get_submodule(f"{LAYER}.mlp.experts")
    x = taken(model, f"{LAYER}.mlp.experts")
    router = model.get_submodule(f"{LAYER}.mlp.gate").weight.detach()
    routed = (x @ router.T).topk(2).indices
    expected = 0.0
    for number, weight in enumerate(experts.gate_up_proj.detach()):
        rows = x[(routed == number).any(-1)]
        expected += float((rows @ weight.T - quantised(rows) @ quantised(weight).T).square().sum())
    record = fold(model, "awq")[f"{LAYER}.post_attention_layernorm"]
    assert record.error_before == pytest.approx(expected)
    assert record.error_after is not None
    assert record.error_after <= record.error_before


def test_a_layer_that_is_not_quantised_is_left_alone() -> None:
    model = tiny("llama")
    before = state(model)
    records = fold(model, "awq", recipe(r"model\.layers\.1\.mlp\.down_proj"))
    assert list(records) == ["model.layers.1.mlp.up_proj"]
    changed = {name for name, now in state(model).items() if not torch.equal(before[name], now)}
    assert changed == {f"model.layers.1.mlp.{name}_proj.weight" for name in ("up", "down")}


def test_groups_behind_norms_can_be_left_out() -> None:
    model = tiny("llama")
    table = ScalingTable(method="smoothquant")
    records = fold_scaling(model, table, recipe(), tokens(), norms=False)
    assert list(records) == [name for name in EVERY if "norm" not in name]


@pytest.mark.parametrize("method", ["balance", "smoothquant", "awq"])
def test_channels_that_are_always_zero_get_one(method: str) -> None:
    model = tiny("llama")
    gain = model.get_submodule(f"{LAYER}.input_layernorm").weight
    gain.data[[3, 40]] = 0.0
    weight = model.get_submodule(f"{LAYER}.self_attn.q_proj").weight
    column = weight.detach()[:, 3].clone()
    before = logits(model)
    fold(model, method)
    assert error(logits(model), before) < 1e-10
    assert float(gain.detach()[3]) == 0.0
    assert torch.equal(weight.detach()[:, 3], column)
    assert all(bool(parameter.isfinite().all()) for parameter in model.parameters())


def test_weights_that_are_zero_get_one() -> None:
    model = tiny("llama")
    model.get_submodule(f"{LAYER}.mlp.down_proj").weight.data[:, 5] = 0.0
    row = model.get_submodule(f"{LAYER}.mlp.up_proj").weight
    before = row.detach()[5].clone()
    fold(model, "smoothquant", recipe(r".*(up|down)_proj"))
    assert torch.equal(row.detach()[5] != 0, before != 0)
    assert all(bool(parameter.isfinite().all()) for parameter in model.parameters())


def test_scales_of_activations() -> None:
    mean = torch.tensor([4.0, 0.0, 1.0, 16.0], dtype=torch.float64)
    assert activation_scales(mean, 0.0).tolist() == [1.0, 1.0, 1.0, 1.0]
    assert activation_scales(mean, 0.5).tolist() == [1.0, 1.0, 0.5, 2.0]
    assert activation_scales(mean, 1.0).tolist() == [1.0, 1.0, 0.25, 4.0]
    assert activation_scales(mean * 0, 0.5).tolist() == [1.0] * 4
    wide = torch.tensor([1e-30, 1.0, 1e30], dtype=torch.float64)
    torch.testing.assert_close(activation_scales(wide, 1.0), wide.clamp(1e-4, 1e4))


@pytest.mark.parametrize("method", ["balance", "smoothquant", "awq"])
def test_an_activation_that_is_not_finite_is_one_error(method: str) -> None:
    model = tiny("llama")
    model.get_submodule("model.embed_tokens").weight.data[int(tokens()[2, 5])] = torch.inf
    before = state(model)
    with pytest.raises(
        FormatError,
        match=r"^model\.layers\.0\.self_attn\.q_proj: input channel 0 is NaN or infinite on the "
        "calibration tokens, so no scale follows from it; check the model and its dtype$",
    ):
        fold(model, method)
    assert all(torch.equal(before[name], now) for name, now in state(model).items())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (recipe("lm_head"), r"\[scaling\]: the recipe quantises no layer whose inputs can be scal"),
        (recipe(r".*nothing"), r"\[.*nothing\]: matches no module"),
    ],
)
def test_recipes_without_such_layers(given: Recipe, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        fold(tiny("llama"), "awq", given)


@pytest.mark.parametrize(
    "given", [torch.zeros(0, 5).long(), torch.zeros(5).long(), torch.zeros(2, 5)]
)
def test_tokens_of_another_shape(given: Tensor) -> None:
    with pytest.raises(FormatError, match="must be whole numbers of shape"):
        fold_scaling(tiny("llama"), ScalingTable(method="awq"), recipe(), given)


def test_progress_hooks_and_dropout() -> None:
    model, seen = tiny("llama", attention_dropout=0.5).train(), []
    same = tiny("llama")
    table = ScalingTable(method="smoothquant")
    fold_scaling(model, table, recipe(), tokens(), progress=lambda *step: seen.append(step))
    assert seen == [("scaling", 1, 2), ("scaling", 2, 2)]
    assert all(module.training for module in model.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    fold_scaling(same, table, recipe(), tokens())
    assert all(torch.equal(value, state(same)[name]) for name, value in state(model).items())
