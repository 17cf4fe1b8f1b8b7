"""`plena cosim` as a process: it ends at once, leaves nothing behind, and goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from plena_cosim.cli.main import app


@pytest.fixture
def command(job: Callable[..., Any], tmp_path: Path) -> list[str]:
    given = job()
    return [
        *(sys.executable, "-m", "plena_cosim", "cosim", "run", "--ops", "matmul", "--fresh"),
        *("--model", given.model, "--quant-config", str(given.quant_config)),
        *("--machine", str(given.machine), "--text", str(given.text), "--tokens", "64"),
        *("--out", str(tmp_path / "out"), "--jobs", "2"),
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_leaves_no_process_and_goes_on(
    command: list[str], number: signal.Signals, tmp_path: Path
) -> None:
    again = [word for word in command if word != "--fresh"]
    place = {**os.environ, "PLENA_TEST_MARK": str(tmp_path)}
    known = tmp_path / "cache"
    # Builds come from the user's cache; what is known lies in a cache of the test's own.
    place["XDG_CACHE_HOME"] = str(known)
    builds = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "plena-cosim"
    (known / "plena-cosim").mkdir(parents=True)
    for folder in builds.iterdir() if builds.is_dir() else ():
        if folder.name != "cosim":
            (known / "plena-cosim" / folder.name).symlink_to(folder)
    running = subprocess.Popen(
        again, env=place, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    until = time.monotonic() + 120
    notes = known / "plena-cosim" / "cosim"
    while running.poll() is None and time.monotonic() < until:
        if any(path.stat().st_size for path in notes.glob("verified-*")):
            break
        time.sleep(0.01)
    running.send_signal(number)
    _, error = running.communicate(timeout=60)
    if number is signal.SIGTERM:
        assert running.returncode == 128 + signal.SIGTERM, error
    with pytest.raises(ProcessLookupError):
        os.killpg(running.pid, 0)
    done = subprocess.run(again, env=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "out" / "results.json").read_text())["rows"]
    assert sum(row["known"] for row in rows) > 0


def test_help_names_every_operation() -> None:
    from plena_cosim.cosim.selection import OPS

    shown = CliRunner().invoke(app, ["cosim", "run", "--help"], env={"COLUMNS": "300"}).output
    assert all(name in shown for name in OPS)


def test_a_replay_of_no_file_is_one_error(tmp_path: Path) -> None:
    found = CliRunner().invoke(app, ["cosim", "replay", str(tmp_path / "none.npz")])
    assert "give the .npz that a difference names" in str(found.exception)
