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
    FP8E4M3PerTensorSpec,
    Int4PerChannelSpec,
    Int8PerTensorSpec,
    QuantizationConfig,
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
    static = tensor == "input_tensors" and len(stages) == 1 and not stages[0].is_dynamic
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
