"""How cost grows, as pictures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def draw(records: Sequence[dict[str, Any]], folder: Path) -> list[Path]:
    """Draw one picture for each kind of curve in the records, and return the files.

    Args:
        records: of parts; rows with a place `x` are points of the curve `what`, whose words before
            the colon say what grows.
        folder: where files are written, as benchmarks-<what grows>.svg.
    """
    curves: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        for row in record["rows"]:
            if row["x"] is not None:
                grows, _, label = row["what"].partition(": ")
                curves[grows][f"{label} / {row['against']}"].append(row)
    return [_picture(grows, lines, folder) for grows, lines in curves.items()]


def _picture(grows: str, lines: dict[str, list[dict[str, Any]]], folder: Path) -> Path:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    path = folder / f"benchmarks-{grows.replace(' ', '-')}.svg"
    # The same figures give the same file: no date, no random names.
    with mpl.rc_context({"svg.hashsalt": grows, "font.size": 9}):
        figure = Figure(figsize=(6, 3), layout="constrained")
        axes = figure.subplots()
        for label, rows in lines.items():
            points = sorted(rows, key=lambda row: row["x"])
            middle = [row["figure"]["median"] for row in points]
            spread = [
                [row["figure"]["median"] - row["figure"]["min"] for row in points],
                [row["figure"]["max"] - row["figure"]["median"] for row in points],
            ]
            places = [row["x"] for row in points]
            axes.errorbar(places, middle, yerr=spread, marker="o", capsize=2, label=label)
        axes.set_xscale("log", base=2)
        axes.set_ylim(bottom=0)
        axes.set_xlabel(grows)
        axes.set_ylabel("×")
        axes.grid(alpha=0.3)
        axes.legend()
        figure.savefig(path, format="svg", metadata={"Date": None})
    return path
