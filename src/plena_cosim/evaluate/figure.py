"""Figures: how a picture begins, and how it gets into its file whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from plena_cosim.sources.errors import TextSourceError, need
from plena_cosim.sources.written import written

_ENDINGS = (".png", ".svg")


def new_figure(width: float, height: float) -> tuple[Any, Any]:
    """Return a figure and its axes, in inches, drawn without a screen.

    Raises:
        TextSourceError: matplotlib is not installed.
    """
    need("matplotlib").use("Agg")
    figure, axes = need("matplotlib.pyplot").subplots(figsize=(width, height), layout="constrained")
    return figure, axes


def save_figure(path: Path, figure: Any, *, caveat: str | None) -> None:
    """Write a figure at 150 dots an inch, and close it.

    Args:
        path: a .png or .svg file, replaced once the new one is whole.
        figure: of `new_figure`.
        caveat: small print under the axes.

    Raises:
        TextSourceError: the file cannot be written, or has another ending.
    """
    if path.suffix not in _ENDINGS:
        raise TextSourceError(f"{path}: pictures are {' or '.join(_ENDINGS)}; end the name so")
    if caveat is not None:
        figure.supxlabel(caveat, fontsize=6)
    with written(path) as scratch:
        figure.savefig(scratch, dpi=150)
    need("matplotlib.pyplot").close(figure)
