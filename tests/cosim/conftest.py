"""What the tests of cosim share: a recipe with every operation, a small machine, a text."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests.one_thread import one_thread

__all__ = ["one_thread"]

RECIPE = r"""
by = "regex_name"

[defaults]
name = "mxint"
weight_block_size = 8
weight_width = 4

["model\\.layers\\.\\d+\\.(self_attn\\.(q|k|v|o)_proj|mlp\\.(gate|up|down)_proj)"]
data_in_block_size = 8
data_in_width = 4

["model\\.layers\\.\\d+\\.self_attn"]

    ["model\\.layers\\.\\d+\\.self_attn".qk_matmul]
    data_in_block_size = 8
    data_in_width = 4
    online_rotate = true

    ["model\\.layers\\.\\d+\\.self_attn".av_matmul]
    data_in_block_size = 8
    data_in_width = 4

    ["model\\.layers\\.\\d+\\.self_attn".rope]
    bypass = true

    ["model\\.layers\\.\\d+\\.self_attn".softmax]
    bypass = true

    ["model\\.layers\\.\\d+\\.self_attn".kv_cache]
    data_in_block_size = 8
    data_in_width = 4

["model\\.layers\\.\\d+\\.mlp"]
name = "minifloat"
data_in_exponent_width = 5
data_in_frac_width = 6

["model\\.layers\\.\\d+\\.(input_layernorm|post_attention_layernorm)|model\\.norm"]
name = "minifloat"
weight_exponent_width = 5
weight_frac_width = 6
data_in_exponent_width = 5
data_in_frac_width = 6

["model\\.embed_tokens"]

["lm_head"]
data_in_block_size = 8
data_in_width = 4
"""
MACHINE = """
[dimensions]
mlen = 16
blen = 2
vlen = 4
hlen = 8
"""


@pytest.fixture
def job(tmp_path: Path, tiny_model: Path, words: Path) -> Callable[..., Any]:
    """Makes a job on the tiny model, cut to one layer; what is known lies in the test's folder."""
    from plena_cosim.cosim.run import Job
    from plena_cosim.cosim.selection import Selection
    from plena_cosim.sim.verilate.model import SHORT

    recipe, machine = tmp_path / "recipe.toml", tmp_path / "machine.toml"
    recipe.write_text(RECIPE, encoding="utf-8")
    machine.write_text(MACHINE, encoding="utf-8")

    def make(ops: str = "all", **given: Any) -> Job:
        defaults = {
            "model": str(tiny_model),
            "quant_config": recipe,
            "machine": machine,
            "selection": Selection.of(ops, given.pop("layers", None)),
            "text": str(words),
            "tokens": 8,
            "max_layers": 1,
            "jobs": 2,
            "profile": SHORT,
            "cache": tmp_path / "known",
        }
        return Job(**{**defaults, **given})

    return make


@pytest.fixture
def quiet() -> Console:
    """A console of 80 columns that keeps what it is given."""
    return Console(width=80, file=io.StringIO())
