"""plena eval lm as a run: its folder, what a kill leaves, and two runs beside each other."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from lm_eval.tasks import TaskManager
from rich.console import Console
from tests.task_folder import write_task

from plena_cosim.evaluate.harness.command import run_eval_lm
from plena_cosim.evaluate.harness.model import PlenaLM
from plena_cosim.evaluate.report_runs import run_compare
from plena_cosim.evaluate.results.run_folder import read_run
from plena_cosim.golden import FormatError

pytestmark = pytest.mark.usefixtures("_no_hub")

RECIPE = """
["model\\\\.layers\\\\.\\\\d+\\\\..*_proj"]
name = "mxint"
weight_block_size = 16
weight_width = 3
data_in_block_size = 16
data_in_width = 4
"""


def text(seed: int, count: int) -> str:
    return " ".join(f"w{(i * i + seed * i + seed) % 60}" for i in range(count))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not 100,000 samples for each standard error, nor the 10,000 files of lm-eval's own tasks."""
    monkeypatch.setattr("lm_eval.api.metrics.bootstrap_stderr", lambda f, xs, iters: 0.0)
    monkeypatch.setattr("lm_eval.tasks.TaskManager", partial(TaskManager, include_defaults=False))


@pytest.fixture
def arguments(ending_model: Path, tmp_path: Path) -> list[str]:
    """Of two tasks, one of choices and one of documents, in batches of three."""
    (tmp_path / "recipe.toml").write_text(RECIPE)
    folder = tmp_path / "tasks"
    folder.mkdir()
    choices = [
        {"q": text(seed, 5 + 3 * seed), "choices": [" " + text(seed + k, k) for k in (1, 2, 1)]}
        for seed in range(6)
    ]
    write_task(
        folder,
        "choices",
        {"test": choices},
        output_type="multiple_choice",
        test_split="test",
        doc_to_choice="{{choices}}",
        doc_to_target=0,
    )
    write_task(
        folder,
        "pages",
        {"test": [{"page": text(seed, 20 + 9 * seed)} for seed in range(4)]},
        output_type="loglikelihood_rolling",
        test_split="test",
        doc_to_text="",
        doc_to_target="{{page}}",
        metric_list=[{"metric": "byte_perplexity"}, {"metric": "word_perplexity"}],
    )
    model = f"pretrained={ending_model},recipe={tmp_path / 'recipe.toml'},max_length=24"
    return [
        *("--model_args", model, "--tasks", "choices,pages", "--include_path", str(folder)),
        *("--device", "cpu", "--batch_size", "3"),
    ]


def run(arguments: list[str], out: Path) -> dict[str, Any]:
    """Run, and return the figures of both tasks."""
    run_eval_lm([*arguments, "--output_path", str(out)], console=Console(file=io.StringIO()))
    found = json.loads((out / "results.json").read_text())["lm_eval"]["results"]
    return {
        task: {name: value for name, value in figures.items() if "," in name}
        for task, figures in found.items()
    }


def test_the_folder_of_a_run(arguments: list[str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    figures = run(arguments, out)
    assert (out / "recipe.toml").read_text() == RECIPE
    samples = [json.loads(line) for line in (out / "samples.jsonl").read_text().splitlines()]
    assert [each["sample"] for each in samples] == [
        *(f"choices {place}" for place in range(6)),
        *(f"pages {place}" for place in range(4)),
    ]
    right = sum(each["scores"]["choices acc"] for each in samples[:6]) / 6
    assert right == pytest.approx(figures["choices"]["acc,none"])
    report = (out / "report.html").read_text()
    for name in ("choices", "pages", "byte_perplexity", "acc_norm"):
        assert name in report
    assert read_run(out).state == "finished"
    # Once more, with all answers there.
    assert run(arguments, out) == figures
    assert len((out / "samples.jsonl").read_text().splitlines()) == 10


def test_a_name_of_a_file(arguments: list[str], tmp_path: Path) -> None:
    run_eval_lm(
        [*arguments, "--output_path", str(tmp_path / "x.json")], console=Console(file=io.StringIO())
    )
    assert (tmp_path / "x/report.html").exists()
    assert len(list(tmp_path.glob("x_*.json"))) == 1


KILLED = """
import functools, os, signal, sys
import lm_eval.tasks
from plena_cosim.evaluate.harness.command import run_eval_lm
from plena_cosim.evaluate.results.sample_log import SampleLog

real, left = SampleLog.add, [4]

def add(self, sample, record):
    real(self, sample, record)
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)

SampleLog.add = add
lm_eval.tasks.TaskManager = functools.partial(lm_eval.tasks.TaskManager, include_defaults=False)
run_eval_lm(sys.argv[1:])
"""


def test_a_killed_run_goes_on_to_the_same_digits(arguments: list[str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *arguments, "--output_path", str(out)],
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert done.returncode == -signal.SIGKILL
    assert len((out / "answers.jsonl").read_text().splitlines()) == 4
    asked = []
    real = PlenaLM._likelihoods

    def counted(self: PlenaLM, batch: Any) -> Any:
        asked.append(len(batch))
        return real(self, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PlenaLM, "_likelihoods", counted)
        again = run(arguments, out)
    assert again == run(arguments, tmp_path / "whole")
    whole = (tmp_path / "whole/answers.jsonl").read_text()
    assert (out / "answers.jsonl").read_text() == whole
    assert len(asked) == len(whole.splitlines()) - 4


def test_answers_of_another_recipe_are_not_taken(arguments: list[str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    run(arguments, out)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE.replace("weight_width = 3", "weight_width = 8"))
    with pytest.raises(FormatError, match="recipe_sha256, tables_sha256 differ"):
        run(arguments, out)
    # Without a folder it is the log alone that has to know.
    log = out / "answers.jsonl"
    before = len(log.read_text().splitlines())
    options: dict[str, Any] = dict(pair.split("=") for pair in arguments[1].split(","))
    options["max_length"] = int(options["max_length"])
    for count in (1, 1, 2):
        recipe.write_text(RECIPE.replace("weight_width = 3", f"weight_width = {4 + count}"))
        lm = PlenaLM(**options, device="cpu", batch_size=3, log=log)
        lm._loglikelihood_tokens([(None, [1, 2], [3])], disable_tqdm=True)
        assert len(log.read_text().splitlines()) == before + count


def test_beside_the_baseline(arguments: list[str], tmp_path: Path) -> None:
    recipe = f",recipe={tmp_path / 'recipe.toml'}"
    run(arguments, tmp_path / "runs/quantised")
    run([each.replace(recipe, "") for each in arguments], tmp_path / "runs/float")
    record = run_compare(
        [tmp_path / "runs/quantised"],
        out=tmp_path / "out",
        console=Console(file=io.StringIO(), width=80),
    )
    found = {pair["name"]: pair for pair in record["runs"][0]["differences"]}
    assert set(found) == {"choices acc", "choices acc_norm", "pages byte perplexity"}
    assert found["pages byte perplexity"]["count"] == 4
    assert found["pages byte perplexity"]["change"] != 0
