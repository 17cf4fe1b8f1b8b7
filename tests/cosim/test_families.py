"""Blocks of models that are no Llama: layer norms, both GELUs, biases; and a machine in fp16."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from transformers import StableLmConfig, StableLmForCausalLM

from plena_cosim.cosim.run import run_cosim

RECIPE = r"""
by = "regex_name"

[defaults]
name = "mxint"
weight_block_size = 8
weight_width = 4
data_in_block_size = 8
data_in_width = 4

["model\\.layers\\.\\d+\\.(self_attn\\.(q_proj|k_proj|v_proj|o_proj)|mlp\\.(gate|up|down)_proj)"]

["model\\.layers\\.\\d+\\.self_attn"]

    ["model\\.layers\\.\\d+\\.self_attn".qk_matmul]
    data_in_block_size = 8
    data_in_width = 4

    ["model\\.layers\\.\\d+\\.self_attn".av_matmul]
    data_in_block_size = 8
    data_in_width = 4

["model\\.layers\\.\\d+\\.mlp"]
name = "minifloat"
data_in_exponent_width = 5
data_in_frac_width = 6

["model\\.layers\\.\\d+\\.(input|post_attention)_layernorm|model\\.norm"]
name = "minifloat"
weight_exponent_width = 5
weight_frac_width = 6
data_in_exponent_width = 5
data_in_frac_width = 6
"""


@pytest.fixture
def stable_lm(tiny_model: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Saves a random StableLM of one layer with an activation, and the tiny model's tokenizer."""

    def make(activation: str) -> Path:
        folder = tmp_path / activation
        torch.manual_seed(2)
        config = StableLmConfig(
            vocab_size=61,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=1,
            num_attention_heads=4,
            num_key_value_heads=2,
            hidden_act=activation,
        )
        StableLmForCausalLM(config).save_pretrained(folder)
        for path in tiny_model.glob("tokenizer*"):
            shutil.copy(path, folder)
        return folder

    return make


@pytest.mark.parametrize(
    ("activation", "block", "vector"),
    [
        ("gelu_new", "gelu_tanh", "fp16"),
        ("quick_gelu", "gelu_sigmoid", "bf16"),
    ],
)
def test_layer_norm_and_gelu_have_the_bits_of_torch(
    activation: str,
    block: str,
    vector: str,
    stable_lm: Callable[[str], Path],
    job: Callable[..., Any],
    tmp_path: Path,
    quiet: Console,
) -> None:
    given = job(model=str(stable_lm(activation)), tokens=6)
    given.quant_config.write_text(RECIPE)
    with given.machine.open("a") as machine:
        machine.write(f'\n[formats]\nvector = "{vector}"\n')
    record = run_cosim(given, out=tmp_path / "run", console=quiet)
    assert record["equal"], record["difference"]
    parts = {(row["part"], row["op"]) for row in record["rows"]}
    assert {part for part, _ in parts} >= {"layer_norm", "silu", "matmul", "attention", "residual"}
    assert {label.partition("[")[0] for label in record["blocks"]} >= {block, "fp_sub", "fp_sqrt"}
    assert all(f"[{vector}" in label for label in record["blocks"] if label.startswith("fp_add"))
