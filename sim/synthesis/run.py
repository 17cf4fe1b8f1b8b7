"""The cost of every block as one call: what `plena synth` and `make synth` run.

Gates, depth and flip-flops are compared with the recorded ones (`rtl/synth.json`): a block that
grows or gets deeper fails, unless the new figures are recorded on purpose.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from plena_cosim.golden import FormatError
from plena_cosim.ground.record import environment
from plena_cosim.ground.write_whole import write_whole

from ..verilate.cache import BuildError
from ..verilate.rtl_files import RTL_DIR
from .cases import Configuration, all_configurations, select_configurations
from .report import Outcome, Pace, lanes_markdown, markdown, table
from .yosys import FLOW, Cost, SynthError, cost_of, pyosys_version

CHECKOUT = Path(__file__).resolve().parents[2]
RESULTS = CHECKOUT / "results" / "synth"
RECORD = RTL_DIR / "synth.json"
INTERRUPTED = 130
PLAIN_WIDTH = 130
"""Columns where the output is not a terminal."""


def run(
    block: str | None = None,
    fmt: str | None = None,
    *,
    slow: bool = False,
    jobs: int | None = None,
    record: bool = False,
    as_json: bool = False,
    results: Path = RESULTS,
    recorded: Path = RECORD,
    rtl_dir: Path = RTL_DIR,
) -> int:
    """Synthesise, show, compare; return the exit status.

    Args:
        block: only this op, e.g. "fp_mul".
        fmt: only configurations with this format, e.g. "bf16".
        slow: also the configurations that take minutes.
        jobs: parallel processes; one for each processor when None.
        record: write the figures down instead of failing when they are worse.
        as_json: print JSON instead of a table.
        results: folder for synth.json, with commit, versions and command.
        recorded: the file of recorded figures.
        rtl_dir: the RTL.

    Returns:
        0 nothing grew, 1 something did, 2 wrong arguments, tools missing or a block that does not
        synthesise, 130 interrupted.
    """
    screen = Console(stderr=as_json, highlight=False)
    if not screen.is_terminal:
        screen = Console(stderr=as_json, highlight=False, width=PLAIN_WIDTH)
    try:
        chosen = select_configurations(block, fmt, slow=slow)
        before = load_record(recorded)
        if not (record and slow and block is None and fmt is None):
            _require_same_tool(recorded)
        workers = jobs or len(os.sched_getaffinity(0))
        costs = asyncio.run(_synthesise(chosen, before, workers, screen, rtl_dir))
    except (FormatError, SynthError, BuildError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("synth: interrupted; what was finished is kept", file=sys.stderr)
        return INTERRUPTED
    outcomes = [
        Outcome(configuration=entry, cost=cost, recorded=before.get(entry.id))
        for entry, cost in zip(chosen, costs, strict=True)
    ]
    report = _record_of_run(outcomes)
    write_whole(results / "synth.json", json.dumps(report, indent=1) + "\n")
    if record:
        save_record(recorded, before, outcomes)
        print(f"synth: wrote {recorded}", file=sys.stderr)
    if as_json:
        print(json.dumps(report, indent=1))
    else:
        screen.print(table(outcomes))
    return _verdict(outcomes, record, screen)


def load_record(path: Path = RECORD) -> dict[str, Cost]:
    """Return the recorded cost of each configuration, by id; nothing if there is no record yet."""
    if not path.is_file():
        return {}
    figures = json.loads(path.read_text(encoding="utf-8"))["figures"]
    return {key: Cost(**figure) for key, figure in figures.items()}


def recorded_markdown(path: Path = RECORD) -> str:
    """Return the recorded figures as the Markdown table of docs/rtl-cost.md."""
    return markdown(all_configurations(), load_record(path))


def recorded_lanes(path: Path = RECORD) -> str:
    """Return the Markdown table of what a lane of the matrix unit costs, of docs/rtl-cost.md."""
    return lanes_markdown(all_configurations(), load_record(path))


def save_record(path: Path, before: Mapping[str, Cost], outcomes: Iterable[Outcome]) -> None:
    """Write the new costs over the recorded ones; what is not in the table (any more) goes.

    Args:
        path: of the file of recorded costs.
        before: what it has, by the id of the configuration.
        outcomes: what was synthesised.
    """
    costs = {**before} | {outcome.configuration.id: outcome.cost for outcome in outcomes}
    figures = {
        entry.id: asdict(costs[entry.id]) for entry in all_configurations() if entry.id in costs
    }
    record = {"pyosys": pyosys_version(), "flow": FLOW, "figures": figures}
    write_whole(path, json.dumps(record, indent=1) + "\n")


def _require_same_tool(path: Path) -> None:
    """SynthError if the recorded figures are another version's: they cannot be compared."""
    if path.is_file():
        theirs = json.loads(path.read_text(encoding="utf-8"))["pyosys"]
        if theirs != pyosys_version():
            raise SynthError(
                f"{path.name} was recorded with pyosys {theirs}, this is {pyosys_version()}: "
                f"pip install pyosys=={theirs}, or record anew with --record --all"
            )


async def _synthesise(
    chosen: Sequence[Configuration],
    before: Mapping[str, Cost],
    jobs: int,
    screen: Console,
    rtl_dir: Path,
) -> list[Cost]:
    """Return the cost of each configuration, in order; the largest start first."""
    this = asyncio.current_task()
    assert this is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    free = asyncio.Semaphore(jobs)
    costs: dict[str, Cost] = {}
    with Pace([entry.id for entry in chosen], before, screen) as pace:

        async def one(entry: Configuration) -> None:
            async with free:
                pace.starts(entry.id)
                costs[entry.id] = await cost_of(entry, rtl_dir=rtl_dir)
                pace.finished(entry.id, costs[entry.id])

        largest_first = sorted(chosen, key=lambda entry: -pace.work(entry.id))
        # An error leaves the others to asyncio.run, which cancels them and waits.
        await asyncio.gather(*(one(entry) for entry in largest_first))
    return [costs[entry.id] for entry in chosen]


def _record_of_run(outcomes: Iterable[Outcome]) -> dict[str, Any]:
    return {
        **environment(["pyosys"]),
        "command": " ".join(sys.argv),
        "flow": FLOW,
        "figures": [outcome.as_record() for outcome in outcomes],
    }


def _verdict(outcomes: Sequence[Outcome], record: bool, screen: Console) -> int:
    """Say in a line or more how it went, and return the exit status."""
    if record:
        return 0
    grew = [outcome for outcome in outcomes if outcome.growth]
    fresh = sum(outcome.recorded is None for outcome in outcomes)
    for outcome in grew:
        screen.print(f"FAILED {outcome.configuration.id}: {', '.join(outcome.growth)}")
    summary = f"synth: {len(outcomes)} configurations, {len(grew)} grew, {fresh} not recorded yet"
    hint = "; plena synth --record writes new figures down" if grew or fresh else ""
    screen.print(f"{summary}{hint}")
    return int(bool(grew))
