"""`make slowest`: the slowest tests of the last `make test`, and what share of it they are."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .durations import LAST_RUN, Timed, read_run

COUNT = 20


def slowest_table(run: list[Timed], *, count: int = COUNT) -> Table:
    """Return a table of the slowest tests; seconds are of one process, set-up included."""
    total = sum(test.seconds for test in run)
    shown = sorted(run, key=lambda test: test.seconds, reverse=True)[:count]
    share = sum(test.seconds for test in shown)
    title = (
        f"{len(shown)} of {len(run):,} tests take {share:,.1f} of {total:,.1f} s "
        f"({_percent(share, total)})"
    )
    table = Table(title=title)
    table.add_column("seconds", justify="right")
    table.add_column("share", justify="right")
    table.add_column("test", overflow="fold")
    for test in shown:
        name = f"{test.file.removeprefix('tests/')}::{test.name}"
        # Not as markup: parameters stand in square brackets.
        table.add_row(f"{test.seconds:.1f}", _percent(test.seconds, total), escape(name))
    return table


def main(path: Path = LAST_RUN, *, console: Console | None = None) -> int:
    """Print the table; 1 where no run has left its times."""
    console = console or Console()
    if not path.is_file():
        console.print(
            f"slowest: no {path}; run `make test`, which writes it when pytest has finished",
            soft_wrap=True,
        )
        return 1
    console.print(slowest_table(read_run(path)))
    return 0


def _percent(part: float, whole: float) -> str:
    return f"{part / whole:.1%}" if whole else "–"


if __name__ == "__main__":
    raise SystemExit(main())
