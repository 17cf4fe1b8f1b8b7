"""A pytest plugin that shows a regression: progress with time left, one-line failures, a table.

Load it with `-p plena_cosim.sim.regression.report`; under pytest-xdist it works in the
controlling process.
Tests hand their figures over with `record_figures`, which also puts them into the JUnit XML.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from plena_cosim.ground.progress import time_left, time_text
from plena_cosim.ground.progress_bar import paced_bar
from plena_cosim.ground.record import environment
from plena_cosim.ground.write_whole import write_whole

from ..cases.table import select_cases
from ..coverage.report import FOLDER, judge, load, total_line, write_merged

PROPERTY = "plena_figures"
UNSTALLED_RUNS = ("all", "corners+random", "blocks", "vectors")
MUTANT = "mutant"
PLAIN_INTERVAL_SECONDS = 5.0
PLAIN_WIDTH = 110
"""Columns where the output is not a terminal."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What one simulation came to."""

    block: str
    fmt: str
    run: str
    """One of UNSTALLED_RUNS, a stall pattern, "cocotb" or MUTANT."""
    vectors: int
    mismatches: int
    cycles_per_second: float


def record_figures(record_property: Callable[[str, object], None], figures: Figures) -> None:
    """Attach figures to the running test."""
    record_property(PROPERTY, json.dumps(asdict(figures)))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the regression."""
    group = parser.getgroup("plena sim")
    group.addoption("--sim-block", help="only this block, e.g. fp_mul")
    group.addoption("--sim-fmt", help="only cases with this format, e.g. bf16")
    group.addoption("--sim-seed", type=int, default=0, help="seed of the random stimuli")
    group.addoption("--sim-rtl", type=Path, help="RTL folder to test instead of the project's")
    group.addoption("--sim-results", type=Path, help="where failures and waveforms go")


def pytest_configure(config: pytest.Config) -> None:
    """Start the report, in the controlling process only."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Report(config), "plena-sim-report")


class Report:
    """Collects what the tests report and shows it."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.console = Console(highlight=False, soft_wrap=True)
        if not self.console.is_terminal:
            self.console = Console(highlight=False, soft_wrap=True, width=PLAIN_WIDTH)
        self.began = time.monotonic()
        self.shown = self.began
        self.pace = Pace()
        self.failures: list[str] = []
        self.figures: list[Figures] = []
        self.progress: Progress | None = None

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Learn the number of tests (without xdist)."""
        self._expect([item.nodeid for item in session.items])

    def pytest_xdist_node_collection_finished(self, node: object, ids: list[str]) -> None:
        """Learn the number of tests (with xdist)."""
        self._expect(ids)

    def _expect(self, ids: Sequence[str]) -> None:
        self.pace = Pace(ids)
        if ids and self.progress is None and self.console.is_terminal:
            self.progress = paced_bar(self.console, "sim")
            self.progress.start()
            self.progress.add_task("", total=self.pace.total, left="")

    @pytest.hookimpl(optionalhook=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count one finished test; print a failure at once."""
        if report.failed:
            self._print(failure_text(report))
            self.failures.append(report.nodeid)
        if report.when != "call" and not (report.when == "setup" and not report.passed):
            return
        self.pace.finished(report.nodeid, report.duration)
        for name, value in report.user_properties:
            if name == PROPERTY:
                self.figures.append(Figures(**json.loads(str(value))))
        self._advance(report.nodeid.split("::")[-1])

    def _advance(self, name: str) -> None:
        left = time_text(self.pace.time_left(time.monotonic() - self.began))
        if self.progress is not None:
            task = self.progress.task_ids[0]
            self.progress.update(
                task, completed=self.pace.done, description=escape(name), left=f"{left} left"
            )
            return
        now = time.monotonic()
        if now - self.shown >= PLAIN_INTERVAL_SECONDS:
            self.shown = now
            elapsed = time_text(now - self.began)
            self._print(
                f"sim: {self.pace.done} of {self.pace.total} done, {len(self.failures)} failed, "
                f"{elapsed} elapsed, about {left} left"
            )

    def _print(self, text: str) -> None:
        self.console.print(text, markup=False)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Show the table and write the summary."""
        if self.progress is not None:
            self.progress.stop()
        if self.figures:
            self.console.print(summary_table(self.figures))
        folder = self.config.getoption("sim_results")
        if folder is not None:
            write_summary(folder, self.figures, self.failures, self._command())
        elapsed = time_text(time.monotonic() - self.began)
        rows = [row for row in self.figures if row.run != MUTANT]
        vectors = sum(row.vectors for row in rows)
        mismatches = sum(row.mismatches for row in rows)
        mutants = [row for row in self.figures if row.run == MUTANT]
        if mutants:
            killed = sum(row.mismatches > 0 for row in mutants)
            self._print(f"mutants: {killed} of {len(mutants)} killed")
        if folder is not None and (line := self._coverage(folder)):
            self._print(line)
        self._print(
            f"sim: {self.pace.done} of {self.pace.total} simulations and tests in {elapsed}, "
            f"{len(self.failures)} failed; {vectors:,} vectors, {mismatches:,} mismatches "
            f"(seed {self.config.getoption('sim_seed')})"
        )

    def _coverage(self, folder: Path) -> str:
        """Merge what this run has seen; returns the total in one line, or "" if there is none."""
        option = self.config.getoption
        cases = [case.id for case in select_cases(option("sim_block"), option("sim_fmt"))]
        seen = load(folder / FOLDER, only=cases, seed=option("sim_seed"))
        if not seen:
            return ""
        write_merged(folder)
        return total_line(map(judge, seen))

    def _command(self) -> str:
        return " ".join(["pytest", *map(str, self.config.invocation_params.args)])


def failure_text(report: pytest.TestReport) -> str:
    """Return a failure as the exception's own words, without a traceback."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        return f"FAILED {report.nodeid}: {report.longrepr}"
    kind, separator, rest = crash.message.partition(": ")
    return f"{kind.rsplit('.', 1)[-1]}{separator}{rest}  [{report.nodeid.split('::')[-1]}]"


class Pace:
    """Estimates the time left: tests of one function take about the same time.

    Args:
        ids: pytest's node ids of all tests.
    """

    def __init__(self, ids: Sequence[str] = ()) -> None:
        self.total = len(ids)
        self.done = 0
        self.waiting = Counter(_function(test) for test in ids)
        self.spent: dict[str, list[float]] = {}

    def finished(self, test: str, seconds: float) -> None:
        """Count one finished test."""
        self.done += 1
        self.waiting[_function(test)] -= 1
        self.spent.setdefault(_function(test), []).append(seconds)

    def time_left(self, elapsed: float) -> float:
        """Return seconds: elapsed time, times the work that waits over the work that is done."""
        work_done = sum(sum(durations) for durations in self.spent.values())
        if not work_done:
            return 0.0
        usual = work_done / self.done
        means = {name: sum(times) / len(times) for name, times in self.spent.items()}
        work_left = sum(count * means.get(name, usual) for name, count in self.waiting.items())
        return time_left(elapsed, done=work_done, left=work_left)


def _function(test: str) -> str:
    return test.partition("[")[0]


def summary_table(figures: Iterable[Figures]) -> Table:
    """Return block × format × inputs × vectors × mismatches × cycles/s, one row a case.

    A row adds up the unstalled run, which names the inputs and the speed, and the stalled and
    cocotb runs of the same case.
    """
    table = Table()
    for heading in ("block", "format", "inputs"):
        table.add_column(heading)
    for heading in ("vectors", "mismatches", "cycles/s"):
        table.add_column(heading, justify="right")
    rows: dict[tuple[str, str], list[Figures]] = {}
    for figure in figures:
        if figure.run != MUTANT:
            rows.setdefault((figure.block, figure.fmt), []).append(figure)
    previous = ""
    for (block, fmt), runs in sorted(rows.items()):
        if previous and block != previous:
            table.add_section()
        previous = block
        main = max(runs, key=lambda row: row.run in UNSTALLED_RUNS)
        mismatches = sum(row.mismatches for row in runs)
        table.add_row(
            block,
            fmt,
            main.run,
            f"{sum(row.vectors for row in runs):,}",
            f"{'[bold red]' if mismatches else ''}{mismatches:,}",
            f"{main.cycles_per_second:,.0f}",
        )
    return table


def write_summary(
    folder: Path, figures: Iterable[Figures], failures: list[str], command: str
) -> None:
    """Write summary.json: the figures with commit, versions and command.

    Args:
        folder: where it goes.
        figures: one a simulation.
        failures: pytest's ids of what failed.
        command: what was run.
    """
    record: dict[str, Any] = {
        **environment(["numpy"]),
        "command": command,
        "arguments": sys.argv[1:],
        "python": platform.python_version(),
        "numpy": np.__version__,
        "processors": os.cpu_count(),
        "failures": failures,
        "figures": [asdict(row) for row in figures],
    }
    write_whole(folder / "summary.json", json.dumps(record, indent=1))
