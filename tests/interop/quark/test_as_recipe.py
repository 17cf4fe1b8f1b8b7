"""A JSON file of Quark is taken wherever a recipe is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plena_cosim.golden import FormatError
from plena_cosim.interop.quark import scheme, to_recipe
from plena_cosim.interop.quark.quantization.config.config import AWQConfig, Config, GPTQConfig
from plena_cosim.passes import load_quant_config
from plena_cosim.passes.recipe.load import read_quant_config


def written(folder: Path, config: Config) -> Path:
    path = folder / "quark.json"
    path.write_text(json.dumps(config.to_dict()), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["int4_wo_128", "fp8", "mxfp4", "nvfp4"])
def test_it_is_the_recipe_that_import_makes(tmp_path: Path, name: str) -> None:
    config = Config(scheme(name), algo_config=[AWQConfig()], exclude=["lm_*"])
    path = written(tmp_path, config)
    found, made = load_quant_config(path), to_recipe(config)
    wanted = read_quant_config(made.tables)
    assert (found.selectors, found.scaling, found.ranges) == (
        wanted.selectors,
        wanted.scaling,
        wanted.ranges,
    )
    assert found.tables == wanted.tables
    assert [note.removeprefix(f"{path}: ") for note in found.notes] == [*made.notes, *wanted.notes]
    assert len(found.sha256) == 64


def test_an_error_names_the_file(tmp_path: Path) -> None:
    config = Config(scheme("mxfp4"), algo_config=[GPTQConfig()])
    with pytest.raises(FormatError, match=r"quark\.json: gptq: \[gptq\] names the model"):
        load_quant_config(written(tmp_path, config))
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(FormatError, match=r"other\.json: need a Config or QConfig"):
        load_quant_config(tmp_path / "other.json")
    with pytest.raises(FormatError, match=r"missing\.json"):
        load_quant_config(tmp_path / "missing.json")
