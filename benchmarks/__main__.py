"""The benchmark suite.

    python -m benchmarks                     every part that has no record of this commit yet
    python -m benchmarks quantize gptq       these, again
    python -m benchmarks --page              docs/benchmarks.md anew from the records
    python -m benchmarks --quick             toy sizes; fails where a ratio is grossly worse

Each part writes results/bench/<part>.json when it is done, so that an interrupted suite goes on.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence

for _pool in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_pool, "1")  # read when NumPy and torch are imported

from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from plena_cosim.ground.progress import Progress  # noqa: E402
from plena_cosim.ground.progress_bar import progress_bars  # noqa: E402
from plena_cosim.ground.record import commit  # noqa: E402

from . import page, peers, record, regressions  # noqa: E402
from .effort import Effort  # noqa: E402
from .part import Row  # noqa: E402
from .parts import NAMES, load  # noqa: E402

QUICK_ROUNDS = 9


def main() -> int:
    """Run what was asked for; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--rounds", type=int, default=9, help="of everything that is timed")
    parser.add_argument("--threads", type=int, default=1, help="of torch and of kernels")
    parser.add_argument("--page", action="store_true", help="only renew docs/benchmarks.md")
    parser.add_argument("--quick", action="store_true", help="toy sizes against recorded ratios")
    parser.add_argument("--record", action="store_true", help="with --quick: write ratios down")
    given = parser.parse_args()
    if unknown := [name for name in given.parts if name not in NAMES]:
        parser.error(f"unknown part {unknown[0]!r}; parts: {', '.join(NAMES)}")
    if given.rounds < 1 or given.threads < 1:
        parser.error("--rounds and --threads must be 1 or more")
    if given.record and not given.quick:
        parser.error("--record goes with --quick")
    console = Console()
    if given.quick:
        return quick(given.parts or NAMES, console, keep=given.record)
    if not given.page:
        full(given.parts, Effort(full=True, rounds=given.rounds, threads=given.threads), console)
    console.print(f"{'renewed' if page.write() else 'fresh'}: {page.DOCUMENT}")
    return 0


def full(names: Sequence[str], effort: Effort, console: Console) -> None:
    """Measure parts and write their records.

    Args:
        names: of parts; none: those without a record of this commit.
        effort: sizes, rounds, threads.
        console: where tables go.
    """
    import torch

    torch.set_num_threads(effort.threads)
    for name, reason in peers.install().items():
        console.print(f"peer {name} is not installed: {reason}")
    done = {each["part"] for each in record.read_parts(NAMES) if each["run"]["commit"] == commit()}
    chosen = [load(name) for name in names or NAMES if names or name not in done]
    for name in () if names else done:
        console.print(f"{name}: measured at this commit before")
    with progress_bars(console) as progress:
        for part in chosen:
            console.print(f"{part.name}: about {part.minutes:g} min on quiet cores")
            before, began = record.machine(), time.perf_counter()
            rows = part.measure(effort, progress)
            seconds = time.perf_counter() - began
            console.print(table(part.name, rows))
            path = record.write_part(part, rows, effort, seconds=seconds, before=before)
            console.print(f"wrote {path}")


def quick(names: Sequence[str], console: Console, *, keep: bool) -> int:
    """Measure toys and compare ratios with the recorded ones; return the exit status.

    Args:
        names: of parts; those that are not quick are left out.
        console: where lines go.
        keep: write the ratios down in place of comparing.
    """
    import torch

    torch.set_num_threads(1)
    quick_parts = [part for part in map(load, names) if part.quick]
    effort = Effort(full=False, rounds=QUICK_ROUNDS)
    progress: Progress = lambda what, done, total: None  # noqa: E731
    rows = {part.name: part.measure(effort, progress) for part in quick_parts}
    found = regressions.ratios(rows)
    if keep:
        before = regressions.Recorded.read()
        kept = {key: ratio for key, (ratio, _) in found.items()}
        regressions.Recorded(factor=before.factor, ratios={**before.ratios, **kept}).write()
        console.print(f"recorded {len(kept)} ratios in {regressions.RECORDED.name}")
        return 0
    worse = regressions.regressions(rows, regressions.Recorded.read())
    for line in worse:
        console.print(line)
    console.print(f"benchmarks: {len(found)} ratios, {len(worse)} grossly worse than recorded")
    return 1 if worse else 0


def table(name: str, rows: Sequence[Row]) -> Table:
    """Return the rows of a part for the screen."""
    shown = Table(title=name)
    for heading in ("what", "median", "min … max", "goal", "met"):
        shown.add_column(heading, justify="left" if heading == "what" else "right")
    for row in rows:
        figure = row.figure
        met = "" if row.goal is None else ("yes" if row.goal.met(figure.median) else "no")
        shown.add_row(
            row.key,
            f"{page.number(figure.median)} {row.unit}",
            f"{page.number(figure.min)} … {page.number(figure.max)}",
            str(row.goal or ""),
            met,
        )
    return shown


if __name__ == "__main__":
    sys.exit(main())
