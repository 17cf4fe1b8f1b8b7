"""plena calib: what is collected can be shown and calibrated on."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import save_file
from typer.testing import CliRunner

from plena_cosim.cli import main as cli
from plena_cosim.evaluate.calibration_data import run_collect, run_show
from plena_cosim.golden import FormatError
from plena_cosim.sources import calibration_set, load_tokenizer
from plena_cosim.sources.token_file import read_token_file

from ..task_folder import write_task

pytestmark = pytest.mark.usefixtures("_no_hub")


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    rows = [{"q": f"w{i} [w{i}]", "a": f"w{i}"} for i in range(40)]
    data = {"train": rows, "test": [{"q": "w50", "a": "w50"}]}
    write_task(tmp_path, "quiz", data, training_split="train", test_split="test")
    return write_task(tmp_path, "bare", {"test": rows}, test_split="test")


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=160)


def collect(tasks: Path, model: Path, console: Console, task: str = "quiz") -> Path:
    out = tasks / "calib.safetensors"
    run_collect(
        task=task,
        out=out,
        include_path=tasks,
        model=str(model),
        nsamples=5,
        seqlen=8,
        seed=3,
        console=console,
    )
    return out


def test_what_is_collected_can_be_calibrated_on(tasks, tiny_model, console) -> None:
    out = collect(tasks, tiny_model, console)
    tokenizer = load_tokenizer(str(tiny_model))
    found = calibration_set(f"tokens:{out}", tokenizer, nsamples=5, seqlen=8, seed=0)
    saved, metadata = read_token_file(str(out))
    assert torch.equal(found.tokens, saved)
    assert metadata["sha256"] == found.sha256
    facts = {key: metadata[key] for key in ("task", "split", "evaluated_split", "model", "seed")}
    assert facts == {
        "task": "quiz",
        "split": "train",
        "evaluated_split": "test",
        "model": str(tiny_model),
        "seed": "3",
    }
    assert {"commit", "versions", "command"} <= set(json.loads(metadata["run"]))
    assert "flattered" not in console.file.getvalue()


def test_a_task_without_another_split_is_remarked(tasks, tiny_model, console) -> None:
    collect(tasks, tiny_model, console, "bare")
    said = " ".join(console.file.getvalue().split())
    assert "task bare has no split besides 'test', which it evaluates on" in said


def test_a_file_of_tokens_is_shown_with_its_model(tasks, tiny_model, console) -> None:
    out = collect(tasks, tiny_model, console)
    for source in (str(out), f"tokens:{out}"):
        shown = Console(file=io.StringIO(), width=160)
        facts = run_show(source, console=shown)
        expected = {"dataset": f"tokens:{out}", "nsamples": "5", "seqlen": "8", "seed": "3"}
        assert facts.items() >= expected.items()
        text = shown.file.getvalue()
        tokens, _ = read_token_file(str(out))
        assert load_tokenizer(str(tiny_model)).decode(tokens[0]) in text
        assert "train" in text


def test_a_text_is_shown(words: Path, tiny_model, console) -> None:
    shared = {"model": str(tiny_model), "nsamples": 2, "seqlen": 16, "console": console}
    facts = run_show(str(words), **shared)
    assert facts == run_show(f"file:{words}", **shared)
    assert (facts["dataset"], facts["drawn_from"], facts["seed"]) == (f"file:{words}", "100", "0")


def test_brackets_in_a_text_are_no_markup(words, tiny_model, console, monkeypatch) -> None:
    monkeypatch.setattr("transformers.PreTrainedTokenizerFast.decode", lambda *_: "[bold]a[/red]")
    run_show(str(words), model=str(tiny_model), nsamples=1, seqlen=9, console=console)
    assert "[bold]a[/red]" in console.file.getvalue()


def test_a_stream_of_others_is_shown_whole(tmp_path: Path, tiny_model, console) -> None:
    save_file({"tokens": torch.arange(20)}, tmp_path / "a.safetensors")
    facts = run_show(str(tmp_path / "a.safetensors"), model=str(tiny_model), console=console)
    assert (facts["nsamples"], facts["seqlen"]) == ("1", "20")
    assert "w0 w1 w2" in console.file.getvalue()


def test_an_unknown_source_is_answered_with_the_known(tiny_model, console) -> None:
    with pytest.raises(FormatError, match=r"must be 'wikitext2', .* got 'wiki'"):
        run_show("wiki", model=str(tiny_model), console=console)


def test_the_command_line_collects_and_shows(tasks, tiny_model) -> None:
    out = tasks / "calib.safetensors"
    given = ["--include-path", tasks, "--model", tiny_model, "--nsamples", 2, "--seqlen", 8]
    command = ["calib", "collect", "--task", "quiz", *map(str, given), "--seed", "1"]
    result = CliRunner().invoke(cli.app, [*command, "--out", str(out)], catch_exceptions=False)
    assert result.exit_code == 0
    assert read_token_file(str(out))[0].shape == (2, 8)
    result = CliRunner().invoke(cli.app, ["calib", "show", str(out)], catch_exceptions=False)
    assert result.exit_code == 0
    assert "quiz" in result.output
