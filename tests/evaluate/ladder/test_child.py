"""The process of a step: it answers, it reports, and it ends with the one that started it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from plena_cosim.evaluate.ladder import child as ladder_child
from plena_cosim.evaluate.ladder.child import StepError, measure_step
from plena_cosim.evaluate.ladder.step import peak_memory_bytes

from .ladder_folder import RECIPE

ENTRY = [sys.executable, "-P", "-m", "plena_cosim.evaluate.ladder.step"]


@pytest.fixture
def request_(tiny_model: Path, words: Path, tmp_path: Path) -> dict[str, object]:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f'[rotation]\nonline = ["down_proj"]\n{RECIPE.format(width=4)}')
    return {
        "model": str(tiny_model), "text": str(words), "recipe": str(recipe), "numerics": "fake",
        "limit": 90, "seqlen": 32, "threads": 1, "device": None, "cache": None,
    }  # fmt: skip


def no_show(what: str, done: int, total: int) -> None:
    pass


def interrupt(what: str, done: int, total: int) -> None:
    raise KeyboardInterrupt


def gone(pid: int) -> bool:
    """Return whether a process ends within ten seconds."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def test_it_shows_how_far_it_is(request_, tmp_path: Path) -> None:
    shown = []
    found = measure_step(
        request_, log=tmp_path / "logs" / "a.log", show=lambda *given: shown.append(given)
    )
    assert shown[0] == ("quantising", 0, 1)
    assert shown[1:] == [("perplexity", done, 3) for done in (1, 2, 3)]
    assert found.run["threads"] == 1
    assert found.modules == 14
    assert found.rotations == {"down_proj": 2}


def test_a_calibration_shows_its_layers_and_what_it_went_on_from(request_, tmp_path: Path) -> None:
    text, recipe = tmp_path / "calibration.txt", tmp_path / "gptq.toml"
    text.write_text(" ".join(f"w{(7 * i) % 60}" for i in range(200)))
    checkpoints = tmp_path / "checkpoints"
    recipe.write_text(
        f"""
[gptq]
model_name = "{request_["model"]}"
format = "mxint"
device = "cpu"
dataset = "file:{text}"
nsamples = 4
seqlen = 32
cali_batch_size = 2
checkpoint_dir = "{checkpoints}"
[gptq.weight_config]
weight_block_size = 16
weight_width = 4
{RECIPE.format(width=4)}gptq = true
"""
    )
    shown, results = [], []
    for _ in range(2):
        found = measure_step(
            {**request_, "recipe": str(recipe)},
            log=tmp_path / "a.log",
            show=lambda *given: shown.append(given),
        )
        results.append(found)
    first, second = results
    assert ("calibration", 2, 2) in shown
    assert (first.went_on_from, second.went_on_from) == ([], [str(checkpoints)])
    assert first.token_perplexity == second.token_perplexity
    plain = measure_step(request_, log=tmp_path / "a.log", show=no_show)
    assert plain.token_perplexity != first.token_perplexity


def test_its_peak_memory_is_its_own(request_, tmp_path: Path) -> None:
    ballast = bytearray(800_000_000)
    ballast[::4096] = b"x" * len(range(0, len(ballast), 4096))
    assert peak_memory_bytes() > 800_000_000
    found = measure_step(request_, log=tmp_path / "a.log", show=no_show)
    assert 50_000_000 < found.peak_memory_bytes < 750_000_000
    del ballast


def test_what_is_refused_comes_out_as_one_line(request_, tmp_path: Path) -> None:
    wrong = {**request_, "text": str(tmp_path / "absent.txt")}
    with pytest.raises(StepError) as error:
        measure_step(wrong, log=tmp_path / "a.log", show=no_show)
    assert str(error.value).startswith("TextSourceError: cannot read text")
    assert (tmp_path / "a.log").read_text() == ""


def test_a_fault_comes_out_with_its_traceback_in_the_log(request_, tmp_path: Path) -> None:
    with pytest.raises(StepError, match=r"^TypeError: "):
        measure_step({**request_, "seqlen": "x"}, log=tmp_path / "a.log", show=no_show)
    assert "Traceback" in (tmp_path / "a.log").read_text()


def test_a_killed_process_is_said(request_, tmp_path: Path) -> None:
    before = children()

    def kill(what: str, done: int, total: int) -> None:
        for child in children() - before:  # none, when it is killed and what it said is still read
            os.kill(child, signal.SIGKILL)

    with pytest.raises(StepError, match=r"ended by SIGKILL \(the machine may have run out of mem"):
        measure_step(request_, log=tmp_path / "a.log", show=kill)
    assert children() <= before


def test_a_process_that_cannot_start_is_said(request_, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(ladder_child.sys, "executable", "/bin/false")
    log = tmp_path / "a.log"
    with pytest.raises(StepError, match=rf"ended with status 1 and no result; .* {log}"):
        measure_step(request_, log=log, show=no_show)


def test_an_interrupt_stops_it(request_, tmp_path: Path) -> None:
    before, seen = children(), []

    def note(*given: object) -> None:
        seen.extend(children() - before)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_step(request_, log=tmp_path / "a.log", show=note)
    assert len(seen) == 1
    assert gone(seen[0])


def test_a_process_that_does_not_listen_is_killed(request_, tmp_path: Path, monkeypatch) -> None:
    deaf = tmp_path / "deaf"
    deaf.write_text(
        "#!/bin/sh\ntrap '' TERM\n"
        """echo '{"show": ["nothing", 0, 1]}'\nexec sleep 60\n"""
    )
    deaf.chmod(0o755)
    monkeypatch.setattr(ladder_child.sys, "executable", str(deaf))
    monkeypatch.setattr(ladder_child, "_PATIENCE_S", 0.2)
    start, before = time.monotonic(), children()
    with pytest.raises(KeyboardInterrupt):
        measure_step(request_, log=tmp_path / "a.log", show=interrupt)
    assert time.monotonic() - start < 10
    assert children() <= before


def test_it_ends_when_the_ladder_is_killed(request_) -> None:
    with subprocess.Popen(ENTRY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        many = {**request_, "seqlen": 2}
        print(json.dumps(many), file=child.stdin, flush=True)
        child.stdout.readline()  # it is at work
        child.stdin.close()
        assert child.wait(10) == 1
        assert "measured" not in child.stdout.read()


def test_what_libraries_print_does_not_disturb() -> None:
    code = """
from plena_cosim.evaluate.ladder import step
def noisy(request, send):
    print("noise")
    send({"show": ["x", 1, 2]})
    return {}
step.measure = noisy
raise SystemExit(step.main())
"""
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        print("{}", file=child.stdin, flush=True)
        answers = [json.loads(line) for line in child.stdout]
        assert answers == [{"show": ["x", 1, 2]}, {"measured": {}}]
        assert "noise" in child.stderr.read()
        assert child.wait() == 0


def children() -> set[int]:
    """Return the processes that this one has started and that are not zombies.

    Other tests of the same process leave some for good, such as multiprocessing's resource tracker.
    """
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == os.getpid() and state != "Z":
                found.add(int(stat.parent.name))
    return found
