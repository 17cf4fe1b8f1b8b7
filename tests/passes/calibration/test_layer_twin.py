"""A layer's twin takes the weights that were calibrated for it."""

from __future__ import annotations

import pytest
import torch
from tests.passes.families import build

from plena_cosim.passes.calibration import calibrate
from plena_cosim.passes.calibration.layer_twin import layer_twin
from plena_cosim.passes.plan.plan_model import plans_of
from plena_cosim.passes.recipe.load import read_quant_config

MX4 = {"weight_block_size": 16, "weight_width": 4}
GPTQ = {"model_name": "tiny", "format": "mxint", "weight_config": MX4}
KEY = r"model\.layers\.\d+\..*(_proj|\.experts)"


@pytest.mark.parametrize("family", ["llama", "qwen3_moe", "gpt_oss"])
def test_layers_from_checkpoints_have_all_their_weights(family: str) -> None:
    """Experts too: what layers behind them are calibrated on goes through these."""
    model = build(family)
    args = read_quant_config({"gptq": GPTQ, KEY: {"name": "mxint", "gptq": True, **MX4}})
    plans = plans_of(model, args)
    tokens = torch.randint(3, 64, (4, 24), generator=torch.Generator().manual_seed(7))
    found = calibrate(model, plans, args, tokens)
    layer, name = model.model.layers[1], "model.layers.1"
    mine = {key: weight for key, weight in found.weights.items() if key.startswith(name)}
    twin = layer_twin(layer, name, plans, args, mine)
    for key, weight in mine.items():
        stored = twin.get_submodule(key.removeprefix(f"{name}.")).stored
        assert torch.equal(stored.values, weight.values), key
        assert torch.equal(stored.scales, weight.scales), key
