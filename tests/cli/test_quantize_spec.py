"""`plena quantize` by a recipe or by an experiment file, and not by both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.interop.tao.experiments import WEIGHT_ONLY
from typer.testing import CliRunner

from plena_cosim.cli.main import app
from plena_cosim.evaluate import quantize
from plena_cosim.evaluate.experiment import run

RUNNER = CliRunner()


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the work behind the command is called with."""
    seen: dict[str, Any] = {}
    monkeypatch.setattr(run, "run_quantize_experiment", lambda **given: seen.update(given, by="x"))
    monkeypatch.setattr(quantize, "run_quantize", lambda **given: seen.update(given, by="recipe"))
    return seen


def test_an_experiment_file_is_passed_on(called: dict[str, Any], tmp_path: Path) -> None:
    words = ["--calibration", "images", "--calibration-images", "7", "--overwrite"]
    where = ["--results-dir", str(tmp_path / "q")]
    done = RUNNER.invoke(app, ["quantize", "--spec", "e.yaml", *words, *where])
    assert done.exit_code == 0, done.output
    assert (called["by"], called["spec"], called["model"]) == ("x", Path("e.yaml"), None)
    assert (called["calibration"], called["calibration_images"]) == ("images", 7)
    assert (called["results_dir"], called["overwrite"]) == (tmp_path / "q", True)


def test_a_recipe_is_as_before(called: dict[str, Any], tmp_path: Path) -> None:
    where = ["--out", str(tmp_path / "q")]
    done = RUNNER.invoke(app, ["quantize", "--quant-config", "r.toml", *where])
    assert done.exit_code == 0, done.output
    assert (called["by"], called["quant_config"]) == ("recipe", Path("r.toml"))
    assert (called["model"], called["out"]) == ("demo", tmp_path / "q")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--spec", "e.yaml", "--quant-config", "r.toml"], "leave --quant-config and --out away"),
        (["--spec", "e.yaml", "--out", "q"], "goes with --results-dir"),
        ([], "give --quant-config and --out, or --spec"),
        (["--quant-config", "r.toml"], "give --quant-config and --out, or --spec"),
        (["--quant-config", "r.toml", "--out", "q", "--calibration", "i"], "go with --spec"),
    ],
)
def test_words_that_do_not_go_together(
    called: dict[str, Any], words: list[str], message: str, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = RUNNER.invoke(app, ["quantize", *words], env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())
    assert called == {}


def test_an_experiment_file_is_checked_as_a_recipe_is(tmp_path: Path) -> None:
    path = tmp_path / "e.yaml"
    path.write_text(WEIGHT_ONLY)
    done = RUNNER.invoke(app, ["recipe", "check", str(path)], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    assert "Linear" in done.output
    assert "default_layer_dtype is not read" in " ".join(done.output.split())
