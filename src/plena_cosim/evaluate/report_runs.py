"""The work behind `plena report`: runs beside each other, and what is there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from plena_cosim.ground.write_whole import write_whole
from plena_cosim.sources import TextSourceError

from .record import describe_run
from .results.compare import HEADER, NOTE, compare_runs, comparison_rows, write_comparison
from .results.index import index_report, index_rows
from .results.run_folder import REPORT, read_results


def run_compare(
    folders: Sequence[Path],
    *,
    baseline: Path | None = None,
    out: Path = Path("results/compare"),
    console: Console | None = None,
) -> dict[str, Any]:
    """Print runs beside the unquantised baseline, and write results.json and report.html.

    Args:
        folders: of finished runs over the same samples.
        baseline: of the run that they are compared with; None: the unquantised one among them, or
            beside them.
        out: where both files go.
        console: where the table goes.

    Returns:
        What results.json says.

    Raises:
        FormatError, TextSourceError: they cannot be compared; the message says why.
    """
    console = console or Console()
    base, compared = compare_runs(folders, baseline=baseline)
    table = Table()
    table.add_column(HEADER[0], overflow="fold")
    table.add_column(HEADER[1])
    for name in HEADER[2:]:
        table.add_column(name, justify="right")
    for row in comparison_rows(base, compared):
        table.add_row(*map(Text, row))
    console.print(table)
    console.print(NOTE, style="dim")
    write_comparison(out, base, compared, environment=describe_run(seed=0, config_sha256=None))
    console.print(f"report: {out / REPORT}", soft_wrap=True)
    return read_results(out)


def run_index(
    folder: Path = Path("results"), *, html: Path | None = None, console: Console | None = None
) -> list[tuple[str, ...]]:
    """Print the runs under a folder, newest last.

    Args:
        folder: where runs lie, at any depth.
        html: a file for a page that leads to their reports; it belongs into the folder.
        console: where the table goes.

    Returns:
        A line for each: name, state, first figure, its value, time.

    Raises:
        TextSourceError: there is no such folder, or no run in it.
    """
    console = console or Console()
    rows = sorted(index_rows(folder), key=lambda row: row[-1]) if folder.is_dir() else []
    if not rows:
        raise TextSourceError(
            f"there is no run under {folder}; plena eval ppl, for example, leaves one under results"
        )
    table = Table()
    table.add_column("run", overflow="fold")
    for name in ("state", "figure"):
        table.add_column(name)
    table.add_column("value", justify="right")
    for name, state, figure, value, _ in rows:
        table.add_row(Text(name), state, figure, value)
    console.print(table)
    if html is not None:
        write_whole(html, index_report(folder).html())
        console.print(f"page: {html}", soft_wrap=True)
    return rows
