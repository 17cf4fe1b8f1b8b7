"""The folder of a run: what lies in it, and how a run goes on."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests.evaluate.recipes import LINEAR

from plena_cosim.evaluate import perplexity, run_eval_ppl
from plena_cosim.evaluate.results.alone import alone
from plena_cosim.evaluate.results.run_folder import read_run
from plena_cosim.evaluate.results.sample_log import SampleLog
from plena_cosim.golden import FormatError
from plena_cosim.sources import TextSourceError

FILES = {"run.json", "results.json", "samples.jsonl", "recipe.toml", "report.html"}


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(LINEAR)
    return path


@pytest.fixture
def given(tiny_model: Path, words: Path, recipe: Path, tmp_path: Path) -> dict[str, Any]:
    """Arguments of a run in four windows."""
    return {
        "model": str(tiny_model),
        "text": str(words),
        "quant_config": recipe,
        "seqlen": 32,
        "limit": 120,
        "out": tmp_path / "run",
        "console": Console(file=io.StringIO(), width=100),
    }


def shown(given: dict[str, Any]) -> str:
    text: str = given["console"].file.getvalue()
    return text


def result(record: dict[str, Any]) -> dict[str, Any]:
    """What was measured, without the time that it took."""
    return {name: value for name, value in record["result"].items() if name != "seconds"}


def test_what_lies_in_the_folder(given, recipe) -> None:
    record = run_eval_ppl(**given)
    out = given["out"]
    assert {path.name for path in out.iterdir() if path.name != ".lock"} == FILES
    assert json.loads((out / "results.json").read_text()) == record
    assert (out / "recipe.toml").read_text() == LINEAR
    samples = [json.loads(line) for line in (out / "samples.jsonl").read_text().splitlines()]
    assert [each["sample"] for each in samples] == ["0", "1", "2", "3"]
    losses = [each["negative_log_likelihood"] for each in samples]
    assert losses == record["result"]["window_losses"]
    assert sum(each["tokens"] for each in samples) == record["result"]["scored_tokens"]
    run = read_run(out)
    assert run.state == "finished"
    assert run.arguments["recipe"] == str(recipe)
    assert run.environment["seed"] == 0
    assert not run.baseline


def test_a_folder_of_its_own_name(given, tmp_path) -> None:
    del given["out"]
    run_eval_ppl(**given, results=tmp_path / "results")
    run_eval_ppl(**given | {"quant_config": None}, results=tmp_path / "results")
    names = sorted(path.name[:-9] for path in (tmp_path / "results").iterdir())
    model = Path(given["model"]).name
    assert names == [f"eval-ppl-{model}-recipe-fake", f"eval-ppl-{model}-unquantised"]


def test_a_finished_run_is_not_measured_again(given, monkeypatch) -> None:
    first = run_eval_ppl(**given)
    with monkeypatch.context() as patch:
        patch.setattr(perplexity, "_loss", None)
        assert run_eval_ppl(**given) == first
    assert "--overwrite measures again" in shown(given)
    again = run_eval_ppl(**given, overwrite=True)
    assert result(again) == result(first)


KILLED = """
import os, signal, sys
from pathlib import Path
from plena_cosim.evaluate import run_eval_ppl
from plena_cosim.evaluate.results.sample_log import SampleLog

real, left = SampleLog.add, [2]

def add(self, sample, record):
    real(self, sample, record)
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)

SampleLog.add = add
model, text, recipe, out, *options = sys.argv[1:]
run_eval_ppl(model=model, text=text, quant_config=Path(recipe), out=Path(out), **eval(options[0]))
"""


def killed(given: dict[str, Any], **options: Any) -> None:
    """Run until two samples are there; the process is killed then."""
    paths = [str(given[name]) for name in ("model", "text", "quant_config", "out")]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *paths, repr(options)],
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
    )
    assert done.returncode == -signal.SIGKILL


def test_a_killed_run_goes_on_to_the_same_digits(given, monkeypatch, tmp_path) -> None:
    killed(given, seqlen=32, limit=120)
    log = given["out"] / "samples.jsonl"
    assert len(log.read_text().splitlines()) == 2
    with log.open("a") as file:
        file.write('{"sample": "2", "negative_log_l')  # as a full disk would leave it
    assert read_run(given["out"]).state == "running"
    measured = []
    real = perplexity._loss
    monkeypatch.setattr(perplexity, "_loss", lambda *args: measured.append(args[2]) or real(*args))
    record = run_eval_ppl(**given)
    assert len(measured) == 2
    assert "goes on: 2 samples are there already" in shown(given)
    whole = run_eval_ppl(**given | {"out": tmp_path / "other"})
    assert result(record) == result(whole)
    assert read_run(given["out"]).state == "finished"


def test_stochastic_rounding_goes_on_to_the_same_digits(given, recipe, tmp_path) -> None:
    """Each window draws as it does where no other came before it in this process."""
    recipe.write_text(f'[numerics]\nrounding = "stochastic"\nseed = 5\n{LINEAR}')
    killed(given, seqlen=32, limit=120)
    record = run_eval_ppl(**given)
    whole = run_eval_ppl(**given | {"out": tmp_path / "other"})
    assert result(record) == result(whole)
    recipe.write_text(recipe.read_text().replace("seed = 5", "seed = 6"))
    assert result(run_eval_ppl(**given | {"out": tmp_path / "seed"})) != result(whole)


def test_a_killed_run_of_batches_goes_on_to_the_same_digits(given, ending_model, tmp_path) -> None:
    """Batches of lm-eval's protocol are cut from all windows, not from those that are left."""
    pages = tmp_path / "pages.jsonl"
    texts = [" ".join(f"w{(i * i + k) % 60}" for i in range(20 + 30 * k)) for k in range(5)]
    pages.write_text("".join(json.dumps({"page": text}) + "\n" for text in texts))
    options = {"seqlen": 16, "protocol": "lm-eval", "batch_size": 3}
    given |= {"model": str(ending_model), "text": str(pages), "limit": None, **options}
    killed(given, **options)
    assert len((given["out"] / "answers.jsonl").read_text().splitlines()) == 2
    record = run_eval_ppl(**given)
    whole = run_eval_ppl(**given | {"out": tmp_path / "other"})
    assert result(record) == result(whole)
    ours, theirs = (
        (out / "answers.jsonl").read_text() for out in (given["out"], tmp_path / "other")
    )
    assert ours == theirs


def test_other_settings_do_not_go_on(given, recipe) -> None:
    run_eval_ppl(**given)
    with pytest.raises(FormatError, match=r"other settings \(seqlen differ\)"):
        run_eval_ppl(**given | {"seqlen": 16})
    recipe.write_text(LINEAR.replace("4", "5"))
    with pytest.raises(FormatError, match="recipe_sha256, tables_sha256 differ"):
        run_eval_ppl(**given)
    assert (given["out"] / "recipe.toml").read_text() == LINEAR
    run_eval_ppl(**given, overwrite=True)
    assert (given["out"] / "recipe.toml").read_text() == recipe.read_text()


def test_a_run_that_cannot_begin_leaves_nothing(given, recipe, monkeypatch) -> None:
    recipe.write_text(LINEAR.replace("layers", "lairs"))
    with pytest.raises(FormatError, match="matches no module"):
        run_eval_ppl(**given)
    assert not given["out"].exists()
    recipe.write_text(LINEAR)
    real = perplexity._loss

    def interrupted(*args: Any) -> float:
        if args[2].begin == 64:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(perplexity, "_loss", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_eval_ppl(**given)
    assert len((given["out"] / "samples.jsonl").read_text().splitlines()) == 2


def test_foreign_folders_are_left_alone(given) -> None:
    out = given["out"]
    out.mkdir()
    (out / "thesis.tex").write_text("mine")
    for options in ({}, {"overwrite": True}):
        with pytest.raises(TextSourceError, match=r"thesis\.tex and is not the folder of a run"):
            run_eval_ppl(**given, **options)
    assert [path.name for path in out.iterdir()] == ["thesis.tex"]
    (out / "thesis.tex").unlink()
    with alone(out, command="plena run"), pytest.raises(TextSourceError, match="another plena run"):
        run_eval_ppl(**given)
    (out / "run.json").write_text('{"what": "else"}')
    with pytest.raises(TextSourceError, match="is not of a run"):
        run_eval_ppl(**given)


def test_a_log_that_is_none_is_said(tmp_path) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_text('{"sample": "0", "loss": "inf"}\n[1]\n')
    with pytest.raises(TextSourceError, match="line 2: not a sample"):
        SampleLog(path)
    path.write_text('{"sample": "0", "loss": "-inf", "note": "w"}\n')
    with SampleLog(path) as log:
        assert log.get("0") == {"loss": float("-inf"), "note": "w"}
        log.add("1", {"loss": 0.1 + 0.2})
    assert SampleLog(path).get("1") == {"loss": 0.1 + 0.2}
