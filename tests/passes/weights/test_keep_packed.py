"""A model that keeps codes computes the same bits, in less memory."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from plena_cosim.golden import FormatError
from plena_cosim.passes import (
    dequantized_state_dict,
    keep_packed,
    quantize_module_transform_pass,
)

from ..families import build
from ..recipes import FP12, W8A8, token_ids

IDS = token_ids(1, 6, seed=1)
NORM = {"name": "minifloat", **FP12}
TABLE = {"name": "mxint", "weight_block_size": 16, "weight_width": 4}
RECIPES: dict[str, dict[str, Any]] = {
    "llama": {r".*_proj": W8A8, r".*norm": NORM, r".*embed_tokens": TABLE},
    "qwen3_moe": {r".*\.experts": W8A8},
}


def held(model: nn.Module) -> int:
    """Return the bytes of parameters and buffers."""
    tensors = {id(t): t for t in [*model.parameters(), *model.buffers()]}
    return sum(t.numel() * t.element_size() for t in tensors.values())


def bits(x: torch.Tensor) -> torch.Tensor:
    return x.contiguous().view(torch.uint8)


@pytest.mark.parametrize("numerics", ["fake", "exact"])
@pytest.mark.parametrize("family", RECIPES)
@torch.no_grad()
def test_logits_and_states_are_the_same_in_less_memory(family: str, numerics: str) -> None:
    model = build(family, num_hidden_layers=1)
    quantize_module_transform_pass(model, copy.deepcopy(RECIPES[family]), numerics=numerics)
    packed = copy.deepcopy(model)
    count = keep_packed(packed)
    assert count == sum(name.endswith(".codes") for name in model.state_dict()) > 0
    assert held(packed) < 0.8 * held(model)
    assert torch.equal(bits(packed(IDS).logits), bits(model(IDS).logits))
    for make in (nn.Module.state_dict, dequantized_state_dict):
        want, found = make(model), make(packed)
        assert list(found) == list(want)
        assert all(torch.equal(bits(found[name]), bits(want[name])) for name in want)
    assert keep_packed(packed) == count  # a second time changes nothing


def linear(**table: Any) -> nn.Sequential:
    net = nn.Sequential(nn.Linear(32, 8, dtype=table.pop("dtype", torch.float32)))
    quantize_module_transform_pass(net, {"by": "name", "0": {**W8A8, **table}})
    return net


@torch.no_grad()
def test_a_state_is_loaded_into_codes() -> None:
    net, other = linear(), linear()
    keep_packed(net)
    net.load_state_dict(other.state_dict())
    x = torch.randn(2, 32)
    assert torch.equal(bits(net(x)), bits(other(x)))
    assert net[0].stored.keeps_codes
    assert "values" not in dict(net[0].stored.named_parameters())


@torch.no_grad()
def test_a_conversion_is_that_of_the_values() -> None:
    net = linear()
    packed = copy.deepcopy(net)
    keep_packed(packed)
    net.to(torch.bfloat16), packed.to(torch.bfloat16)
    x = torch.randn(2, 32, dtype=torch.bfloat16)
    assert packed[0].stored.values.dtype == torch.bfloat16
    assert torch.equal(bits(packed(x)), bits(net(x)))


def test_values_that_lost_bits_are_refused_by_name() -> None:
    net = linear()
    net[0].stored.values.mul_(1.001)
    with pytest.raises(FormatError, match=r"^0\.stored: its torch.float32 values are not those of"):
        keep_packed(net)


def test_weights_without_codes_stay() -> None:
    net = nn.Sequential(nn.Linear(32, 8))
    assert keep_packed(net) == 0
