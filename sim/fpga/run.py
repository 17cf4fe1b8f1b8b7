"""What every block takes of an FPGA, as one call: what `plena fpga` and `make fpga` run."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from plena_cosim.golden import FormatError
from plena_cosim.ground.record import environment
from plena_cosim.ground.write_whole import write_whole

from ..synthesis.cases import Configuration, all_configurations, select_configurations
from ..synthesis.run import load_record as load_gates
from ..synthesis.yosys import Cost, SynthError, pyosys_version
from ..verilate.cache import BuildError
from ..verilate.rtl_files import RTL_DIR
from .netlist import FLOW
from .place import DEVICE, OPTIONS, PACKAGE, SEEDS, Area, area_of, placer_version

CHECKOUT = Path(__file__).resolve().parents[2]
RESULTS = CHECKOUT / "results" / "fpga"
RECORD = RTL_DIR / "fpga.json"
INTERRUPTED = 130
PLAIN_WIDTH = 80
USUAL = (
    *("fp_add-e4m3", "fp_add-bf16", "fp_add-bf16-stages2"),
    *("fp_mul-e4m3", "fp_mul-bf16", "fp_mul-bf16-stages2", "fp_cast-bf16-e4m3"),
    *("fp_to_mx-fp32-mxfp8_e4m3.b8", "mx_dot-mxint8.b8-mxint8.b8-fp32"),
    *("mx_pe-mxint8.b8-mxint4.b8-fp32", "reduce_sum-bf16-bf16-lanes8", "fp_exp-bf16"),
)
"""What is placed when nothing is asked for: one of each kind."""


def run(
    block: str | None = None,
    fmt: str | None = None,
    *,
    seeds: int = SEEDS,
    every: bool = False,
    record: bool = False,
    as_json: bool = False,
    results: Path = RESULTS,
    recorded: Path = RECORD,
) -> int:
    """Place and route, show; return the exit status.

    Args:
        block: only this op, e.g. "fp_mul".
        fmt: only configurations with this format, e.g. "bf16".
        seeds: placements a block, of which the clock is the median.
        every: all configurations, also those that take minutes.
        record: write the figures to `recorded`.
        as_json: print JSON instead of a table.
        results: folder for fpga.json, with commit, versions and command.
        recorded: the file of recorded figures.

    Returns:
        0 done, 2 wrong arguments, tools missing or a block that does not fit, 130 interrupted.
    """
    screen = Console(stderr=as_json, highlight=False)
    if not screen.is_terminal:
        screen = Console(stderr=as_json, highlight=False, width=PLAIN_WIDTH)
    try:
        chosen = select_configurations(block, fmt, slow=every)
        if block is None and fmt is None and not every:
            chosen = [entry for entry in chosen if entry.id in USUAL]
        areas = asyncio.run(_place_all(chosen, seeds, screen))
    except (FormatError, SynthError, BuildError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("fpga: interrupted; what was finished is kept", file=sys.stderr)
        return INTERRUPTED
    report = {**environment(["pyosys", PACKAGE]), **_setting()}
    report["figures"] = {name: asdict(area) for name, area in areas.items()}
    write_whole(results / "fpga.json", json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    if record:
        save_record(recorded, areas)
        print(f"fpga: wrote {recorded}", file=sys.stderr)
    if as_json:
        print(json.dumps(report, indent=1, ensure_ascii=False))
    else:
        screen.print(table(chosen, areas, load_gates()))
    return 0


def load_record(path: Path = RECORD) -> dict[str, Area]:
    """Return the recorded figures by id; nothing if there is no record yet."""
    if not path.is_file():
        return {}
    figures = json.loads(path.read_text(encoding="utf-8"))["figures"]
    return {key: Area(**figure) for key, figure in figures.items()}


def save_record(path: Path, areas: Mapping[str, Area]) -> None:
    """Write new figures over the recorded ones, in the order of the table.

    Those of other versions, flow or device go: they cannot stand in one table.

    Args:
        path: of the file of recorded figures.
        areas: the new ones, by id.
    """
    before = load_record(path)
    if before and set(before) - set(areas):
        theirs = json.loads(path.read_text(encoding="utf-8"))
        if any(theirs[name] != value for name, value in _setting().items()):
            before = {}
    merged = {**before, **areas}
    figures = {
        entry.id: asdict(merged[entry.id]) for entry in all_configurations() if entry.id in merged
    }
    text = json.dumps({**_setting(), "figures": figures}, indent=1, ensure_ascii=False)
    write_whole(path, text + "\n")


def table(
    chosen: Iterable[Configuration], areas: Mapping[str, Area], gates: Mapping[str, Cost]
) -> Table:
    """Return what a terminal shows.

    Args:
        chosen: the configurations, in order.
        areas: figures of the FPGA by id.
        gates: recorded gates and depth by id.
    """
    result = Table(title=f"{DEVICE}; Fmax: median of the seeds, MHz")
    for heading in ("block", "format"):
        result.add_column(heading)
    for heading in ("LUT", "DSP", "FF", "Fmax", "GE", "depth"):
        result.add_column(heading, justify="right")
    for entry in chosen:
        result.add_row(entry.op.name, entry.fmt_text, *_cells(areas[entry.id], gates.get(entry.id)))
    return result


def recorded_markdown(path: Path = RECORD) -> str:
    """Return the recorded figures as the Markdown table of docs/rtl-cost.md."""
    areas, gates = load_record(path), load_gates()
    lines = [
        "| block | format | LUT | DSP | FF | Fmax MHz | GE | depth | longest path |",
        "|---|---|--:|--:|--:|--:|--:|--:|---|",
    ]
    for entry in all_configurations():
        if entry.id in areas:
            area = areas[entry.id]
            cells = [f"`{entry.op.name}`", entry.fmt_text, *_cells(area, gates.get(entry.id))]
            cells[5] += f" ({area.slowest:.1f}–{area.fastest:.1f})"
            lines.append(f"| {' | '.join([*cells, area.path])} |")
    return "\n".join(lines)


def _cells(area: Area, cost: Cost | None) -> list[str]:
    counts = [f"{area.lut:,}", str(area.dsp), f"{area.ff:,}", f"{area.fmax:.1f}"]
    return [*counts, *((f"{cost.ge:,.0f}", str(cost.depth)) if cost else ("–", "–"))]


def _setting() -> dict[str, Any]:
    return {
        "device": DEVICE,
        "pyosys": pyosys_version(),
        PACKAGE: placer_version(),
        "flow": list(FLOW),
        "options": list(OPTIONS),
    }


async def _place_all(
    chosen: Sequence[Configuration], seeds: int, screen: Console
) -> dict[str, Area]:
    """Return the figures by id, one configuration after the other, and say each when it is there.

    Args:
        chosen: the configurations.
        seeds: placements of each.
        screen: where to show progress.
    """
    this = asyncio.current_task()
    assert this is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    placer_version()
    areas: dict[str, Area] = {}
    for number, entry in enumerate(chosen, 1):
        areas[entry.id] = area = await area_of(entry, seeds=seeds)
        screen.print(
            f"fpga: {number} of {len(chosen)}: {entry.id} {area.lut:,} LUT, {area.dsp} DSP, "
            f"{area.ff:,} FF, {area.fmax:.1f} MHz; {area.path}"
        )
    return areas
