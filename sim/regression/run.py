"""The RTL regression as one call: what `plena sim` and `make sim` run, and `make replay`."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from plena_cosim.golden import FormatError
from plena_cosim.ground.lifeline import lifeline, tied

from ..cases.table import select_cases
from ..player.player import ProtocolError
from ..verilate.cache import BuildError
from ..verilate.process import heed_interrupts
from ..verilate.toolchain import ToolchainError, find_toolchain
from .replay import Replay
from .replay import replay as replay_vector

CHECKOUT = Path(__file__).resolve().parents[2]
TESTS = CHECKOUT / "tests" / "regression"
RESULTS = CHECKOUT / "results" / "sim"
SIMULATIONS = ("test_vectors.py", "test_bench.py")
INTERRUPTED = 130


def run(
    block: str | None = None,
    fmt: str | None = None,
    seed: int = 0,
    *,
    jobs: int | None = None,
    results: Path = RESULTS,
    rtl_dir: Path | None = None,
) -> int:
    """Run the regression and return its exit status: 0 when everything is equal and green.

    Args:
        block: only this op, e.g. "fp_mul".
        fmt: only cases with this format, e.g. "bf16".
        seed: of the random stimuli.
        jobs: parallel processes; one for each processor when None.
        results: folder for JUnit XML, summary, failing vectors and waveforms.
        rtl_dir: test this RTL instead of the project's (and no mutants of it).

    Returns:
        0 green, 1 a failure, 2 wrong arguments or tools missing, 130 interrupted.
    """
    try:
        count = len(select_cases(block, fmt))
        tools = find_toolchain()
    except (FormatError, ToolchainError) as error:
        return _complain(error)
    if not TESTS.is_dir():
        return _complain(f"the regression needs a checkout of the project; there is no {TESTS}")
    results.mkdir(parents=True, exist_ok=True)
    print(f"sim: {count} cases, seed {seed}, Verilator {tools.version_text} ({tools.source})")
    sys.stdout.flush()
    tests = [TESTS / name for name in SIMULATIONS] if rtl_dir else [TESTS]
    command = [
        *(sys.executable, "-m", "pytest", *map(str, tests)),
        *("-p", "plena_cosim.sim.regression.report", "-p", "no:terminal", "-p", "no:cacheprovider"),
        *("-o", "addopts=--strict-markers"),  # the project's own options need the terminal plugin
        *("-n", str(jobs or _processors()), "--dist", "worksteal", "--import-mode=importlib"),
        *(f"--sim-seed={seed}", f"--sim-results={results}", f"--rootdir={CHECKOUT}"),
        f"--junitxml={results / 'junit.xml'}",
        *([f"--sim-rtl={rtl_dir}"] if rtl_dir else []),
        *([f"--sim-block={block}"] if block else []),
        *([f"--sim-fmt={fmt}"] if fmt else []),
    ]
    return _run_group(command)


def replay(vector_id: str, *, results: Path = RESULTS) -> int:
    """Run one recorded vector again and write its waveform; 0 when RTL and golden now agree."""
    try:
        again: Replay = replay_vector(vector_id, results)
    except (FormatError, ToolchainError, BuildError, ProtocolError) as error:
        return _complain(error)
    verdict = "equal" if again.equal else "MismatchError"
    print(f"{verdict}: {again.line}\nwaveform: {again.waveform}")
    return 0 if again.equal else 1


def _complain(error: object) -> int:
    kind = f"{type(error).__name__}: " if isinstance(error, Exception) else ""
    print(f"{kind}{error}", file=sys.stderr)
    return 2


def _processors() -> int:
    return len(os.sched_getaffinity(0))


def _run_group(command: list[str]) -> int:
    """Run `command` with a process group of its own; whatever ends us ends all of it."""
    with _terminate_like_interrupt(), lifeline() as stdin:
        process = subprocess.Popen(
            tied(command),
            cwd=CHECKOUT,
            stdin=stdin,
            start_new_session=True,
            preexec_fn=heed_interrupts,
        )
        try:
            return 0 if process.wait() == 0 else 1
        except KeyboardInterrupt:
            _end(process)
            print(
                "sim: interrupted; finished builds are kept, nothing half-built is", file=sys.stderr
            )
            return INTERRUPTED


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the group to stop (builds clean up after themselves), then make it."""
    for number, patience in ((signal.SIGINT, 10.0), (signal.SIGKILL, 10.0)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
            return


@contextlib.contextmanager
def _terminate_like_interrupt() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
