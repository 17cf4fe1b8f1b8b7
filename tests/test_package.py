"""What an installed package brings: recipes, machines and tasks, found from any folder."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import plena_cosim
from plena_cosim.golden import FormatError, HardwareConfig

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_recipes_machines_and_tasks_are_package_data() -> None:
    package = Path(plena_cosim.__file__).parent
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["plena_cosim"]
    packed = {path.resolve() for pattern in patterns for path in package.glob(pattern)}
    configs = {path for path in (ROOT / "configs").rglob("*") if path.is_file()}
    assert {path.suffix for path in configs} == {".toml", ".yaml", ".jsonl"}
    assert configs <= packed


def test_the_package_says_who_made_it_and_for_whom() -> None:
    assert PROJECT["project"]["authors"]
    assert len(PROJECT["project"]["classifiers"]) > 5


@pytest.mark.parametrize("name", ["llama_w4a4_mxint.toml", "configs/quant/llama_w4a4_mxint.toml"])
def test_a_recipe_of_the_package_is_found_anywhere(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from plena_cosim.passes import load_quant_config

    monkeypatch.chdir(tmp_path)
    assert load_quant_config(name).source.endswith("configs/quant/llama_w4a4_mxint.toml")
    assert HardwareConfig.load("plena.toml") == HardwareConfig.load("configs/hw/plena.toml")
    (tmp_path / "llama_w4a4_mxint.toml").write_text("a =")  # one's own comes first
    with pytest.raises(FormatError, match=r"^quantisation recipe llama_w4a4_mxint\.toml is not"):
        load_quant_config("llama_w4a4_mxint.toml")
    with pytest.raises(FormatError, match=r"^quantisation recipe absent\.toml does not exist"):
        load_quant_config("absent.toml")


def test_the_ladder_of_the_package_is_found_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from plena_cosim.evaluate.ladder.manifest import read_ladder
    from plena_cosim.ground.shipped import shipped

    monkeypatch.chdir(tmp_path)
    assert len(read_ladder(shipped(Path("configs/quant/ladder")))) > 10
    assert shipped(Path("elsewhere")) == Path("elsewhere")
