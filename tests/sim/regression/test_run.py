"""The regression as a user runs it: green, red, narrowed, refused and interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from plena_cosim.sim.formal.proofs import WRONG_TIE
from plena_cosim.sim.regression import run as regression
from plena_cosim.sim.regression.report import Figures, Pace, summary_table, time_text
from plena_cosim.sim.verilate.process import heed_interrupts

from ...ground.test_lifeline import wait_until_gone


def run_cli(
    *arguments: str, results: Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments, results=results),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "COLUMNS": "160", **(environment or {})},
    )


def command(*arguments: str, results: Path) -> list[str]:
    code = (
        "import sys; from pathlib import Path; from plena_cosim.sim.regression import run; "
        f"sys.exit(run.run({', '.join(arguments)}, results=Path({str(results)!r})))"
    )
    return [sys.executable, "-c", code]


def test_green_run_shows_the_table_and_writes_junit(tmp_path: Path) -> None:
    done = run_cli("'fp_mul'", "'e2m1'", "seed=7", "jobs=1", results=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "seed 7" in done.stdout
    for heading in ("block", "format", "vectors", "mismatches", "cycles/s"):
        assert heading in done.stdout
    assert "0 failed" in done.stdout
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()
    names = [case.get("name") for case in suite.iter("testcase")]
    assert "test_equals_golden[fp_mul-e2m1-all]" in names
    assert (tmp_path / "summary.json").is_file()


def test_red_run_prints_one_line_and_leaves_the_vector_and_its_waveform(tmp_path: Path) -> None:
    rtl = WRONG_TIE.write(tmp_path)
    results = tmp_path / "results"
    rtl_argument = f"rtl_dir=Path({str(rtl)!r})"
    done = run_cli("'fp_mul'", "'e2m1'", "0", rtl_argument, "jobs=1", results=results)
    assert done.returncode == 1
    lines = [line for line in done.stdout.splitlines() if line.startswith("MismatchError: ")]
    assert lines[0].startswith("MismatchError: plena_fp_mul[e2m1] vector ")
    assert " -> rtl 0x" in lines[0]
    identity = lines[0].split("replay: make replay ID=")[1].split(" ")[0]
    assert (results / f"{identity}.vcd").is_file()
    assert ElementTree.parse(results / "junit.xml").getroot().find(".//failure") is not None

    assert regression.replay(identity, results=results) == 0  # the project's RTL is right


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("'fp_mull'",), "unknown op 'fp_mull'"),
        (("'fp_mul'", "'bf61'"), "unknown format 'bf61'"),
        (("'mx_dot'", "'e3m4'"), "no case of mx_dot has the format 'e3m4'"),
    ],
)
def test_unknown_names_are_one_message(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = run_cli(*arguments, results=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_replay_of_an_unknown_vector_is_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert regression.replay("nothing", results=tmp_path) == 2
    assert "no vector 'nothing' recorded" in capsys.readouterr().err


def test_missing_compiler_is_one_message(tmp_path: Path) -> None:
    done = run_cli("'fp_mul'", results=tmp_path, environment={"PATH": str(tmp_path)})
    assert done.returncode == 2
    assert done.stderr.startswith("ToolchainError: g++ not found on PATH")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_is_one_message_and_leaves_nothing(tmp_path: Path, number: int) -> None:
    cache = tmp_path / "cache"
    child = subprocess.Popen(
        command("'fp_mul'", "jobs=2", results=tmp_path / "results"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "XDG_CACHE_HOME": str(cache)},
        preexec_fn=heed_interrupts,
    )
    deadline = time.monotonic() + 60
    while not list(cache.glob("plena-cosim/verilated/.*.tmp/*/*")):
        assert child.poll() is None, child.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.3)
    child.send_signal(number)
    output, error = child.communicate(timeout=30)
    assert child.returncode == regression.INTERRUPTED
    assert "sim: interrupted" in error
    assert "Traceback" not in output + error
    assert list(cache.glob("plena-cosim/verilated/.*.tmp")) == []
    for folder in cache.glob("plena-cosim/verilated/plena*"):
        assert [path.name for path in folder.iterdir()] == ["block.so"]


def test_time_left_follows_the_pace_of_each_test_function() -> None:
    slow, fast = ([f"{name}[{index}]" for index in range(4)] for name in ("slow", "fast"))
    pace = Pace([*slow, *fast])
    assert pace.time_left(0.0) == 0.0
    for test in slow[:2]:
        pace.finished(test, 4.0)
    assert pace.time_left(4.0) == 12.0  # two processes; nothing is known about the fast ones yet
    pace.finished(fast[0], 0.1)
    assert pace.time_left(4.05) == pytest.approx(4.05 * 8.3 / 8.1)
    assert (pace.done, pace.total) == (3, 8)
    assert time_text(125) == "2:05"


def test_table_adds_up_the_runs_of_a_case() -> None:
    def figures(run: str, vectors: int, speed: float) -> Figures:
        return Figures(
            block="fp_mul",
            fmt="bf16",
            run=run,
            vectors=vectors,
            mismatches=0,
            cycles_per_second=speed,
        )

    table = summary_table([figures("gaps", 10, 1.0), figures("all", 100, 5e6)])
    cells = [list(column.cells) for column in table.columns]
    assert cells == [["fp_mul"], ["bf16"], ["all"], ["110"], ["0"], ["5,000,000"]]


def test_a_killed_regression_leaves_no_process(tmp_path: Path) -> None:
    """Pytest, its workers and theirs are in the group that a watchdog ends."""
    worker = (
        "import subprocess, sys, os\n"
        f"open({str(tmp_path / 'session')!r}, 'w').write(str(os.getsid(0)))\n"
        "subprocess.run(['sleep', '60'])\n"
    )
    program = (
        "import sys\n"
        "from plena_cosim.sim.regression.run import _run_group\n"
        f"_run_group([sys.executable, '-c', {worker!r}])\n"
    )
    session = tmp_path / "session"
    with subprocess.Popen([sys.executable, "-c", program]) as run:
        while not (session.exists() and session.read_text()):
            assert run.poll() is None
            time.sleep(0.05)
        run.kill()
    wait_until_gone(int(session.read_text()))
