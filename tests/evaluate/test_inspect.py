"""plena inspect says what a recipe made of each module."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from plena_cosim.evaluate import TextSourceError
from plena_cosim.evaluate.inspect import run_inspect
from plena_cosim.evaluate.quantize import run_quantize
from plena_cosim.golden import FormatError

from .recipes import LINEAR

ATTENTION = """
["model\\\\.layers\\\\.\\\\d+\\\\.self_attn"]
name = "mxint"
["model\\\\.layers\\\\.\\\\d+\\\\.self_attn".kv_cache]
data_in_block_size = 16
data_in_width = 4
"""


def _shown(model: Path, recipe: Path, **options: object) -> tuple[str, dict]:
    out = io.StringIO()
    record = run_inspect(
        model=str(model),
        quant_config=recipe,
        console=Console(file=out, width=100),
        **options,  # type: ignore[arg-type]
    )
    return " ".join(out.getvalue().split()), record


def test_modules_of_a_selector_share_a_line(tiny_model: Path, tmp_path: Path) -> None:
    recipe, record_path = tmp_path / "r.toml", tmp_path / "deep" / "record.json"
    recipe.write_text(LINEAR + ATTENTION)
    shown, record = _shown(tiny_model, recipe, json_path=record_path)
    layers = json.loads((tiny_model / "config.json").read_text())["num_hidden_layers"]
    for part in ("linear layer", "attention", "kv_cache mxint4", "weight mxint4", "4.50"):
        assert part in shown
    assert f"{8 * layers} modules;" in shown
    assert "4.50 bits each" in shown  # 4 + 8 / 16
    assert json.loads(record_path.read_text()) == record
    assert len(record["modules"]) == 8 * layers
    assert "model.layers.0.mlp.up_proj" not in shown


def test_what_stays_in_float_is_named(tiny_model: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(LINEAR.replace(".*_proj", ".*(q|k)_proj"))
    shown, record = _shown(tiny_model, recipe)
    assert "left in float: 12 matrices, " in shown
    for part in ("lm_head", "model.layers.*.mlp.up_proj (2)", "48 × 32", "no selector chooses it"):
        assert part in shown
    left = record["left_alone"]
    assert sum(group["count"] for group in left["groups"]) == left["matrices"] == 12
    assert 0.8 < left["share"] < 1.0
    each, _ = _shown(tiny_model, recipe, every=True)
    assert "model.layers.*" not in each
    assert "model.layers.1.mlp.up_proj" in each.replace(" ", "")


@pytest.mark.parametrize("semantics", ["fused", "dequant"])
def test_rotations_are_named(semantics: str, tiny_model: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    rotation = f'[rotation]\nr3 = true\nonline = ["kv_cache"]\nsemantics = "{semantics}"\n'
    qk = "qk_matmul = { data_in_block_size = 16, data_in_width = 4 }\n"
    recipe.write_text(rotation + LINEAR + ATTENTION.replace('"mxint"\n', f'"mxint"\n{qk}'))
    shown, record = _shown(tiny_model, recipe)
    assert record["rotation"] == "matrix products"
    assert "qk_matmul rotated by " in shown
    assert "kv_cache rotated by " in shown
    assert ("rotated back once quantised" in shown) == (semantics == "dequant")


def test_a_line_for_each_module(tiny_model: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(LINEAR)
    shown, record = _shown(tiny_model, recipe, every=True, numerics="exact")
    for name, entry in record["modules"].items():
        assert name in shown.replace(" ", "") or name.rpartition(".")[2] in shown
        assert entry["numerics"] == "exact"


def test_phases_are_told_apart(tiny_model: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(LINEAR + LINEAR.replace("[", "[phase.decode.", 1).replace("= 8", "= 4"))
    shown, record = _shown(tiny_model, recipe)
    assert {"data_in mxint8", "data_in mxint4"} <= {
        f"data_in {entry['data_in']}" for entry in record["modules"].values()
    }
    assert "model.layers.0.mlp.up_proj (decode)" in record["modules"]
    assert "data_in mxint4" in shown


def test_what_cannot_be_inspected(tiny_model: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(LINEAR)
    saved = tmp_path / "saved"
    quiet = Console(quiet=True)
    run_quantize(model=str(tiny_model), quant_config=recipe, out=saved, console=quiet)
    with pytest.raises(TextSourceError, match="quantised already"):
        run_inspect(model=str(saved), quant_config=recipe, console=quiet)
    recipe.write_text('[".*_proj"]\nname = "mxint"\nbypass = true\n')
    with pytest.raises(FormatError, match="leaves every module as it is"):
        run_inspect(model=str(tiny_model), quant_config=recipe, console=quiet)


def test_the_record_says_what_rotates(tiny_model: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(LINEAR)
    assert _shown(tiny_model, recipe)[1]["rotation"] is None
    recipe.write_text(LINEAR + "online_rotate = 16\n")
    assert _shown(tiny_model, recipe, numerics="exact")[1]["rotation"] == "golden's butterflies"


def test_a_device_that_is_not_there_can_be_replaced(
    tiny_model: Path, words: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "r.toml"
    gptq = f"""
[gptq]
model_name = "{tiny_model}"
format = "mxint"
device = "cuda:99"
dataset = "file:{words}"
nsamples = 2
seqlen = 16
weight_config = {{ weight_block_size = 16, weight_width = 4 }}
"""
    recipe.write_text(gptq + LINEAR + "gptq = true\n")
    with pytest.raises(FormatError, match=r"\[gptq\] device 'cuda:99' cannot be used"):
        _shown(tiny_model, recipe)
    _, record = _shown(tiny_model, recipe, device="cpu")
    assert all(entry["calibration"] for entry in record["modules"].values())
