"""A quantised layer takes the weights that were calibrated for it."""

from __future__ import annotations

import pytest
import torch
from tests.passes.families import build
from tests.passes.recipes import GPTQ, LINEAR_AND_EXPERTS, W4, token_ids

from plena_cosim.passes.calibration import calibrate
from plena_cosim.passes.calibration.quantized_layer import quantized_layer
from plena_cosim.passes.plan.plan_model import plans_of
from plena_cosim.passes.recipe.load import read_quant_config


@pytest.mark.parametrize("family", ["llama", "qwen3_moe", "gpt_oss"])
def test_layers_from_checkpoints_have_all_their_weights(family: str) -> None:
    """Experts too: what layers behind them are calibrated on goes through these."""
    model = build(family)
    args = read_quant_config(
        {"gptq": GPTQ, LINEAR_AND_EXPERTS: {"name": "mxint", "gptq": True, **W4}}
    )
    plans = plans_of(model, args)
    tokens = token_ids(4, 24, seed=7)
    found = calibrate(model, plans, args, tokens)
    layer, name = model.model.layers[1], "model.layers.1"
    mine = {key: weight for key, weight in found.weights.items() if key.startswith(name)}
    quantized = quantized_layer(layer, name, plans, args, mine)
    for key, weight in mine.items():
        stored = quantized.get_submodule(key.removeprefix(f"{name}.")).stored
        assert torch.equal(stored.values, weight.values), key
        assert torch.equal(stored.scales, weight.scales), key
