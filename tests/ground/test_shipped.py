"""Recipes and machines of the package are found from anywhere, and say what they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from plena_cosim.cli import main as cli
from plena_cosim.ground.shipped import all_shipped, shipped

ROOT = Path(__file__).parents[2]


def test_every_file_is_listed_by_a_name_that_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = all_shipped()
    found = {shipped(Path(name)).resolve() for name in names}
    folders = ROOT / "configs" / "quant", ROOT / "configs" / "hw"
    assert found == {path.resolve() for folder in folders for path in folder.rglob("*.toml")}
    assert len(found) == len(names)
    assert [name for name, comment in names.items() if not comment] == []
    assert names["llama_w4a4_mxint.toml"].startswith("Every linear layer of a Llama decoder")


def test_the_command_lists_them() -> None:
    shown = CliRunner().invoke(cli.app, ["recipe", "list"])
    assert shown.exit_code == 0
    for name in ("llama_w4a4_mxint.toml", "configs/quant/ladder/21_w4a16_gptq.toml", "plena.toml"):
        assert f"│ {name} " in shown.output
