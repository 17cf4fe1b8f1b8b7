"""A program's memories, as lines of text and as a picture: who keeps what where, and how long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from plena_cosim.evaluate.figure import new_figure, save_figure

from ..golden import Mx
from ..golden.isa.transfer import width_bits
from .builder import Builder, Kept
from .image import Image, Tensor

_COLOURS = (
    *("#4C72B0", "#DD8452", "#55A868", "#C44E52", "#8172B3", "#937860", "#DA8BC3", "#8C8C8C"),
    *("#CCB974", "#64B5CD"),
)
_HATCHES = ("", "///", "...")
"""With so many times the colours, names are told apart."""
_MIB = 1 << 20
_LEAST = 0.02
"""Of a picture's height, that something must have for its name to be written in it."""
_WIDE = 0.01
"""Of a picture's width, that a letter of a name needs."""


def tensors(image: Image) -> Iterator[tuple[str, str, str, str]]:
    """Yield the tensors of an image: name, first byte, bytes with scales, and what it is."""
    for each in image.tensors.values():
        shape = f"{each.rows} x {each.columns} {each.type.name}"
        yield each.name, f"{each.base:#x}", f"{stored_bytes(each):,}", shape


def kept(builder: Builder) -> Iterator[tuple[str, str, str, str]]:
    """Yield what a program keeps on chip: name, memory, first to last place, lines of the text."""
    for each in builder.kept:
        last = each.first + each.count - 1
        places = f"{each.first}" if last == each.first else f"{each.first}-{last}"
        yield each.name, each.memory, places, f"{each.begin + 1}-{each.end}"


def used(builder: Builder) -> dict[str, tuple[int, int]]:
    """Return, of each memory, what is used at most, and what there is."""
    memories, found = builder.machine.memories, builder.kept

    def top(memory: str) -> int:
        return max((each.first + each.count for each in found if each.memory == memory), default=0)

    return {
        "bytes of HBM": (builder.image.end, memories.hbm_bytes),
        "rows of vector memory": (top("vector"), memories.vector_rows),
        "tiles of matrix memory": (top("matrix"), memories.matrix_tiles),
    }


def stored_bytes(tensor: Tensor) -> int:
    """Return the bytes of a tensor's elements and scales, padding included."""
    elements = tensor.stored_rows * tensor.stored_columns
    scales = elements // tensor.type.block_size if isinstance(tensor.type, Mx) else 0
    return elements * width_bits(tensor.type) // 8 + scales


def draw(path: Path, builder: Builder, *, title: str) -> None:
    """Draw HBM by address, and vector and matrix memory over the program's lines.

    Args:
        path: a .png or .svg file, replaced.
        builder: of the program.
        title: over the picture.

    Raises:
        TextSourceError: matplotlib is not installed, or the file cannot be written.
    """
    figure, _ = new_figure(11, 5)
    figure.clear()
    axes = figure.subplots(1, 3, width_ratios=[1, 2.4, 2])
    _hbm(axes[0], builder.image)
    found = builder.kept
    _over_lines(axes[1], [each for each in found if each.memory == "vector"], "vector rows")
    _over_lines(axes[2], [each for each in found if each.memory == "matrix"], "tiles")
    figure.suptitle(title, fontsize=10)
    caveat = "; ".join(
        f"{most:,} of {there:,} {what}" for what, (most, there) in used(builder).items()
    )
    save_figure(path, figure, caveat=caveat)


def _hbm(axis: Any, image: Image) -> None:
    there = list(image.tensors.values())
    ends = [*(each.base for each in there[1:]), image.end]
    for number, (each, end) in enumerate(zip(there, ends, strict=False)):
        low, high = each.base / _MIB, end / _MIB
        colour = _COLOURS[number % len(_COLOURS)]
        axis.bar(0, high - low, 1.0, bottom=low, color=colour, edgecolor="white", linewidth=0.3)
        if end - each.base > _LEAST * image.end:
            axis.text(0, (low + high) / 2, each.name, ha="center", va="center", fontsize=5)
    axis.set_xticks([])
    axis.set_ylim(max(image.end, 1) / _MIB, 0)
    axis.set_ylabel("MiB of HBM", fontsize=8)
    axis.tick_params(labelsize=7)
    axis.spines[["top", "right", "bottom"]].set_visible(False)


def _over_lines(axis: Any, found: Sequence[Kept], what: str) -> None:
    names = list(dict.fromkeys(_last_name(each) for each in found))
    looks = {
        name: {
            "color": _COLOURS[at % len(_COLOURS)],
            "hatch": _HATCHES[at // len(_COLOURS) % len(_HATCHES)],
        }
        for at, name in enumerate(names)
    }
    top = max((each.first + each.count for each in found), default=1)
    lines = max((each.end for each in found), default=1)
    for each in found:
        name, length = _last_name(each), each.end - each.begin
        axis.bar(
            each.begin,
            each.count,
            length,
            bottom=each.first,
            align="edge",
            edgecolor="white",
            linewidth=0.3,
            **looks[name],
        )
        if length > _WIDE * lines * len(name) and each.count > _LEAST * top:
            middle = each.begin + length / 2, each.first + each.count / 2
            axis.text(*middle, name, ha="center", va="center", fontsize=5)
    handles = [axis.bar(0, 0, 0, label=name, **look) for name, look in looks.items()]
    if handles:
        axis.legend(handles=handles, fontsize=6, frameon=False, loc="upper left", ncols=3)
    axis.set_ylim(0, top * 1.45)
    axis.yaxis.get_major_locator().set_params(integer=True)
    axis.set_xlabel("line of the program", fontsize=8)
    axis.set_ylabel(what, fontsize=8)
    axis.tick_params(labelsize=7)
    axis.spines[["top", "right"]].set_visible(False)


def _last_name(each: Kept) -> str:
    return each.name.rpartition(".")[2]
