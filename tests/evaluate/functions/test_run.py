"""`plena eval functions` through a real server of a tiny model."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from plena_cosim.evaluate.chat.asked import Place
from plena_cosim.evaluate.chat.client import Asking
from plena_cosim.evaluate.functions.run import Style, run_eval_functions
from plena_cosim.golden import FormatError
from plena_cosim.sources import TextSourceError

RECIPE = """
[".*_proj"]
name = "mxint"
weight_block_size = 16
weight_width = 4
data_in_block_size = 16
data_in_width = 4
"""


def ask(wheel: Path, model: Path, out: Path, *more: str, **changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "categories": ["simple", "irrelevance"],
        "place": Place(serve=["--model", str(model), "--threads", "1", *more]),
        "asking": Asking(max_tokens=8),
        "data": wheel,
        "out": out,
        "console": Console(file=io.StringIO()),
    }
    return run_eval_functions(**given | changes)


def samples(out: Path) -> dict[str, dict[str, Any]]:
    lines = (out / "samples.jsonl").read_text().splitlines()
    return {each.pop("sample"): each for each in map(json.loads, lines)}


def test_a_run_goes_on_and_says_how_it_was_quantised(
    wheel: Path, chat_model: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "four.toml"
    recipe.write_text(RECIPE)
    out = tmp_path / "out"
    words = ("--quant-config", str(recipe), "--numerics", "exact")
    record = ask(wheel, chat_model, out, *words)
    assert record["how"] == "a recipe, exact"
    assert [each["category"] for each in record["categories"]] == [
        "simple_python",
        "irrelevance",
        "all",
    ]
    assert [each["questions"] for each in record["categories"]] == [2, 1, 3]
    before = samples(out)
    assert {each["tokens"] for each in before.values()} == {8}
    assert before["irrelevance_0"]["scores"] == {"correct": 1}
    assert before["simple_python_0"]["fault"].startswith("the answer is not in the form of calls")
    run = json.loads((out / "run.json").read_text())
    assert "weight_width" in run["arguments"]["recipe"]
    assert not run["baseline"]
    assert "2 answers are wrong" in (out / "report.html").read_text()

    # As if it had been killed behind the first answer.
    lines = (out / "samples.jsonl").read_text().splitlines(keepends=True)
    (out / "samples.jsonl").write_text(lines[0] + lines[1][:20])
    (out / "run.json").write_text(json.dumps({**run, "state": "running"}))
    again = ask(wheel, chat_model, out, *words, parallel=1)
    assert again["categories"] == record["categories"]
    assert samples(out) == before


def test_tools_reach_the_template(wheel: Path, chat_model: Path, tmp_path: Path) -> None:
    record = ask(wheel, chat_model, tmp_path / "out", style=Style.TOOLS, categories=["parallel"])
    assert record["how"] == "unquantised"
    assert samples(tmp_path / "out")["parallel_0"]["fault"] == "0 calls, 2 asked for"


def test_mistakes_are_said(wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(error: type[Exception], said: str, **given: Any) -> None:
        with pytest.raises(error, match=said):
            ask(wheel, tmp_path / "nothing", tmp_path / "out", **given)

    refused(TextSourceError, "plena serve has ended: .*nothing")
    url = "http://127.0.0.1:9/v1"
    refused(FormatError, "--model goes without it", place=Place(serve=["--model"], base_url=url))
    refused(TextSourceError, url, place=Place(base_url=url, timeout_s=2))
    refused(FormatError, "NO_KEY, of --api-key-env", place=Place(key_env="NO_KEY"))
    refused(FormatError, "no category 'x'", categories=["x"])
    assert not (tmp_path / "out").exists()


def test_the_command(wheel: Path, tmp_path: Path) -> None:
    def say(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "plena_cosim", "eval", "functions", *words]
        return subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True)

    done = say("--style", "xml", "--data", str(wheel))
    assert done.returncode == 2 or done.returncode == 1
    assert "unknown style 'xml'; known: text, tools" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
