"""The picture of a rotation search: what each round measured, and what it kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from plena_cosim.passes.rotation_search import SearchResult
from plena_cosim.sources.errors import need

from ..figure import new_figure, save_figure

_NAMED = 12
"""So many rounds can be named below the axis."""


def draw(path: Path, found: SearchResult, *, title: str, caveat: str) -> None:
    """Draw candidates as dots over rounds, and the perplexity that remains as a line.

    Args:
        path: a .png file.
        found: of the search.
        title: above the axes.
        caveat: small print under the axes.
    """
    save_figure(path, rounds(found, title=title), caveat=caveat)


def rounds(found: SearchResult, *, title: str) -> Any:
    """Return the figure of `draw`.

    Args:
        found: of the search.
        title: above the axes.
    """
    figure, axes = new_figure(7, 4.2)
    few = len(found.rounds) <= _NAMED
    for number, each in enumerate(found.rounds, start=1):
        values = [value for name, value in each.tried.items() if name != each.winner]
        label = "tried" if number == 1 else None
        axes.scatter([number] * len(values), values, s=12, color="tab:gray", label=label)
        if few and each.winner is not None:
            where, offset = (number, each.after), (0, -12)
            axes.annotate(
                each.winner, where, offset, textcoords="offset points", ha="center", fontsize=8
            )
    kept = [found.baseline, *(each.after for each in found.rounds)]
    axes.plot(range(len(kept)), kept, marker="o", markersize=4, color="tab:blue", label="kept")
    axes.axhline(
        found.baseline,
        color="black",
        linewidth=0.8,
        linestyle="--",
        label=f"before {found.baseline:.2f}",
    )
    axes.margins(y=0.12)
    axes.xaxis.set_major_locator(need("matplotlib.ticker").MaxNLocator(integer=True))
    axes.set_xlabel("round")
    axes.set_ylabel("token perplexity, calibration text")
    axes.set_title(title)
    axes.legend(frameon=False)
    return figure
