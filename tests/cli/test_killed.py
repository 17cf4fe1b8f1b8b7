"""Long commands as a user ends them: their processes end too, and the next run finds no rubbish.

The signal goes to the command alone, as `kill` sends it. Its children are found by a variable of
the environment, which all of them inherit, whatever session they are in.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from plena_cosim.sim.verilate.process import heed_interrupts

PATIENCE_S = 15
LONG = bool(os.environ.get("PLENA_TEST_LONG"))
MARK = "PLENA_TEST_MARK"
ENDED = {signal.SIGINT: 130, signal.SIGTERM: 143}
# Where the RTL commands note results is no option of theirs, and a user has some there.
PROGRAM = """
import sys
from importlib import import_module
from pathlib import Path
from plena_cosim.cli.main import main
module = sys.argv.pop(1)
if module == "slow":
    import_module("plena_cosim.evaluate.families.run")._PRELOADED.insert(1, "slow")
elif module:
    import_module(f"plena_cosim.sim.{module}").run.__kwdefaults__["results"] = Path("results")
main()
"""
RECIPE = """
[".*_proj"]
name = "mxint"
weight_block_size = 16
weight_width = 4
data_in_block_size = 16
data_in_width = 4
"""
SEARCH = """
[rotation_search]
calib_nsamples = 3
calib_seqlen = 16
calib_data = "file:words.txt"
"""


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command that takes long.

    Attributes:
        words: it and its arguments.
        busy: a word in the command lines of its children, when they are at work.
        module: where the function is whose results go into this test's folder; `slow`: its server
            of processes loads for a minute.
        again: what is run next; the same if None, nothing if it would take long or if another
            command's next run removes the same.
        left: what the next run has removed, as a pattern.
    """

    words: str
    busy: str
    module: str = ""
    again: str | None = None
    left: str = "cache/plena-cosim/verilated/.*.tmp"


COMMANDS = {
    "sim": Command(
        words="sim --block fp_neg --fmt e2m1 --jobs 1",
        busy="cc1plus",
        module="regression.run",
        again="",
    ),
    "sim-long": Command(words="sim-long --block fp_neg --fmt e2m1 --jobs 2", busy="spawn_main"),
    "demo": Command(
        words="demo",
        busy="cc1plus",
        module="regression.run",
        again="",
    ),
    "prove": Command(
        words="prove --proof mul-e2m1-table",
        busy="plena-tool",
        module="formal.prove",
        left="tmp/plena-*",
    ),
    "synth": Command(
        words="synth --block fp_neg --fmt e4m3 --jobs 1",
        busy="plena-tool",
        module="synthesis.run",
        left="tmp/plena-*",
    ),
    "mutate": Command(
        words="mutate --count 1 --file plena_fp_neg_core",
        busy="cc1plus",
        module="mutation.run",
        again="",
    ),
    "coverage": Command(
        words="coverage --rtl --block fp_neg --fmt e2m1 --jobs 2", busy="cc1plus", again=""
    ),
    "families": Command(words="families --check --only gpt2", busy="forkserver", left="tmp/plena*"),
    "ladder": Command(
        words="ladder --model {model} --recipes recipes --text words.txt --limit 64",
        busy="ladder.step",
        again="",
    ),
}
# One of each way of having children; all of them in `make test-long`.
ENOUGH = COMMANDS if LONG else ("sim", "sim-long", "synth", "families", "ladder")
SLOW = {"families-slow": replace(COMMANDS["families"], module="slow")}


@dataclass
class Running:
    """A command in a folder of its own."""

    folder: Path
    command: Command
    model: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def start(self, words: str) -> subprocess.Popen[bytes]:
        given = [word.format(model=self.model) for word in words.split()]
        own = {
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "TMPDIR": str((self.folder / "tmp").resolve()),
        }
        with (self.folder / "said").open("wb") as said:
            return subprocess.Popen(
                [sys.executable, "-c", PROGRAM, self.command.module, *given],
                cwd=self.folder,
                env={**os.environ, **own, MARK: self.mark},
                stdout=said,
                stderr=said,
                preexec_fn=heed_interrupts,
            )

    def said(self) -> str:
        return (self.folder / "said").read_text(errors="replace")

    def processes(self) -> dict[int, str]:
        """The command lines of it and all its children; a zombie has no environment."""
        found = {}
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                if f"{MARK}={self.mark}".encode() in path.read_bytes():
                    words = (path.parent / "cmdline").read_text().replace("\0", " ")
                    found[int(path.parent.name)] = words
            except OSError:
                continue
        return found

    def end_at_work(self, number: signal.Signals, after_s: float = 0) -> int:
        """Send it a signal when a child has been at work for so long; return its status."""
        process = self.start(self.command.words)
        deadline = time.monotonic() + 60
        while not any(
            self.command.busy in words and pid != process.pid
            for pid, words in self.processes().items()
        ):
            assert process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.processes()
            time.sleep(0.02)
        time.sleep(after_s)
        process.send_signal(number)
        deadline = time.monotonic() + PATIENCE_S
        while process.poll() is None or self.processes():
            if time.monotonic() > deadline:
                left = self.processes()
                for pid in left:
                    os.kill(pid, signal.SIGKILL)
                process.wait()
                pytest.fail(f"{PATIENCE_S} s after {number.name}: {left}")
            time.sleep(0.02)
        return process.wait()


@pytest.fixture
def running(
    request: pytest.FixtureRequest, tmp_path: Path, tiny_model: Path, words: Path
) -> Iterator[Running]:
    """The command that the test names; `words` is in its folder."""
    short = tempfile.mkdtemp(prefix="k")  # a socket's address has little room
    (tmp_path / "tmp").symlink_to(short)
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "10_four.toml").write_text(RECIPE)
    (tmp_path / "search.toml").write_text(RECIPE + SEARCH)
    yield Running(tmp_path, {**COMMANDS, **SLOW}[request.param], tiny_model)
    shutil.rmtree(short)


@pytest.mark.parametrize("running", ENOUGH, indirect=True)
def test_kill_9_ends_its_children_and_the_next_run_tidies_up(running: Running) -> None:
    assert running.end_at_work(signal.SIGKILL) == -signal.SIGKILL
    again = running.command.again
    if again == "":
        return
    process = running.start(again or running.command.words)
    assert process.wait(120) in (0, 1), running.said()  # 1: gates of one more bit, a mutant lives
    assert "Traceback" not in running.said()
    assert list(running.folder.glob(running.command.left)) == []
    deadline = time.monotonic() + PATIENCE_S
    while running.processes():
        assert time.monotonic() < deadline, running.processes()
        time.sleep(0.02)


# SIGTERM is an interrupt by another name: one of the two for each command.
SIGNALS = (
    ("coverage", signal.SIGINT),
    ("demo", signal.SIGTERM),
    ("mutate", signal.SIGINT),
    ("prove", signal.SIGINT),
)
OTHER_SIGNALS = (
    ("families", signal.SIGTERM),
    ("ladder", signal.SIGTERM),
    ("sim-long", signal.SIGTERM),
    ("synth", signal.SIGTERM),
)


@pytest.mark.parametrize(
    ("running", "number"), SIGNALS + (OTHER_SIGNALS if LONG else ()), indirect=["running"]
)
def test_a_signal_ends_its_children_and_leaves_nothing(
    running: Running, number: signal.Signals
) -> None:
    status = running.end_at_work(number)
    words = re.findall(r"^(\w+): (?:interrupted|terminated)", running.said(), re.MULTILINE)
    assert len(words) == 1, running.said()
    assert status == (ENDED[number] if words == ["plena"] else 130)
    assert "Traceback" not in running.said()
    for pattern in ("tmp/plena*", "cache/plena-cosim/**/.*.tmp", "results/**/.*.tmp"):
        assert list(running.folder.glob(pattern)) == []


@pytest.mark.parametrize("after_s", [0, 0.5] if LONG else [0.5])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("running", ["families-slow"], indirect=True)
def test_a_server_of_processes_ends_while_it_loads(
    running: Running, number: signal.Signals, after_s: float
) -> None:
    (running.folder / "slow.py").write_text("import time\ntime.sleep(60)\n")
    assert running.end_at_work(number, after_s) == ENDED.get(number, -number)


def test_a_search_that_kill_9_ended_goes_on(tmp_path: Path, tiny_model: Path, words: Path) -> None:
    """It has no children; what it has measured is kept."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "search.toml").write_text(RECIPE + SEARCH)
    command = Command(
        words="search rotation --model {model} --quant-config search.toml --threads 1", busy=""
    )
    running = Running(tmp_path, command, tiny_model)
    process = running.start(command.words)
    log = tmp_path / "results" / "search" / "search.decisions.json"
    while not log.exists():
        assert process.poll() is None, running.said()
        time.sleep(0.005)
    process.kill()
    process.wait()
    deadline = time.monotonic() + PATIENCE_S
    while running.processes():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert running.start(command.words).wait(60) == 0, running.said()
    assert "going on: results/search/search.decisions.json holds" in running.said()
    assert list(tmp_path.glob("results/**/.*.tmp")) == []
