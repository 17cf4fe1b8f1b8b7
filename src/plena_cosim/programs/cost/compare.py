"""What a model takes by each model of cost, side by side: as rows, JSON and a picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from plena_cosim.evaluate.figure import new_figure, save_figure

from ...golden import FormatError
from ...golden.isa.machine import Machine
from .analytic import Analytic, analytic
from .model_shape import ModelShape
from .of_programs import OfPrograms, of_programs
from .roofline import Roofline, roofline

_COLOURS = (
    *("#4C72B0", "#DD8452", "#55A868", "#C44E52", "#8172B3", "#937860", "#DA8BC3", "#8C8C8C"),
    *("#CCB974", "#64B5CD"),
)
_LEAST = 4.0
"""Of a hundred, that a part must have for its name to be written in it."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """What one model of cost says.

    Attributes:
        name: of the model of cost.
        first_token_ms, tokens_per_s: the two figures.
        reading: milliseconds of each part while the prompt is read.
        writing: milliseconds of each part for a token that is written, the mean of all.
        scarcest: of each part, while reading and while writing; empty where it is not known.
    """

    name: str
    first_token_ms: float
    tokens_per_s: float
    reading: dict[str, float]
    writing: dict[str, float]
    scarcest: dict[str, tuple[str, str]]


def of_analytic(found: Analytic) -> Side:
    """Return the published formulas' side."""
    scale = found.clock_ghz * 1e6
    return Side(
        name="plena-analytic",
        first_token_ms=found.first_token_ms,
        tokens_per_s=found.tokens_per_s,
        reading={name: cycles / scale for name, cycles in found.prefill.items()},
        writing={name: each / scale / found.written for name, each in found.decode.items()},
        scarcest={},
    )


def of_roofline(found: Roofline) -> Side:
    """Return the roofline's side."""
    scale = found.clock_ghz * 1e6
    return Side(
        name="roofline",
        first_token_ms=found.first_token_ms,
        tokens_per_s=found.tokens_per_s,
        reading={name: work.cycles / scale for name, work in found.prefill.items()},
        writing={name: work.cycles / scale / found.written for name, work in found.decode.items()},
        scarcest={
            name: (work.scarcest, found.decode[name].scarcest)
            for name, work in found.prefill.items()
        },
    )


def of_emulator(found: OfPrograms) -> Side:
    """Return the side of this project's programs, as PLENA's emulator charges their words."""
    scale = found.clock_ghz * 1e6
    return Side(
        name="plena-emulator",
        first_token_ms=found.first_token_ms,
        tokens_per_s=found.tokens_per_s,
        reading={name: cycles / scale for name, cycles in found.prefill.items()},
        writing={name: each / scale / found.written for name, each in found.decode.items()},
        scarcest={},
    )


def sides_of(
    shape: ModelShape,
    machine: Machine,
    *,
    batch: int,
    read: int,
    written: int,
    overhead: int | None = None,
) -> tuple[list[Side], dict[str, str]]:
    """Return what each model of cost says, and of those that say nothing the reason.

    Args:
        shape, machine: the model, and what it runs on.
        batch, read, written: sequences, tokens of a prompt, and tokens behind it.
        overhead: cycles of a product besides its MLEN; the machine's when None.
    """

    def programs() -> Side:
        found = of_programs(
            shape, machine, batch=batch, read=read, written=written, overhead=overhead
        )
        return of_emulator(found)

    sizes = {"batch": batch, "read": read, "written": written}
    ways: dict[str, Callable[[], Side]] = {
        "plena-analytic": lambda: of_analytic(analytic(shape, machine, **sizes)),
        "roofline": lambda: of_roofline(roofline(shape, machine, **sizes)),
        "plena-emulator": programs,
    }
    sides, missing = [], {}
    for name, side in ways.items():
        try:
            sides.append(side())
        except FormatError as error:
            missing[name] = str(error)
    return sides, missing


def parts_of(sides: Sequence[Side]) -> list[str]:
    """Return the names of all parts, in the order in which they are first met."""
    return list(dict.fromkeys(name for side in sides for name in side.reading))


def rows(sides: Sequence[Side], phase: str) -> Iterator[list[str]]:
    """Yield a row a part: what each side says, and what is scarce; then one of the sums.

    Args:
        sides: of models of cost.
        phase: "reading" or "writing".
    """
    for part in parts_of(sides):
        cells = [part]
        for side in sides:
            value = getattr(side, phase).get(part)
            cells.append("" if value is None else f"{value:,.3f}")
        found = [side.scarcest[part][phase == "writing"] for side in sides if side.scarcest]
        yield [*cells, *found]
    sums = [f"{sum(getattr(side, phase).values()):,.3f}" for side in sides]
    yield ["all", *sums, *("" for side in sides if side.scarcest)]


def as_json(sides: Sequence[Side]) -> list[dict[str, Any]]:
    """Return the sides as plain values."""
    return [asdict(side) for side in sides]


def draw(path: Path, sides: Sequence[Side], *, title: str, caveat: str) -> None:
    """Draw where the time goes: a bar a side, its parts one upon the other, its time over it.

    Bars are as high as each other: models of cost may be far apart in time.

    Args:
        path: a .png or .svg file, replaced.
        sides: of models of cost.
        title: over the picture.
        caveat: small print under it.

    Raises:
        TextSourceError: matplotlib is not installed, or the file cannot be written.
    """
    figure, _ = new_figure(3 + 3 * len(sides), 4.2)
    figure.clear()
    axes = figure.subplots(1, 2)
    names = [side.name for side in sides]
    for axis, phase, label in (
        (axes[0], "reading", "the prompt is read"),
        (axes[1], "writing", "a token is written"),
    ):
        sums = [sum(getattr(side, phase).values()) for side in sides]
        bottoms = [0.0] * len(sides)
        for part, colour in zip(parts_of(sides), _COLOURS, strict=False):
            spent = [getattr(side, phase).get(part, 0.0) for side in sides]
            shares = [100 * each / whole for each, whole in zip(spent, sums, strict=True)]
            bars = axis.bar(names, shares, 0.6, bottom=bottoms, color=colour, label=part)
            shown = [f"{part} {share:.0f} %" if share > _LEAST else "" for share in shares]
            axis.bar_label(bars, shown, label_type="center", fontsize=6.5, color="white")
            bottoms = [bottom + share for bottom, share in zip(bottoms, shares, strict=True)]
        for at, whole in enumerate(sums):
            axis.annotate(f"{whole:,.2f} ms", (at, 101), ha="center", va="bottom", fontsize=9)
        axis.set_title(label, fontsize=9, pad=16)
        axis.set_ylim(0, 100)
        axis.set_ylabel("share of its time, %", fontsize=8)
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        handles[::-1], labels[::-1], loc="outside right center", frameon=False, fontsize=8
    )
    figure.suptitle(title, fontsize=10)
    save_figure(path, figure, caveat=caveat)
