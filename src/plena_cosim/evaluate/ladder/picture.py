"""The picture of the ladder: bars of perplexity, grouped by the width of what is quantised."""

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

_GAP = 0.7
_EXACT = "//"
_LABEL: dict[str, Any] = {"fontsize": 8, "color": "white", "weight": "bold", "ha": "center"}


def draw_ladder(
    path: Path, rows: Sequence[Row], steps: Sequence[Step], *, title: str, caveat: str | None
) -> None:
    """Draw the measured rows: a bar each, its colour the weights' format, exact ones hatched.

    Args:
        path: a .png file, replaced.
        rows: in the order of the ladder; failed ones are left out.
        steps: what the rows are of.
        title: over the picture.
        caveat: small print under it.
    """
    bars = [row for row in rows if row.step != FP32 and math.isfinite(_height(row))]
    figure, axes = new_figure(max(7, 2 + 0.75 * len(bars)), 5.5)
    axes.set_yscale("log")
    _draw_bars(axes, bars, steps)
    _draw_fp32(axes, rows)
    _name_groups(axes, bars)
    ticker = need("matplotlib.ticker")
    axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(ticker.ScalarFormatter())
    axes.yaxis.set_minor_formatter(ticker.NullFormatter())
    axes.set_ylabel("token perplexity (log scale)")
    axes.set_title(title, pad=20)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8, loc="upper left")
    save_figure(path, figure, caveat=caveat)


def _draw_bars(axes: Any, bars: Sequence[Row], steps: Sequence[Step]) -> None:
    named = {step.name: step for step in steps}
    places = _places(bars)
    colours: dict[str, str] = {}
    for row, x in zip(bars, places, strict=True):
        assert row.measured is not None
        weights = row.measured.weights or "weights as they are"
        colour = colours.setdefault(weights, f"C{len(colours)}")
        look = {"color": colour, "edgecolor": "white", "linewidth": 0}
        hatch = _EXACT if row.numerics == "exact" else None
        axes.bar(x, _height(row), 0.9, hatch=hatch, **look)
        # At the bar's foot: around its head are the reference's mark and fp32's line.
        axes.text(
            x,
            0.03,
            number(_height(row)),
            transform=axes.get_xaxis_transform(),
            bbox={"facecolor": colour, "linewidth": 0, "pad": 1},
            **_LABEL,
        )
    titles = [named[row.step].title for row in bars]
    axes.set_xticks(places, titles, rotation=35, ha="right", rotation_mode="anchor", fontsize=8)
    for weights, colour in colours.items():
        axes.fill_between([], [], color=colour, label=weights)
    if any(row.numerics == "exact" for row in bars):
        look = {"facecolor": "gray", "edgecolor": "white", "linewidth": 0}
        axes.fill_between([], [], hatch=_EXACT, label="exact numerics", **look)
    marks = [(x, named[row.step].reference) for row, x in zip(bars, places, strict=True)]
    if found := [(x, value) for x, value in marks if value is not None]:
        label = f"PLENA's own definitions{_its_fp32(steps)}"
        axes.plot(*zip(*found, strict=True), "D", mec="black", mfc="white", ms=5, label=label)


def _draw_fp32(axes: Any, rows: Sequence[Row]) -> None:
    for row in rows:
        if row.step == FP32 and math.isfinite(_height(row)):
            label = f"fp32 {number(_height(row))}"
            axes.axhline(_height(row), color="black", linewidth=0.8, linestyle="--", label=label)
            axes.set_ylim(bottom=_height(row) / 2)


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


def _places(bars: Sequence[Row]) -> list[float]:
    """Return the x of each bar, with a gap where a new group begins."""
    places: list[float] = []
    x = -1.0
    for index, row in enumerate(bars):
        new = index > 0 and group(row) != group(bars[index - 1])
        x += 1 + (_GAP if new else 0)
        places.append(x)
    return places


def _name_groups(axes: Any, bars: Sequence[Row]) -> None:
    pairs = list(zip(bars, _places(bars), strict=True))
    for name, members in groupby(pairs, key=lambda pair: group(pair[0])):
        xs = [x for _, x in members]
        middle = (xs[0] + xs[-1]) / 2
        across = axes.get_xaxis_transform()
        axes.text(middle, 1.01, name, transform=across, ha="center", va="bottom", fontsize=9)


def _height(row: Row) -> float:
    return row.measured.token_perplexity if row.measured is not None else math.inf


def _its_fp32(steps: Sequence[Step]) -> str:
    found = [step.reference for step in steps if step.name == FP32 and step.reference is not None]
    return f" (its fp32: {number(found[0])})" if found else ""
