"""Configurations of AMD Quark as recipe files, in Python and by the command."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from plena_cosim.cli.main import app
from plena_cosim.evaluate.import_recipe import import_recipe
from plena_cosim.golden import FormatError
from plena_cosim.interop.quark import to_recipe_tables
from plena_cosim.interop.quark.quantization.config.config import (
    AWQConfig,
    Config,
    Int8PerTensorSpec,
    OCP_MXFP4Spec,
    QuantizationConfig,
)
from plena_cosim.interop.quark.schemes import SCHEMES, scheme
from plena_cosim.passes import load_quant_config

CONFIG = Config(
    QuantizationConfig(weight=OCP_MXFP4Spec(is_dynamic=False), input_tensors=OCP_MXFP4Spec()),
    layer_quant_config={"*down_proj": QuantizationConfig(weight=Int8PerTensorSpec())},
    exclude=["lm_head"],
    algo_config=[AWQConfig()],
)


def said(*words: str) -> Result:
    return CliRunner().invoke(app, ["recipe", "import", *words], env={"COLUMNS": "100"})


@pytest.mark.parametrize("name", SCHEMES)
def test_every_scheme_is_a_recipe_that_loads(tmp_path: Path, name: str) -> None:
    found = import_recipe(None, scheme_name=name, exclude=["lm_head"])
    file = tmp_path / "recipe.toml"
    file.write_text(found.text, encoding="utf-8")
    recipe = load_quant_config(file)
    assert recipe.selectors[0].key == "lm_head"
    assert recipe.selectors[0].bypass
    assert recipe.selectors[1].formats.weight is not None


def test_a_checkpoint_by_the_command(tmp_path: Path) -> None:
    checkpoint = {"model_type": "llama", "quantization_config": CONFIG.to_dict()}
    (tmp_path / "config.json").write_text(json.dumps(checkpoint))
    out = tmp_path / "recipe.toml"
    found = said(str(tmp_path), "--out", str(out))
    assert found.exception is None, found.exception
    assert tomllib.loads(out.read_text(encoding="utf-8")) == to_recipe_tables(CONFIG)
    assert out.read_text(encoding="utf-8").startswith(
        f"# Made of {tmp_path} (AMD Quark).\n# Note: "
    )
    assert load_quant_config(out).scaling is not None
    assert "*down_proj" in found.output
    assert "scaling: awq" in found.output
    assert "note: awq: weights are not clipped" in found.output


def test_without_out_toml_is_printed_and_notes_are_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "quark.json"
    file.write_text(json.dumps(CONFIG.to_dict()))
    found = said(str(file))
    assert found.exception is None, found.exception
    assert tomllib.loads(found.stdout) == to_recipe_tables(CONFIG)
    assert "note: awq: " in found.stderr


def test_a_scheme_beside_a_file_of_an_algorithm(tmp_path: Path) -> None:
    file = tmp_path / "awq.json"
    file.write_text(json.dumps(AWQConfig().to_dict()))
    found = said(
        str(file), "--scheme", "int4_wo_128", "--exclude", "lm_head", "--exclude", "*.gate"
    )
    assert found.exception is None, found.exception
    assert tomllib.loads(found.stdout) == to_recipe_tables(
        Config(scheme("int4_wo_128"), exclude=["lm_head", "*.gate"], algo_config=[AWQConfig()])
    )


def test_exclusions_are_added_to_the_files(tmp_path: Path) -> None:
    file = tmp_path / "quark.json"
    file.write_text(json.dumps(CONFIG.to_dict()))
    tables = import_recipe(file, exclude=["*.gate", "lm_head"]).tables
    assert [key for key in tables if isinstance(tables[key], list)] == [
        "lm_head",
        "*.gate",
        "*down_proj",
        "*",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give a file of AMD Quark, or --scheme NAME"),
        (["none.json"], "none.json does not exist"),
        (["--scheme", "mxpf4"], "unknown scheme 'mxpf4'; known: .* Did you mean 'mxfp4'?"),
    ],
)
def test_one_clear_error(words: list[str], message: str) -> None:
    found = said(*words)
    assert isinstance(found.exception, FormatError)
    with pytest.raises(FormatError, match=message):
        raise found.exception
