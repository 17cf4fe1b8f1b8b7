"""The tasks of configs/tasks, which need no network: found by themselves, and what they measure."""

from __future__ import annotations

import io
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from lm_eval.tasks import TaskManager
from rich.console import Console
from tests.task_folder import write_task

from plena_cosim.evaluate import run_eval_ppl
from plena_cosim.evaluate.harness.command import run_eval_lm
from plena_cosim.evaluate.harness.documents import load_documents
from plena_cosim.sources import load_text
from plena_cosim.sources.eval_task import load_task

pytestmark = [pytest.mark.demo, pytest.mark.usefixtures("_no_hub")]

ROOT = Path(__file__).parents[3]
RECIPE = ROOT / "configs/quant/llama_w4a4_mxint.toml"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not 100,000 samples for each standard error, nor the 10,000 files of lm-eval's own tasks."""
    monkeypatch.setattr("lm_eval.api.metrics.bootstrap_stderr", lambda f, xs, iters: 0.0)
    monkeypatch.setattr("lm_eval.tasks.TaskManager", partial(TaskManager, include_defaults=False))


def run(task: str, out: Path, *arguments: str) -> dict[str, Any]:
    """Run a task, and return what lm-eval has written."""
    given = [*arguments, "--tasks", task, "--device", "cpu", "--output_path", str(out)]
    run_eval_lm(given, console=Console(file=io.StringIO()))
    found: dict[str, Any] = json.loads((out / "results.json").read_text())["lm_eval"]
    return found


def prompts(out: Path) -> list[str]:
    [path] = out.rglob("samples_*.jsonl")
    samples = [json.loads(line) for line in path.read_text().splitlines()]
    return [sample["arguments"]["gen_args_0"]["arg_0"] for sample in samples]


def test_questions_about_the_demo_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the tasks are those of the package
    found = run(
        "plena_demo_cloze", tmp_path, f"--model_args=pretrained=demo,recipe={RECIPE}", "--limit=2"
    )
    assert found["n-samples"]["plena_demo_cloze"]["effective"] == 2
    assert 0 <= found["results"]["plena_demo_cloze"]["acc,none"] <= 1
    assert found["config"]["plena"]["numerics"] == "fake"
    assert prompts(tmp_path)[0] == (
        "The albedo is an important concept in climatology, astronomy, and"
    )


def test_examples_and_chat_template(tmp_path: Path) -> None:
    found = run(
        "plena_demo_cloze",
        tmp_path,
        "--model_args=pretrained=demo",
        *("--limit", "1", "--num_fewshot", "2", "--apply_chat_template"),
        *("--include_path", "configs/tasks"),
    )
    assert found["n-shot"]["plena_demo_cloze"] == 2
    first = prompts(tmp_path)[0]
    assert first.count("<|im_start|>user") == 3
    assert first.count("<|im_start|>assistant") == 3
    assert "\nThe albedo is an important concept" in first


def test_articles_are_the_documents_of_the_demo(ending_model: Path, tmp_path: Path) -> None:
    """A tiny model reads them: the same figures by either command."""
    assert "\n\n".join(each.text for each in load_documents("demo")) == load_text("demo")
    given = f"--model_args=pretrained={ending_model},max_length=512"
    found = run("plena_demo", tmp_path, given, "--batch_size=1")["results"]["plena_demo"]
    record = run_eval_ppl(
        model=str(ending_model),
        text="demo",
        protocol="lm-eval",
        seqlen=512,
        console=Console(file=io.StringIO()),
    )
    assert record["result"]["documents"] == 5
    for name in ("word_perplexity", "byte_perplexity", "bits_per_byte"):
        assert record["result"][name] == found[f"{name},none"]


def test_calibration_takes_the_part_for_examples() -> None:
    found = load_task("plena_demo_cloze", folder=ROOT / "configs/tasks")
    assert (found.split, found.evaluated) == ("train", "test")


def test_ones_own_task_of_the_same_name_comes_first(ending_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tasks"
    folder.mkdir()
    write_task(
        folder,
        "plena_demo",
        {"test": [{"q": "w1", "a": " w2"}]},
        test_split="test",
        output_type="loglikelihood",
        metric_list=[{"metric": "perplexity"}],
    )
    (tmp_path / "config.yaml").write_text(f"include_path: {folder}\n")
    for number, given in enumerate(
        (("--include_path", str(folder)), ("--config", str(tmp_path / "config.yaml")))
    ):
        out = tmp_path / f"out{number}"
        found = run("plena_demo", out, f"--model_args=pretrained={ending_model}", *given)
        assert "perplexity,none" in found["results"]["plena_demo"]
