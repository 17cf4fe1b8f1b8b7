"""The picture of the demo's perplexity table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from plena_cosim.sources.errors import need

from ..figure import new_figure, save_figure


def draw(
    path: Path, rows: Sequence[tuple[str, str, float]], *, baseline: float, caveat: str
) -> None:
    """Draw bars of perplexity by format and numerics.

    Args:
        path: a .png file.
        rows: (format, numerics, token perplexity).
        baseline: the perplexity without quantisation, drawn as a line.
        caveat: small print under the axes.
    """
    save_figure(path, bars(rows, baseline=baseline), caveat=caveat)


def bars(rows: Sequence[tuple[str, str, float]], *, baseline: float) -> Any:
    """Return the figure of `draw`.

    Args:
        rows: (format, numerics, token perplexity).
        baseline: the perplexity without quantisation, drawn as a line.
    """
    formats = list(dict.fromkeys(name for name, _, _ in rows))
    kinds = list(dict.fromkeys(kind for _, kind, _ in rows))
    figure, axes = new_figure(7, 4.2)
    width = 0.8 / len(kinds)
    for offset, kind in enumerate(kinds):
        heights = {name: value for name, its_kind, value in rows if its_kind == kind}
        places = [formats.index(name) + (offset - (len(kinds) - 1) / 2) * width for name in heights]
        drawn = axes.bar(places, list(heights.values()), width * 0.95, label=kind)
        axes.bar_label(drawn, fmt="%.1f", fontsize=8)
    axes.axhline(
        baseline, color="black", linewidth=0.8, linestyle="--", label=f"fp32 {baseline:.1f}"
    )
    axes.set_yscale("log")
    axes.margins(y=0.08)
    axes.set_ylim(bottom=baseline / 2)
    plain = need("matplotlib.ticker").ScalarFormatter()
    axes.yaxis.set_major_formatter(plain)
    axes.yaxis.set_minor_formatter(plain)
    axes.set_xticks(range(len(formats)), formats)
    axes.set_ylabel("token perplexity (log scale)")
    axes.set_title("SmolLM2-135M-Instruct, weights and activations of linear layers")
    axes.legend(frameon=False)
    return figure
