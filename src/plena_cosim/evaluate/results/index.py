"""The runs that lie in a folder of results."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from plena_cosim.sources import TextSourceError

from .report import Report, ReportTable
from .run_folder import REPORT, RESULTS, RUN, RunFile, read_results, read_run

HEADER = ("run", "state", "figure", "value", "time")


def runs_under(folder: Path) -> Iterator[tuple[Path, RunFile]]:
    """Give the folders of runs, at any depth, with what their run.json says, in order of names.

    What is no run is left out, other files of that name included.
    """
    for path in sorted(folder.rglob(RUN)):
        try:
            yield path.parent, read_run(path.parent)
        except TextSourceError:
            continue


def index_rows(folder: Path) -> list[tuple[str, ...]]:
    """Return a line for each run under a folder: name, state, first figure, its value, time."""
    return [
        (
            os.path.relpath(place, folder),
            run.state,
            *_figure(place),
            str(run.environment.get("time", "")),
        )
        for place, run in runs_under(folder)
    ]


def index_report(folder: Path) -> Report:
    """Return a page that leads to the reports of all runs under a folder."""
    rows = index_rows(folder)
    links = {
        (number, 0): quote(f"{row[0]}/{REPORT}")
        for number, row in enumerate(rows)
        if (folder / row[0] / REPORT).exists()
    }
    table = ReportTable(
        caption=f"{len(rows)} runs", header=HEADER, rows=rows, numbers=(3,), links=links
    )
    return Report(title=f"Runs in {folder.absolute().name}", parts=[table])


def _figure(folder: Path) -> tuple[str, str]:
    if not (folder / RESULTS).exists():
        return "", ""
    shown: Any = read_results(folder).get("shown") or [("", "")]
    name, value = shown[0]
    return str(name), str(value)
