"""plena recipe check --model says what a model would refuse, without its weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import transformers
from typer.testing import CliRunner

from plena_cosim.cli.main import app

GOOD = '[".*_proj"]\nname = "mxint"\nweight_block_size = 16\nweight_width = 4\n'


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    config = transformers.LlamaConfig(
        vocab_size=61, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2,
    )  # fmt: skip
    config.architectures = ["LlamaForCausalLM"]
    config.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("_proj", "_porj"), "matches no module of the model"),
        (GOOD + "qk_matmul = { bypass = true }\n", "qk_matmul cannot be given"),
        ("[rotation_search]\n" + GOOD.replace("_proj", "embed_tokens"), "names no module in a"),
        (GOOD + "online_rotate = 64\n", "power of two or K"),
    ],
)
def test_what_the_model_refuses_is_said(
    tmp_path: Path, model: Path, text: str, message: str
) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text(text)
    assert CliRunner().invoke(app, ["recipe", "check", str(file)]).exit_code == 0
    found = CliRunner().invoke(app, ["recipe", "check", str(file), "--model", str(model)])
    assert found.exit_code != 0
    assert message in str(found.exception)


def test_what_fits_is_counted(tmp_path: Path, model: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text(GOOD)
    found = CliRunner().invoke(app, ["recipe", "check", str(file), "--model", str(model)])
    assert found.exit_code == 0, found.output
    assert "14 modules are chosen; left in float: 2 matrices, " in found.output
    assert "lm_head: Linear, 61 × 32: no selector chooses it" in found.output


def test_a_missing_model_is_one_error(tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text(GOOD)
    (tmp_path / "empty").mkdir()
    found = CliRunner().invoke(
        app, ["recipe", "check", str(file), "--model", str(tmp_path / "empty")]
    )
    assert "cannot load the configuration" in str(found.exception)
