"""Weights that accelerate keeps elsewhere: the same bits as in place."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import cpu_offload, disk_offload
from torch import nn

from plena_cosim.passes import quantize_module_transform_pass

from ..families import build
from ..recipes import FP12, W8A8, token_ids

IDS = token_ids(1, 6, seed=1)
CPU = torch.device("cpu")
NORM = {"name": "minifloat", **FP12}
RECIPES = {
    "llama": {r".*_proj": W8A8, r".*norm": NORM, r".*embed_tokens": W8A8},
    "qwen3_moe": {r".*\.experts": W8A8},
}


@pytest.mark.parametrize("numerics", ["fake", "exact"])
@pytest.mark.parametrize("family", RECIPES)
@torch.no_grad()
def test_offloaded_weights_multiply_as_those_in_place(
    family: str, numerics: str, tmp_path: Path
) -> None:
    recipe: dict[str, Any] = copy.deepcopy(RECIPES[family])
    if "embed_tokens" in str(recipe):
        recipe[r".*embed_tokens"] = {"name": "mxint", "weight_block_size": 16, "weight_width": 8}
    model = build(family, num_hidden_layers=1)
    quantize_module_transform_pass(model, recipe, numerics=numerics)
    expected, state = model(IDS).logits, model.state_dict()
    offloads = {
        "cpu": lambda m: cpu_offload(m, execution_device=CPU),
        "cpu, buffers too": lambda m: cpu_offload(m, execution_device=CPU, offload_buffers=True),
        "disk": lambda m: disk_offload(m, str(tmp_path), execution_device=CPU),
    }
    for how, offload in offloads.items():
        away: nn.Module = copy.deepcopy(model)
        offload(away)
        assert torch.equal(away(IDS).logits, expected), how
        found = away.state_dict()
        packed = [name for name in state if name.endswith((".codes", ".scales"))]
        assert packed
        assert all(torch.equal(found[name], state[name]) for name in packed), how


def test_a_state_loads_in_the_dtype_that_a_module_was_converted_to() -> None:
    net = nn.Sequential(nn.Linear(32, 8))
    quantize_module_transform_pass(net, {"by": "name", "0": W8A8})
    state = net.state_dict()
    net.to(torch.bfloat16)
    x = torch.randn(2, 32, dtype=torch.bfloat16)
    expected = net(x)
    net.load_state_dict(state)
    assert {parameter.dtype for parameter in net.parameters()} == {torch.bfloat16}
    assert torch.equal(net(x), expected)
