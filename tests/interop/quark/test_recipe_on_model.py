"""A model quantised by an imported recipe has the numbers of the specifications themselves."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from plena_cosim.interop.quark import fake_quantize, scheme, to_recipe_tables
from plena_cosim.interop.quark.quantization.config.config import (
    Config,
    FP4PerGroupSpec,
    FP8E4M3PerTensorSpec,
    Int4PerChannelSpec,
    Int8PerChannelSpec,
    Int8PerGroupSpec,
    Int8PerTensorSpec,
    OCP_MXFP4Spec,
    QuantizationConfig,
    ScaleQuantSpec,
    Uint4PerGroupSpec,
)
from plena_cosim.interop.quark.schemes import SCHEMES
from plena_cosim.passes import quantize_module_transform_pass

BATCH = torch.randn(2, 3, 256, generator=torch.Generator().manual_seed(1))
SAMPLES = [2 * BATCH, BATCH.neg()]
INT8 = QuantizationConfig(weight=Int8PerTensorSpec(is_dynamic=False))
FP8 = FP8E4M3PerTensorSpec(is_dynamic=False)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(4, 256)
        self.q_proj, self.k_proj = nn.Linear(256, 8), nn.Linear(256, 8)
        self.lm_head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.lm_head(self.q_proj(x) + self.k_proj(x))
        return made


def quantised(config: Any) -> Any:
    model, _ = quantize_module_transform_pass(
        Attention(), to_recipe_tables(config), samples=SAMPLES
    )
    return model


def values(x: Tensor, config: QuantizationConfig, tensor: str) -> Tensor:
    """What a specification makes of a tensor; static ranges are those of the samples."""
    stages = config.stages(tensor)
    if not stages:
        return x
    static = tensor == "input_tensors" and not stages[-1].is_dynamic
    if not static or stages[0].qscheme is None:
        return fake_quantize(x, stages, dynamic=True)
    low, high = torch.stack(SAMPLES).aminmax()
    return fake_quantize(x, stages, ranges=[(low, high)])


@pytest.mark.parametrize("name", SCHEMES)
def test_each_scheme(name: str) -> None:
    config, plain = scheme(name), Attention()
    made = quantised(config)
    weight = values(plain.q_proj.weight.detach(), config, "weight")
    assert torch.equal(made.q_proj.weight, weight)
    operand = values(BATCH, config, "input_tensors")
    assert torch.equal(made.q_proj(BATCH), linear(operand, weight, plain.q_proj.bias))
    assert torch.equal(made.embed.weight, plain.embed.weight)


def test_levels_and_the_cache() -> None:
    names = {
        "q_proj": QuantizationConfig(weight=Int4PerChannelSpec(ch_axis=0)),
        "embed": QuantizationConfig(weight=Int8PerTensorSpec()),
    }
    made = quantised(
        Config(
            INT8,
            layer_quant_config=names,
            kv_cache_quant_config={"*k_proj": QuantizationConfig(output_tensors=FP8)},
            exclude=["lm_head", "*not_there"],
        )
    )
    plain = Attention()
    assert torch.equal(
        made.q_proj.weight, values(plain.q_proj.weight.detach(), names["q_proj"], "weight")
    )
    assert torch.equal(
        made.embed.weight, values(plain.embed.weight.detach(), names["embed"], "weight")
    )
    assert torch.equal(made.lm_head.weight, plain.lm_head.weight)
    key = values(plain.k_proj.weight.detach(), INT8, "weight")
    low, high = torch.cat([plain.k_proj(each) for each in SAMPLES]).detach().aminmax()
    output = fake_quantize(linear(BATCH, key, plain.k_proj.bias), FP8, ranges=[(low, high)])
    assert torch.equal(made.k_proj(BATCH), output)


STATIC = [
    Int8PerGroupSpec(symmetric=False, group_size=64),
    Uint4PerGroupSpec(group_size=32),
    FP4PerGroupSpec(scale_format="e4m3", group_size=16, is_dynamic=False),
    OCP_MXFP4Spec(is_dynamic=False),
]


@pytest.mark.parametrize("spec", STATIC)
def test_static_groups_have_one_range_for_all_rows(spec: Any) -> None:
    config = QuantizationConfig(weight=spec, input_tensors=spec)
    made, plain = quantised(config), Attention()
    size = spec.to_quantization_spec().group_size
    parts = torch.cat(SAMPLES).view(-1, 256).split(size, -1)
    low = torch.stack([part.min() for part in parts]).expand(2, 3, -1)
    high = torch.stack([part.max() for part in parts]).expand(2, 3, -1)
    operand = fake_quantize(3 * BATCH, spec, ranges=[(low, high)])
    weight = fake_quantize(plain.q_proj.weight.detach(), spec, dynamic=True)
    assert torch.equal(made.q_proj(3 * BATCH), linear(operand, weight, plain.q_proj.bias))


def test_a_static_scale_of_scales_is_that_of_the_calibration_data() -> None:
    spec = ScaleQuantSpec(FP4PerGroupSpec(group_size=16, is_dynamic=True), FP8)
    made, plain = quantised(QuantizationConfig(weight=spec, input_tensors=spec)), Attention()
    ranges = [torch.cat(SAMPLES).aminmax()]
    weight = fake_quantize(plain.q_proj.weight.detach(), spec, dynamic=True)
    for x in (BATCH / 3, 3 * BATCH):
        operand = fake_quantize(x, spec, ranges=ranges)
        assert torch.equal(made.q_proj(x), linear(operand, weight, plain.q_proj.bias))
        assert not torch.equal(operand, fake_quantize(x, spec, dynamic=True))


def test_the_global_level_takes_transposed_convolutions() -> None:
    torch.manual_seed(0)
    plain = nn.ConvTranspose2d(4, 6, 3)
    spec = Int8PerChannelSpec(symmetric=True, ch_axis=1)
    tables = to_recipe_tables(QuantizationConfig(weight=spec))
    made, _ = quantize_module_transform_pass(nn.Sequential(plain), tables)
    weight = fake_quantize(plain.weight.detach(), spec, dynamic=True)
    assert torch.equal(made[0].weight, weight)
