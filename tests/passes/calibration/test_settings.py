"""Checkpoints know the code that has made them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.passes.families import build

from plena_cosim.passes.calibration import layer_by_layer
from plena_cosim.passes.calibration.settings import fingerprint_of
from plena_cosim.passes.fingerprint import Fingerprint
from plena_cosim.passes.layers import run
from plena_cosim.passes.quant_config import read_quant_config

MX4 = {"weight_block_size": 16, "weight_width": 4}


def test_the_code_that_runs_layers_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    folders: list[Path] = []

    def note(*_: Any, code: list[Path]) -> None:
        folders.extend(code)

    monkeypatch.setattr(Fingerprint, "of", note)
    gptq = {"model_name": "tiny", "format": "mxint", "weight_config": MX4}
    recipe = read_quant_config({"gptq": gptq, "lm_head": {"name": "mxint", "gptq": True, **MX4}})
    fingerprint_of(build("llama"), recipe, torch.zeros(1, 2).long())
    assert {Path(str(module.__file__)).parent for module in (layer_by_layer, run)} == set(folders)
