"""Commands on several processes, as launchers start them: the digits of one, and how they end."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests.evaluate.recipes import LINEAR

from plena_cosim.evaluate import perplexity, run_eval_ppl
from plena_cosim.evaluate.phase.run import run_eval_phase

OPTIONS = {"num_machines": 1, "mixed_precision": "no", "dynamo_backend": "no"}
ACCELERATE = [
    *("accelerate.commands.accelerate_cli", "launch", "--multi_gpu", "--num_processes", "2"),
    *(f"--{name}={value}" for name, value in OPTIONS.items()),
    "--main_process_port=0",
]
TORCHRUN = ["torch.distributed.run", "--standalone", "--nproc_per_node", "2"]

RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "fake": ("ppl", {"seqlen": 16}),
    "exact": ("ppl", {"seqlen": 16, "stride": 10, "numerics": "exact", "device": "cpu"}),
    "phase": ("phase", {"seqlen": 12, "prompt": 5, "batch_size": 3}),
    "documents": ("ppl", {"seqlen": 16, "protocol": "lm-eval", "batch_size": 2}),
}

PROGRAM = """
import json, sys
from pathlib import Path
from plena_cosim.evaluate import run_eval_ppl
from plena_cosim.evaluate.phase.run import run_eval_phase

base, runs, out = (json.loads(each) for each in sys.argv[1:])
for name, (command, options) in runs.items():
    run = run_eval_ppl if command == "ppl" else run_eval_phase
    run(**base, **options, quant_config=Path("recipe.toml"), out=Path(out) / name)
"""

KILLED = """
import json, os, signal, sys
from pathlib import Path
from plena_cosim.evaluate import run_eval_ppl
from plena_cosim.evaluate.results.sample_log import SampleLog

real, left = SampleLog.add, [2]

def add(self, sample, record):
    real(self, sample, record)
    left[0] -= 1
    if os.environ["RANK"] == "1" and not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)

SampleLog.add = add
base, options, out = (json.loads(each) for each in sys.argv[1:])
run_eval_ppl(**base, **options, quant_config=Path("recipe.toml"), out=Path(out))
"""


@pytest.fixture
def base(tiny_model: Path, ending_model: Path, words: Path, tmp_path: Path, monkeypatch) -> Any:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe.toml").write_text(LINEAR)
    return {"model": str(ending_model), "text": str(words)}


def launched(launcher: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run two processes to their end."""
    return subprocess.run(
        [sys.executable, "-m", *launcher, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def alone(base: dict[str, Any], command: str, options: dict[str, Any], out: Path) -> Any:
    run: Any = run_eval_ppl if command == "ppl" else run_eval_phase
    quiet = Console(file=io.StringIO())
    return run(**base, **options, quant_config=Path("recipe.toml"), out=out, console=quiet)


def results(folder: Path) -> dict[str, Any]:
    """What was measured, without the time that it took."""
    found = json.loads((folder / "results.json").read_text())["result"]
    return {name: value for name, value in found.items() if name != "seconds"}


def test_the_digits_of_one_process(base, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for name, (command, options) in RUNS.items():
        alone(base, command, options, one / name)
    # One of them begins with what one process left behind when it was killed.
    shutil.copytree(one / "fake", two / "fake")
    (two / "fake" / "results.json").unlink()
    run = two / "fake" / "run.json"
    run.write_text(run.read_text().replace('"finished"', '"running"'))
    log = two / "fake" / "samples.jsonl"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:3]))

    (tmp_path / "program.py").write_text(PROGRAM)
    done = launched(
        ACCELERATE, "program.py", json.dumps(base), json.dumps(RUNS), json.dumps(str(two))
    )
    assert done.returncode == 0, done.stderr
    for name in RUNS:
        assert results(two / name) == results(one / name), name
        here, there = (
            sorted(path.name for path in (out / name).iterdir() if path.name != ".lock")
            for out in (one, two)
        )
        assert here == there
        samples = [
            [json.loads(line)["sample"] for line in (out / name / "samples.jsonl").open()]
            for out in (one, two)
        ]
        assert samples[0] == samples[1]
    assert "goes on: 3 samples are there already" in done.stdout
    assert done.stdout.count("report: ") == len(RUNS)


def test_one_process_goes_on_where_a_killed_one_of_two_was(
    base, tmp_path: Path, monkeypatch
) -> None:
    (tmp_path / "killed.py").write_text(KILLED)
    out, options = tmp_path / "run", {"seqlen": 8}
    done = launched(
        TORCHRUN, "killed.py", json.dumps(base), json.dumps(options), json.dumps(str(out))
    )
    assert done.returncode != 0
    assert not (out / "results.json").exists()
    left = [
        json.loads(line)["sample"]
        for name in ("samples.jsonl", "samples-1.jsonl")
        if (out / name).exists()
        for line in (out / name).open()
    ]
    assert {"1", "3"} <= set(left)
    measured = []
    real = perplexity._loss
    monkeypatch.setattr(perplexity, "_loss", lambda *args: measured.append(args[2]) or real(*args))
    alone(base, "ppl", options, out)
    assert len(measured) == 13 - len(left)
    alone(base, "ppl", options, tmp_path / "whole")
    assert results(out) == results(tmp_path / "whole")
    assert not (out / "samples-1.jsonl").exists()


def test_an_error_is_said_once(base, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("x = [")
    arguments = ["--model", base["model"], "--text", base["text"], "--out", "run"]
    command = ["-m", "plena_cosim", "eval", "ppl", "--quant-config", "recipe.toml"]
    done = launched(TORCHRUN, *command, *arguments)
    assert done.returncode != 0
    assert done.stderr.count("FormatError: ") == 1
    assert "plena: terminated" not in done.stderr
    assert not (tmp_path / "run").exists()
