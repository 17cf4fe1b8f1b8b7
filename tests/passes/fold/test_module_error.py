"""AutoSmoothQuant, and scales for formats by their axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from plena_cosim.golden import FormatError, affine
from plena_cosim.passes.fold.find_structure import find_structure
from plena_cosim.passes.fold.groups import groups_of
from plena_cosim.passes.fold.module_error import module_of
from plena_cosim.passes.recipe.load import read_quant_config
from plena_cosim.passes.recipe.recipe import Recipe

from .test_scaling import LAYER, W4A4, fold, quantised, recipe, smooth, taken
from .tiny import error, logits, state, tiny

SPEC = {
    "name": "spec",
    "weight": {"element": "int4", "group_size": 16, "zero_point": "int32"},
    "data_in": {"element": "fp4_e2m1", "group_size": 32},
}


def by_spec(keys: dict[str, Any], x: Tensor) -> Tensor:
    """Quantise along the last axis by golden."""
    fmt: Any = affine.ScaledFp(element="e2m1")
    if keys["element"] == "int4":
        fmt = affine.AffineInt(bits=4, zero_point=keys["zero_point"])
    granularity = affine.Granularity(kind="group", ch_axis=-1, group_size=keys["group_size"])
    groups = affine.to_groups(x.float().numpy(), granularity)
    made = affine.dequantize_affine(affine.quantize_affine(groups, fmt), fmt)
    return torch.from_numpy(np.array(affine.from_groups(made, x.shape, granularity))).to(x)


def scaled(figure: Tensor, exponent: float) -> Tensor:
    scales = figure**exponent
    return scales / (scales.max() * scales.min()).sqrt()


@pytest.mark.parametrize("loss", ["mse", "mae"])
def test_the_exponent_is_the_one_that_brute_force_finds(loss: str) -> None:
    model = tiny("qwen2")
    mlp = model.get_submodule(f"{LAYER}.mlp")
    x = taken(model, f"{LAYER}.mlp.gate_proj")
    gate, up, down = (
        mlp.get_submodule(f"{name}_proj").weight.detach() for name in ("gate", "up", "down")
    )
    exact = (functional.silu(x @ gate.T) * (x @ up.T)) @ down.T
    errors = []
    for step in range(10):
        s = scaled(x.abs().amax(0), step / 10)
        small, first, second = quantised(x / s), quantised(gate * s), quantised(up * s)
        found = (functional.silu(small @ first.T) * (small @ second.T)) @ down.T
        off = (found - exact).abs()
        errors.append(float((off.square() if loss == "mse" else off).mean()))
    record = fold(model, "autosmoothquant", loss=loss)[f"{LAYER}.post_attention_layernorm"]
    best = int(np.argmin(errors))
    assert best  # a search that stays at its first step would pass by chance
    assert record.exponent == best / 10
    assert record.error_before == pytest.approx(errors[0])
    assert record.error_after == pytest.approx(errors[best])


@pytest.mark.parametrize("family", ["llama", "mixtral", "phi3"])
def test_the_model_computes_what_it_did(family: str) -> None:
    model = tiny(family)
    before, weights = logits(model), state(model)
    records = fold(model, "autosmoothquant")
    assert error(logits(model), before) < 1e-10
    assert any(not torch.equal(weights[name], now) for name, now in state(model).items())
    assert all(each.error_after <= each.error_before for each in records.values())  # type: ignore[operator]
    assert not any(m._forward_pre_hooks for m in model.modules())


def test_what_is_inspected_is_around_all_readers() -> None:
    layer = find_structure(tiny("mixtral")).layers[0]
    wanted = [target.module for each in (layer.attention, layer.mlp) for target in each.readers]
    wanted.append(f"{LAYER}.self_attn.o_proj")
    found = groups_of(layer, wanted, norms=True, values=True)
    assert [module_of(group) for group in found] == [
        f"{LAYER}.self_attn", f"{LAYER}.self_attn.o_proj", f"{LAYER}.mlp",
    ]  # fmt: skip


def test_smoothquant_clamps_its_scales() -> None:
    model = tiny("llama")
    gain = model.get_submodule(f"{LAYER}.input_layernorm").weight
    readers = [f"{LAYER}.self_attn.{name}_proj" for name in "qkv"]
    scales = smooth(model, readers[0], readers, 0.5)
    least = float(scales.median())
    before = gain.detach().clone()
    fold(model, "smoothquant", scale_clamp_min=min(least, 1.0))
    torch.testing.assert_close(gain.detach(), before / scales.clamp(min=min(least, 1.0)))


def test_awq_with_formats_by_axes() -> None:
    model = tiny("qwen2")
    readers = [f"{LAYER}.mlp.gate_proj", f"{LAYER}.mlp.up_proj"]
    x = taken(model, readers[0])
    weights = [model.get_submodule(name).weight.detach() for name in readers]
    errors = []
    for step in range(11):
        s = scaled(x.abs().mean(0), step / 10)
        pairs = [
            (x @ w.T, by_spec(SPEC["data_in"], x / s) @ by_spec(SPEC["weight"], w * s).T)  # type: ignore[arg-type]
            for w in weights
        ]
        errors.append(sum(float((exact - found).square().sum()) for exact, found in pairs))
    given = read_quant_config({r".*_proj": SPEC})
    record = fold(model, "awq", given, grid=10)[f"{LAYER}.post_attention_layernorm"]
    best = int(np.argmin(errors))
    assert record.exponent == best / 10
    assert record.error_after == pytest.approx(errors[best], rel=1e-5)


def test_smoothquant_with_formats_by_axes() -> None:
    """Its scales look at no format: they are those of any recipe that quantises the same layers."""
    spec, blocks = tiny("llama"), tiny("llama")
    by_axes: Recipe = read_quant_config({r".*_proj": SPEC})
    records = fold(spec, "smoothquant", by_axes)
    assert records == fold(blocks, "smoothquant", recipe(r".*_proj"))
    assert all(torch.equal(now, state(blocks)[name]) for name, now in state(spec).items())


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"method": "awq", "loss": "mae"}, 'loss belongs to method = "autosmoothquant"'),
        ({"method": "balance", "scale_clamp_min": 0.1}, 'belongs to method = "smoothquant"'),
        ({"method": "autosmoothquant", "grid": 5}, 'grid belongs to method = "awq"'),
        ({"method": "autosmoothquant", "loss": "rmse"}, "loss must be 'mse' or 'mae', got 'rmse'"),
    ],
)
def test_keys_of_other_methods(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read_quant_config({"scaling": keys, r".*_proj": W4A4})
