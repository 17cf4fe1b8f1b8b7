"""The reference's tutorial on MX post-training quantisation: its loader and calls as printed."""

from __future__ import annotations

import tomllib
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from plena_cosim.passes import quantize_module_transform_pass

ATTENTION = r"""
['model\.layers\.\d+\.self_attn$']
name = "mxint"

['model\.layers\.\d+\.self_attn$'.qk_matmul]
bypass = true

['model\.layers\.\d+\.self_attn$'.av_matmul]
bypass = true

['model\.layers\.\d+\.self_attn$'.kv_cache]
data_in_block_size = 32
data_in_width      = 4

['model\.layers\.\d+\.self_attn$'.softmax]
bypass = true

['model\.layers\.\d+\.self_attn$'.rope]
bypass = true
"""
LINEAR = r"""
['model\.layers\.\d+\.self_attn\.(q|k|v|o)_proj']
name = "mxint"
weight_block_size = 32
weight_width = 4
data_in_block_size = 32
data_in_width = 4
{gptq}
['model\.layers\.\d+\.mlp\.(gate|up|down)_proj']
name = "mxint"
weight_block_size = 32
weight_width = 4
data_in_block_size = 32
data_in_width = 4
{gptq}
"""
GPTQ = """
[gptq]
model_name       = "{model}"
format           = "mxint"
dataset          = "file:{text}"
nsamples         = 4
seqlen           = 16
cali_batch_size  = 2
quantile_search  = true
clip_search_y    = true
checkpoint_dir   = "{folder}/checkpoints/config_b_gptq"

    [gptq.weight_config]
    weight_block_size = 32
    weight_width      = 4
"""
SEARCH = """
[rotation_search]
calib_nsamples  = 2
calib_seqlen    = 16
improvement_eps = 0.0
cache_path      = "{folder}/checkpoints/config_c_rotsearch/rotation_decisions.json"
"""


def load_quant_config(path: Path) -> dict[str, Any]:
    with open(path, "rb") as f:  # noqa: PTH123  (as printed)
        raw = tomllib.load(f)
    by = raw.pop("by", "regex_name")
    pass_args = {"by": by}
    gptq = raw.pop("gptq", None)
    if gptq is not None:
        pass_args["gptq"] = deepcopy(gptq)
    for key, value in raw.items():
        pass_args[key] = {"config": deepcopy(value)}
    return pass_args


@pytest.mark.parametrize("config", ["a", "b", "c"])
def test_a_config_of_the_tutorial_runs(tmp_path: Path, tiny_model: Path, config: str) -> None:
    text = tmp_path / "text.txt"
    text.write_text(" ".join(f"w{i * i % 60}" for i in range(400)))
    places = {"model": tiny_model, "text": text, "folder": tmp_path}
    tables = {
        "a": ATTENTION + LINEAR.format(gptq=""),
        "b": GPTQ.format(**places) + ATTENTION + LINEAR.format(gptq="gptq = true"),
        "c": (GPTQ + SEARCH).format(**places) + ATTENTION + LINEAR.format(gptq="gptq = true"),
    }
    config_toml = tmp_path / "config.toml"
    config_toml.write_text('by = "regex_name"\n' + tables[config])
    model = AutoModelForCausalLM.from_pretrained(
        tiny_model, torch_dtype=torch.float16, attn_implementation="eager"
    )
    model.eval()
    pass_args = load_quant_config(config_toml)
    model, info = quantize_module_transform_pass(model, pass_args)
    model.to("cpu")
    assert len(info) == 2 * (1 + 7)
    calibrated = [name for name, entry in info.items() if entry.calibration]
    assert len(calibrated) == (0 if config == "a" else 14)
    assert (tmp_path / "checkpoints").exists() == (config != "a")
    with torch.no_grad():
        logits = model(torch.arange(16)[None]).logits
    assert bool(logits.isfinite().all())
