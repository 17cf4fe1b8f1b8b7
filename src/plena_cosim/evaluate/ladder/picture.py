"""The picture of the ladder: points of perplexity, grouped by the width of what is quantised."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from plena_cosim.golden import Mx, get_format
from plena_cosim.sources.errors import need

from ..figure import new_figure, save_figure
from .manifest import FP32, Step
from .row import Row
from .table import number

_LOOK: dict[str, dict[str, Any]] = {
    "fake": {"marker": "o", "markersize": 8},
    "exact": {"marker": "s", "markersize": 9, "markerfacecolor": "none", "markeredgewidth": 1.5},
}
"""Exact points are hollow and larger: where both fall on one place, both are seen."""
_REFERENCE = {"marker": "D", "markersize": 5, "markeredgecolor": "black", "markerfacecolor": "w"}


def draw_ladder(
    path: Path, rows: Sequence[Row], steps: Sequence[Step], *, title: str, caveat: str | None
) -> None:
    """Draw the measured rows: a line a step, its points the perplexities, in the weights' colour.

    Args:
        path: a .png file, replaced.
        rows: in the order of the ladder; failed ones are left out.
        steps: what the rows are of.
        title: over the picture.
        caveat: small print under it.
    """
    save_figure(path, ladder_figure(rows, steps, title=title), caveat=caveat)


def ladder_figure(rows: Sequence[Row], steps: Sequence[Step], *, title: str) -> Any:
    """Return the figure of `draw_ladder`.

    Args:
        rows: in the order of the ladder; failed ones are left out.
        steps: what the rows are of.
        title: over the picture.
    """
    points = [row for row in rows if row.step != FP32 and math.isfinite(_perplexity(row))]
    names = list(dict.fromkeys(row.step for row in points))
    figure, axes = new_figure(9, 2 + 0.42 * max(3, len(names)))
    axes.set_xscale("log")
    _draw_fp32(axes, rows)
    _draw_points(axes, points, names, steps)
    _name_groups(axes, points, names)
    titles = {step.name: step.title for step in steps}
    axes.set_yticks(range(len(names)), [titles[name] for name in names], fontsize=9)
    axes.set_ylim(max(len(names), 1) - 0.5, -0.5)
    axes.margins(x=0.08)
    ticker = need("matplotlib.ticker")
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 3, 5)))
    axes.xaxis.set_major_formatter(ticker.ScalarFormatter())
    axes.xaxis.set_minor_formatter(ticker.NullFormatter())
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    axes.set_xlabel("token perplexity (log scale; less is better)")
    axes.set_title(title, pad=20)
    if axes.get_legend_handles_labels()[0]:
        figure.legend(frameon=False, fontsize=8, loc="outside upper center", ncols=3)
    return figure


def _draw_points(
    axes: Any, points: Sequence[Row], names: Sequence[str], steps: Sequence[Step]
) -> None:
    colours: dict[str, str] = {}
    for row in points:
        assert row.measured is not None
        weights = row.measured.weights or "weights as they are"
        colour = colours.setdefault(weights, f"C{len(colours)}")
        place = names.index(row.step)
        axes.plot(_perplexity(row), place, color=colour, linestyle="", **_LOOK[row.numerics])
    for place, name in enumerate(names):
        of_step = [row for row in points if row.step == name]
        shown = [f"{number(_perplexity(row))}{_suffix(row)}" for row in of_step]
        across = axes.get_yaxis_transform()
        axes.text(1.01, place, ", ".join(shown), transform=across, va="center", fontsize=8)
    for weights, colour in colours.items():
        axes.plot([], [], color=colour, linestyle="", marker="o", label=weights)
    for numerics in dict.fromkeys(row.numerics for row in points):
        label = f"{numerics} numerics"
        axes.plot([], [], color="0.3", linestyle="", label=label, **_LOOK[numerics])
    theirs = {step.name: step.reference for step in steps if step.reference is not None}
    if found := [(theirs[name], place) for place, name in enumerate(names) if name in theirs]:
        label = f"PLENA's own definitions{_its_fp32(steps)}"
        axes.plot(*zip(*found, strict=True), linestyle="", label=label, **_REFERENCE)


def _suffix(row: Row) -> str:
    return " exact" if row.numerics == "exact" else ""


def _draw_fp32(axes: Any, rows: Sequence[Row]) -> None:
    for row in rows:
        if row.step == FP32 and math.isfinite(_perplexity(row)):
            label = f"fp32 {number(_perplexity(row))}"
            axes.axvline(_perplexity(row), color="black", lw=0.8, linestyle="--", label=label)


def group(row: Row) -> str:
    """Return the widths of weights, activations and cache, such as "W4A4KV4"."""
    assert row.measured is not None
    found = row.measured
    parts = (("W", found.weights), ("A", found.activations), ("KV", found.kv_cache))
    return "".join(f"{letter}{_width(name)}" for letter, name in parts)


def _width(formats: str | None) -> str:
    """Return the bits of an element; 16 stands for whatever is not quantised, as in "W4A16"."""
    if formats is None:
        return "16"
    found = [get_format(name.split()[0]) for name in formats.split(" + ")]  # "e3m4 rtz" is e3m4
    elements = [fmt.element if isinstance(fmt, Mx) else fmt for fmt in found]
    return "/".join(dict.fromkeys(str(element.width_bits) for element in elements))


def _name_groups(axes: Any, points: Sequence[Row], names: Sequence[str]) -> None:
    """Write the widths of each group of steps over its first line, and a rule between groups."""
    groups = {row.step: group(row) for row in points}
    for name, members in groupby(enumerate(names), key=lambda pair: groups[pair[1]]):
        first = next(members)[0]
        if first:
            axes.axhline(first - 0.5, color="0.7", linewidth=0.8)
        across = axes.get_yaxis_transform()
        look = {"va": "top", "ha": "right", "fontsize": 8, "color": "0.4"}
        axes.text(0.995, first - 0.45, name, transform=across, **look)


def _perplexity(row: Row) -> float:
    return row.measured.token_perplexity if row.measured is not None else math.inf


def _its_fp32(steps: Sequence[Step]) -> str:
    found = [step.reference for step in steps if step.name == FP32 and step.reference is not None]
    return f" (its fp32: {number(found[0])})" if found else ""
