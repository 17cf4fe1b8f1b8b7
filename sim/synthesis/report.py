"""How the cost of the blocks is judged and shown: tolerance, tables, progress with time left."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Self

from rich.console import Console
from rich.table import Table

from plena_cosim.ground.progress import time_left, time_text
from plena_cosim.ground.progress_bar import paced_bar

from .cases import TILE_PARTS, Configuration
from .yosys import Cost, has_core

TOLERANCE_PERCENT = 2
"""By which gates and flip-flops may grow: the mapper's luck after a change elsewhere."""
DEPTH_TOLERANCE = 1


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One synthesised configuration beside what is recorded for it."""

    configuration: Configuration
    cost: Cost
    recorded: Cost | None

    @property
    def growth(self) -> list[str]:
        """What grew beyond the tolerance; nothing where nothing is recorded."""
        return grown(self.cost, self.recorded) if self.recorded else []

    def as_record(self) -> dict[str, Any]:
        """Return what results/synth/synth.json says about it."""
        entry = self.configuration
        return {
            "id": entry.id,
            "block": entry.op.name,
            "format": entry.fmt_text,
            "gates_of": "core" if has_core(entry) else "module",
            **asdict(self.cost),
            "recorded": asdict(self.recorded) if self.recorded else None,
            "anchor": asdict(entry.anchor) if entry.anchor else None,
            "growth": self.growth,
        }


def grown(cost: Cost, recorded: Cost) -> list[str]:
    """Return in words what of a cost is beyond the recorded one and the tolerance.

    >>> grown(Cost(ge=103, depth=52, ff=9), Cost(ge=100, depth=50, ff=9))
    ['103 GE > 100 + 2 %', 'depth 52 > 50 + 1']
    """
    found = []
    if 100 * cost.ge > (100 + TOLERANCE_PERCENT) * recorded.ge:
        found.append(f"{cost.ge:,.0f} GE > {recorded.ge:,.0f} + {TOLERANCE_PERCENT} %")
    if cost.depth > recorded.depth + DEPTH_TOLERANCE:
        found.append(f"depth {cost.depth} > {recorded.depth} + {DEPTH_TOLERANCE}")
    if 100 * cost.ff > (100 + TOLERANCE_PERCENT) * recorded.ff:
        found.append(f"{cost.ff:,} FF > {recorded.ff:,} + {TOLERANCE_PERCENT} %")
    return found


def table(outcomes: Sequence[Outcome]) -> Table:
    """Return block × format with cost, recorded cost, and the anchor with its ratios."""
    result = Table(title="cost: NAND2 equivalents (GE), gates on the longest path, flip-flops")
    for heading in ("block", "format"):
        result.add_column(heading)
    for heading in ("GE", "depth", "FF", "recorded", "change", "anchor", "GE ratio"):
        result.add_column(heading, justify="right")
    previous = ""
    for outcome in outcomes:
        entry, cost, before = outcome.configuration, outcome.cost, outcome.recorded
        if previous and entry.op.name != previous:
            result.add_section()
        previous = entry.op.name
        colour = "[bold red]" if outcome.growth else ""
        result.add_row(
            entry.op.name,
            entry.fmt_text,
            f"{cost.ge:,.0f}",
            str(cost.depth),
            f"{cost.ff:,}",
            f"{before.ge:,.0f} ({before.depth}, {before.ff:,})" if before else "–",
            f"{colour}{cost.ge / before.ge - 1:+.1%}" if before else "new",
            *anchor_cells(entry, cost),
        )
    return result


def anchor_cells(entry: Configuration, cost: Cost) -> tuple[str, str]:
    """Return the anchor's figures, and our gates as a multiple of its; dashes without one."""
    if entry.anchor is None:
        return "–", "–"
    return f"{entry.anchor.ge:,} ({entry.anchor.depth})", f"{cost.ge / entry.anchor.ge:.2f}"


def markdown(configurations: Iterable[Configuration], recorded: Mapping[str, Cost]) -> str:
    """Return the recorded figures as a Markdown table, as in docs/rtl-cost.md."""
    lines = [
        "| block | format | GE | depth | FF | anchor GE (depth) | GE ratio | anchor |",
        "|---|---|--:|--:|--:|--:|--:|---|",
    ]
    for entry in configurations:
        if entry.id not in recorded:
            continue
        cost = recorded[entry.id]
        cells = [
            *(f"`{entry.op.name}`", entry.fmt_text),
            *(f"{cost.ge:,.0f}", str(cost.depth), f"{cost.ff:,}"),
            *anchor_cells(entry, cost),
            entry.anchor.design if entry.anchor else "–",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def lanes_markdown(configurations: Iterable[Configuration], recorded: Mapping[str, Cost]) -> str:
    """Return what a lane of the matrix unit costs, as a Markdown table, as in docs/rtl-cost.md.

    A lane is what the tile has beside its rounding path, over the number of lanes: all control is
    counted in, so that nothing depends on where it is drawn. What its two modules take alone stands
    beside it; mapped together they take a little less.
    """
    lines = [
        "| operands | tile GE, FF (depth) | path GE, FF | lane GE, FF | sum GE, FF | hold GE, FF |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    tiles = [entry for entry in configurations if entry.op.name == "mx_tile"]
    entries = [entry for entry in tiles if entry.stages is None]
    for tile in (entry for entry in entries if not entry.part):
        parts = {
            entry.part: recorded[entry.id]
            for entry in entries
            if entry.part and entry.formats == tile.formats and entry.id in recorded
        }
        if tile.id not in recorded or len(parts) < len(TILE_PARTS):
            continue
        whole, path = recorded[tile.id], parts["plena_mx_path"]
        count = tile.formats["rows"] * tile.formats["cols"]
        shares = [
            (whole.ge - path.ge, whole.ff - path.ff),
            *((parts[part].ge, parts[part].ff) for part in ("plena_mx_lanes", "plena_mx_hold")),
        ]
        cells = [
            f"{tile.formats['a'].name} × {tile.formats['b'].name}",
            f"{whole.ge:,.0f}, {whole.ff:,} ({whole.depth})",
            f"{path.ge:,.0f}, {path.ff:,}",
            *(f"{ge / count:,.0f}, {ff / count:,.1f}" for ge, ff in shares),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


class Pace:
    """Shows how far the synthesis is, and estimates the time left.

    The work of a configuration is taken as the square of its recorded gates, since mapping takes
    longer than in proportion; one without a record counts as the median.

    Args:
        ids: of all configurations.
        recorded: costs by id.
        screen: where to show it; without a terminal, a line for each configuration.
    """

    def __init__(self, ids: Sequence[str], recorded: Mapping[str, Cost], screen: Console) -> None:
        known = {name: recorded[name].ge ** 2 for name in ids if name in recorded}
        usual = median(known.values()) if known else 1.0
        self._work = {name: known.get(name, usual) for name in ids}
        self._screen = screen
        self._began = time.monotonic()
        self._done: list[str] = []
        self._running: list[str] = []
        self._bar = paced_bar(screen, "synth")
        self._task = self._bar.add_task("", total=len(ids), left="? left")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def work(self, name: str) -> float:
        """Return the work that a configuration is expected to be."""
        return self._work[name]

    def starts(self, name: str) -> None:
        """Show that a configuration has begun."""
        self._running.append(name)
        self._bar.update(self._task, description=", ".join(self._running))

    def finished(self, name: str, cost: Cost) -> None:
        """Count a finished configuration."""
        self._running.remove(name)
        self._done.append(name)
        left = self.time_left(time.monotonic() - self._began)
        self._bar.update(
            self._task, advance=1, left=f"{left} left", description=", ".join(self._running)
        )
        if not self._screen.is_terminal:
            self._screen.print(
                f"synth: {len(self._done)} of {len(self._work)}, about {left} left: {name} "
                f"{cost.ge:,.0f} GE, depth {cost.depth}, {cost.ff:,} FF"
            )

    def time_left(self, elapsed: float) -> str:
        """Return m:ss: the elapsed time, times the work that waits over the work that is done."""
        done = sum(self._work[name] for name in self._done)
        return time_text(time_left(elapsed, done=done, left=sum(self._work.values()) - done))
