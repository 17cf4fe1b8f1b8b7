"""The numbers of a replaced module, by hand."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from plena_cosim import golden
from plena_cosim.passes import quantize_module_transform_pass
from plena_cosim.passes.kinds.linear import KIND as LINEAR
from plena_cosim.passes.recipe.formats import AttentionFormats, CastFormat, ModuleFormats
from plena_cosim.passes.replace.module_info import module_info
from plena_cosim.passes.weights.packed_weight import PackedWeight

from ..families import build
from ..recipes import FP12, IN8, W8A8, full_recipe

MXINT4 = golden.mxint(4, block_size=4)
E4M3 = CastFormat(fmt=golden.Minifloat(exp_bits=4, man_bits=3, specials="none"))


def info(formats: ModuleFormats, *weights: torch.Tensor, axis: int = -1):  # type: ignore[no-untyped-def]
    pairs = [(weight, PackedWeight(weight, formats.weight, axis=axis)) for weight in weights]
    return module_info(LINEAR, formats, pairs, selector="key", numerics="fake")


def test_blocks() -> None:
    # Over 1.9: steps of 0.25 up to 1.75. Over 4: steps of 1. The last block has two elements.
    weight = torch.tensor(
        [[1.9, 1.7, -1.8, 0.0, 4.0, 0.5, 1.5, 7.4, 1.0, 0.1]], dtype=torch.float64
    )
    errors = [0.15, 0.05, 0.05, 0, 0, 0.5, 0.5, 0.4, 0, 0.1]
    found = info(ModuleFormats(weight=MXINT4), weight)
    assert found.weight_mse == pytest.approx(sum(e * e for e in errors) / 10)
    assert found.clipped_fraction == 3 / 10  # 1.9, -1.8 and 7.4
    assert found.bits_per_weight == 4 + 8 * 3 / 10
    assert (found.parameters, found.block_size, found.weight) == (10, 4, "mxint4")


def test_blocks_along_another_axis() -> None:
    weight = torch.tensor([[1.9, 1.0], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0], [3.75, 1.0]])
    found = info(ModuleFormats(weight=MXINT4), weight, axis=-2)
    assert found.clipped_fraction == 2 / 10  # 1.9 beyond 1.75, 3.75 beyond 3.5
    assert found.weight_mse == pytest.approx((0.15**2 + 0.25**2) / 10)
    assert found.bits_per_weight == 4 + 8 * 4 / 10


def test_a_cast() -> None:
    weight = torch.tensor([1.0, 1.0625, 500.0, -481.0])
    found = info(ModuleFormats(weight=E4M3), weight)  # steps of 1/8 at 1; up to 480
    assert found.weight_mse == pytest.approx((0.0625**2 + 20**2 + 1) / 4)
    assert found.clipped_fraction == 2 / 4
    assert (found.bits_per_weight, found.block_size, found.weight) == (8, 0, "e4m3")


def test_no_format() -> None:
    found = info(ModuleFormats(), torch.randn(3, 4), torch.randn(2).bfloat16())
    assert found.bits_per_weight == (12 * 32 + 2 * 16) / 14
    assert (found.weight_mse, found.clipped_fraction, found.weight) == (0, 0, None)


def test_no_weight() -> None:
    found = info(ModuleFormats(data_in=E4M3))
    assert (found.parameters, found.bits_per_weight, found.data_in) == (0, 0, "e4m3")


def test_several_weights_count_together() -> None:
    one, two = torch.tensor([[1.9, 0, 0, 0]]), torch.tensor([[0.3, 1.0]])
    found = info(ModuleFormats(weight=MXINT4), one, two)
    assert found.parameters == 6
    assert found.bits_per_weight == (4 * 6 + 8 * 2) / 6
    assert found.weight_mse == pytest.approx((0.15**2 + 0.05**2) / 6)
    assert found.clipped_fraction == 1 / 6


def test_formats_inside_attention() -> None:
    formats = AttentionFormats(qk_matmul=MXINT4, softmax=E4M3)
    found = info(ModuleFormats(attention=formats))
    assert found.inside == {"qk_matmul": "mxint4", "softmax": "e4m3"}


@pytest.mark.parametrize("numerics", ["fake", "exact"])
def test_a_whole_model(numerics: str) -> None:
    model, plain = build("glm4_moe"), build("glm4_moe")
    _, found = quantize_module_transform_pass(model, full_recipe("glm4_moe"), numerics=numerics)
    experts = found["model.layers.1.mlp.experts"]
    old = plain.model.layers[1].mlp.experts
    weights = [old.get_parameter(name).detach().numpy() for name in ("gate_up_proj", "down_proj")]
    assert experts.parameters == sum(weight.size for weight in weights)
    assert experts.bits_per_weight == 8 + 8 / 16
    eight = golden.mxint(8, block_size=16)
    error = sum(((golden.quantize(w, eight).dequantize() - w) ** 2).sum() for w in weights)
    assert experts.weight_mse == pytest.approx(error / experts.parameters)
    assert experts.kind == "experts"
    assert found["model.layers.0.self_attn"].inside == {
        "qk_matmul": "mxint8",
        "av_matmul": "mxint8",
        "rope": "e5m6",
        "softmax": "e5m6",
        "kv_cache": "mxint8",
    }
    assert found["model.layers.0.mlp"].kind == "MLP"
    assert found["model.embed_tokens"].parameters == 64 * 64
    assert {entry.numerics for entry in found.values()} == {numerics}
    json.dumps({name: entry.as_dict() for name, entry in found.items()})


def test_the_order_is_that_of_the_model() -> None:
    model = build("llama", num_hidden_layers=1)
    order = [name for name, _ in model.named_modules()]
    recipe = {"lm_head": W8A8, r".*self_attn": {"name": "mxint", "kv_cache": IN8}}
    recipe |= {r".*norm": {"name": "minifloat", **FP12}}
    _, found = quantize_module_transform_pass(model, recipe)
    assert list(found) == [name for name in order if name in found]
    assert isinstance(model.lm_head, nn.Module)
