"""Capture: what real layers send through blocks, kept where random stimuli rarely get."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from plena_cosim.golden.ops.op import EVERY_MODE
from plena_cosim.golden.ops.registry import get_op
from plena_cosim.ground.write_whole import write_whole
from plena_cosim.sim.cases.table import Case
from plena_cosim.sim.coverage.collect import Coverage
from plena_cosim.sim.stimuli.stimuli import sample

from .difference import save_beats
from .format_fields import to_fields
from .machine_blocks import Beats, BlockRun, Wanted

RARE = 0.01
"""A bin is rare that random stimuli hit less than once in a hundred beats."""
MANIFEST = "manifest.json"
_EXAMINED = 512
"""Beats of one block that are looked at one by one."""
_STIMULI = {"mx_mm": 32}
_MANY_STIMULI = 2048


@dataclass(kw_only=True)
class Traffic:
    """What went through one block.

    Attributes:
        wanted: the block.
        real, stimuli: bins that the model's beats hit, and random ones.
        kept: beats, each with those before it that its result depends on.
        bins: rare bins that kept beats hit, by group and name.
        places: modules that kept beats come from.
    """

    wanted: Wanted
    real: Coverage
    stimuli: Coverage
    kept: list[Beats] = field(default_factory=list)
    bins: set[tuple[str, str]] = field(default_factory=set)
    places: set[str] = field(default_factory=set)
    examined: int = 0

    @classmethod
    def of(cls, wanted: Wanted) -> Traffic:
        """Return one for a block, with the bins that random stimuli hit."""
        op, arguments = get_op(wanted.name), dict(wanted.arguments)
        formats = {key: value for key, value in arguments.items() if key not in EVERY_MODE}
        modes = {
            key: value.value if isinstance(value, Enum) else value
            for key, value in arguments.items()
            if key in EVERY_MODE
        }
        case = Case(op=op, formats={key: formats[key] for key in op.arguments}, modes=modes)
        stimuli = Coverage(case=case)
        count = _STIMULI.get(wanted.name, _MANY_STIMULI)
        beats = sample(op, case.formats, seed=0, count=count)
        stimuli.add(beats, op.run_golden(beats, **case.formats, **modes))
        return cls(wanted=wanted, real=Coverage(case=case), stimuli=stimuli)

    def take(self, run: BlockRun, place: str, limit: int) -> None:
        """Count a run's bins, and keep the first beat and those that hit a rare bin first.

        Args:
            run: what went into the block and came out.
            place: the module that it comes from.
            limit: beats that are kept of one block; of one with state, whole sums.
        """
        self.real.add(run.inputs, run.outputs)
        for inputs, outputs in self._sequences(run):
            if len(self.kept) >= limit or self.examined >= _EXAMINED:
                return
            self.examined += 1
            found = self._rare(inputs, outputs) - self.bins
            if found or not self.kept:
                self.bins |= found
                self.kept.append(inputs)
                self.places.add(place)

    def _sequences(self, run: BlockRun) -> list[tuple[Beats, Beats]]:
        """Return beats whose results stand alone, spread over a run."""
        count = len(next(iter(run.inputs.values())))
        if get_op(run.wanted.name).stateful:
            return [(run.inputs, run.outputs)]
        chosen = np.unique(np.linspace(0, count - 1, min(count, 48)).astype(int))
        return [
            tuple(
                {name: codes[beat : beat + 1] for name, codes in side.items()}
                for side in (run.inputs, run.outputs)
            )  # type: ignore[misc]
            for beat in chosen
        ]

    def _rare(self, inputs: Beats, outputs: Beats) -> set[tuple[str, str]]:
        found = set()
        for group in self.real.groups:
            hit = group.count(inputs, outputs) > 0
            seldom = self.stimuli.counts[group.name] < RARE * self.stimuli.vectors
            found |= {(group.name, group.bins[k]) for k in np.flatnonzero(hit & seldom)}
        return found

    def figures(self) -> tuple[int, int, int]:
        """Return how many bins random stimuli hit, real traffic, and only real traffic."""
        pairs = [
            (self.stimuli.counts[group.name] > 0, self.real.counts[group.name] > 0)
            for group in self.real.groups
        ]
        return (
            sum(int(stimuli.sum()) for stimuli, _ in pairs),
            sum(int(real.sum()) for _, real in pairs),
            sum(int((real & ~stimuli).sum()) for stimuli, real in pairs),
        )


@dataclass(kw_only=True)
class Capture:
    """Takes what blocks are given, and writes tile files of it.

    Attributes:
        folder: where they go.
        limit: beats that are kept of one block; of one with state, whole sums.
        traffic: by block.
    """

    folder: Path
    limit: int = 64
    traffic: dict[Wanted, Traffic] = field(default_factory=dict)

    def take(self, run: BlockRun, place: str) -> None:
        """Take one run of a block; see `Traffic.take`."""
        if run.wanted not in self.traffic:
            self.traffic[run.wanted] = Traffic.of(run.wanted)
        self.traffic[run.wanted].take(run, place, self.limit)

    def write(self, about: dict[str, Any]) -> list[dict[str, Any]]:
        """Write a .npz a block, $readmemh text a port, and the manifest; return its entries.

        Args:
            about: where the beats come from: model, recipe, machine, commit.
        """
        entries = []
        for number, traffic in enumerate(self.traffic.values()):
            entries.append(self._entry(traffic, f"{number:02d}-{traffic.wanted.name}"))
        text = json.dumps({**about, "rare": RARE, "tiles": entries}, indent=1)
        write_whole(self.folder / MANIFEST, text + "\n")
        return entries

    def _entry(self, traffic: Traffic, stem: str) -> dict[str, Any]:
        op, formats = get_op(traffic.wanted.name), traffic.real.case.formats
        stimuli, real, only = traffic.figures()
        entry: dict[str, Any] = {
            "block": traffic.wanted.label,
            "module": op.module,
            "parameters": op.sv_parameters(**formats, **traffic.real.case.modes),
            "arguments": {key: to_fields(value) for key, value in traffic.wanted.arguments},
            "places": sorted(traffic.places),
            "bins": {"stimuli": stimuli, "real": real, "only_real": only},
            "beats": {"stimuli": traffic.stimuli.vectors, "real": traffic.real.vectors},
            "rare_bins": sorted(": ".join(each) for each in traffic.bins),
            "kept": len(traffic.kept),
            "ports": {},
            "file": None,
        }
        if not traffic.kept:
            return entry
        beats = {
            port.name: np.concatenate([each[port.name] for each in traffic.kept])
            for port in op.inputs
        }
        entry["file"] = save_beats(traffic.wanted, beats, self.folder / f"{stem}.npz").name
        for port in op.inputs:
            width, name = port.width_bits(formats), f"{stem}.{port.name}.hex"
            bits = width * port.lanes(formats)
            write_whole(self.folder / name, _hex_lines(beats[port.name], width, bits))
            entry["ports"][port.name] = {"file": name, "bits": bits}
        return entry


def table(entries: list[dict[str, Any]]) -> Table:
    """Return bins of real traffic beside those of random stimuli.

    Args:
        entries: of the manifest.
    """
    shown = Table(caption="bins of the regression's kinds that beats hit; only: real ones alone")
    for index, name in enumerate(("block", "stimuli", "beats", "real", "beats", "only", "kept")):
        shown.add_column(
            name, justify="right" if index else "left", overflow="fold", no_wrap=bool(index)
        )
    for entry in entries:
        bins, beats = entry["bins"], entry["beats"]
        shown.add_row(
            entry["block"].replace("[", r"\["),
            f"{bins['stimuli']:,}",
            f"{beats['stimuli']:,}",
            f"{bins['real']:,}",
            f"{beats['real']:,}",
            f"{bins['only_real']:,}",
            f"{entry['kept']:,}",
        )
    return shown


def show(entries: list[dict[str, Any]], folder: Path, console: Console) -> None:
    """Print the table, and where the files are.

    Args:
        entries: of the manifest.
        folder: of the files.
        console: where it goes.
    """
    console.print(table(entries))
    console.print(f"tiles: {folder / MANIFEST}", soft_wrap=True, highlight=False)


def _hex_lines(codes: Any, width: int, bits: int) -> str:
    """Return a port's beats as $readmemh reads them: a word a line, lane 0 lowest."""
    lines = []
    for beat in codes.reshape(len(codes), -1):
        word = 0
        for lane, code in enumerate(beat.tolist()):
            word |= code << (lane * width)
        lines.append(f"{word:0{-(-bits // 4)}x}")
    return "\n".join(lines) + "\n"
