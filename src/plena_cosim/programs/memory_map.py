"""A picture of a program's memories: what is kept where, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from plena_cosim.evaluate.figure import new_figure, save_figure

from .builder import Builder, Kept
from .image import Image

_COLOURS = (
    *("#4C72B0", "#DD8452", "#55A868", "#C44E52", "#8172B3", "#937860", "#DA8BC3", "#8C8C8C"),
    *("#CCB974", "#64B5CD"),
)
_MIB = 1 << 20
_LEAST = 0.02
"""Of a picture's height, that something must have for its name to be written in it."""


def draw(path: Path, builder: Builder, *, title: str) -> None:
    """Draw HBM by address, and vector and matrix memory over the program's lines.

    Args:
        path: a .png file, replaced.
        builder: of the program.
        title: over the picture.

    Raises:
        TextSourceError: matplotlib is not installed, or the file cannot be written.
    """
    figure, _ = new_figure(11, 5)
    figure.clear()
    axes = figure.subplots(1, 3, width_ratios=[1, 2.2, 2.2])
    _hbm(axes[0], builder.image)
    _over_lines(axes[1], [each for each in builder.kept if each.memory == "vector"], "vector rows")
    _over_lines(axes[2], [each for each in builder.kept if each.memory == "matrix"], "tiles")
    memories = builder.machine.memories
    figure.suptitle(title, fontsize=10)
    caveat = (
        f"HBM {builder.image.end:,} of {memories.hbm_bytes:,} bytes; vector memory "
        f"{memories.vector_rows:,} rows; matrix memory {memories.matrix_tiles:,} tiles"
    )
    save_figure(path, figure, caveat=caveat)


def _hbm(axis: Any, image: Image) -> None:
    tensors = list(image.tensors.values())
    ends = [*(each.base for each in tensors[1:]), image.end]
    for number, (each, end) in enumerate(zip(tensors, ends, strict=True)):
        low, high = each.base / _MIB, end / _MIB
        colour = _COLOURS[number % len(_COLOURS)]
        axis.bar(0, high - low, 1.0, bottom=low, color=colour, edgecolor="white", linewidth=0.3)
        if end - each.base > _LEAST * image.end:
            axis.text(0, (low + high) / 2, each.name, ha="center", va="center", fontsize=5)
    axis.set_xticks([])
    axis.set_ylim(image.end / _MIB, 0)
    axis.set_ylabel("MiB of HBM", fontsize=8)
    axis.tick_params(labelsize=7)
    axis.spines[["top", "right", "bottom"]].set_visible(False)


def _over_lines(axis: Any, kept: Sequence[Kept], what: str) -> None:
    colours = {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(_last_names(kept))}
    top = max((each.first + each.count for each in kept), default=1)
    for each in kept:
        name = each.name.rpartition(".")[2]
        axis.bar(
            each.begin,
            each.count,
            each.end - each.begin,
            bottom=each.first,
            align="edge",
            color=colours[name],
            edgecolor="white",
            linewidth=0.3,
        )
    handles = [
        axis.bar(0, 0, 0, color=colour, label=name) for name, colour in colours.items() if name
    ]
    axis.legend(handles=handles, fontsize=6, frameon=False, loc="upper left", ncols=2)
    axis.set_ylim(0, top * 1.35)
    axis.set_xlabel("line of the program", fontsize=8)
    axis.set_ylabel(what, fontsize=8)
    axis.tick_params(labelsize=7)
    axis.spines[["top", "right"]].set_visible(False)


def _last_names(kept: Sequence[Kept]) -> list[str]:
    return list(dict.fromkeys(each.name.rpartition(".")[2] for each in kept))
