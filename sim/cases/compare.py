"""RTL against golden: run both on the same beats, and make one line of the first difference."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from plena_cosim.golden import Mx, decode
from plena_cosim.golden.ops.op import without_micro
from plena_cosim.golden.ops.registry import Port
from plena_cosim.ground.errors import PlenaError
from plena_cosim.ground.write_whole import write_whole

from ..player.player import UNSTALLED, Block, CodeArray, Stalls, load_block
from ..stimuli.stimuli import Beats, sample, stimuli
from ..verilate.model import PLAYER, SHORT, BuildProfile
from ..verilate.rtl_files import RTL_DIR
from .table import Case, argument_label, mode_labels

Seen = Callable[[Beats, Beats], None]
"""Takes every chunk of inputs and golden's outputs."""

SYMBOLS = {"fp_add": " + ", "fp_mul": " × "}


SHORT_BEATS = 1 << 18
"""Up to so many beats building counts for more than speed."""


class MismatchError(PlenaError, AssertionError):
    """RTL and golden differ; the message is one line with the first differing vector."""


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """The first beat on which RTL and golden differ, with what it takes to see it again."""

    case: Case
    seed: int
    vector: int
    """Index of the beat in the whole run."""
    beats: Beats
    """The beat, and for a stateful op the beats before it since the state was restarted."""
    rtl: dict[str, CodeArray]
    golden: dict[str, CodeArray]
    stalls: Stalls = UNSTALLED

    @property
    def id(self) -> str:
        """Name of the vector, for `make replay ID=…`."""
        return f"{self.case.id}-s{self.seed}-v{self.vector}"

    def line(self) -> str:
        """Return the difference in one line: module, vector, codes, values, both results."""
        op, formats = self.case.op, self.case.formats
        port, lane = self._place()
        place = f" {port.name}[{lane}]" if lane is not None else ""
        shown = [_shown(p, self.beats[p.name][-1], formats, lane) for p in op.inputs]
        got, want = (_shown(port, out[port.name], formats, lane) for out in (self.rtl, self.golden))
        names = ", ".join(format_text(self.case))
        inputs = SYMBOLS.get(op.name, ", ").join(shown)
        vector = f"{op.module}[{names}] vector {self.vector}{place}"
        return f"{vector}: {inputs} -> rtl {got}, golden {want}"

    def _place(self) -> tuple[Port, int | None]:
        for port in self.case.op.outputs:
            bad = np.flatnonzero(np.atleast_1d(self.rtl[port.name] != self.golden[port.name]))
            if bad.size:
                return port, int(bad[0]) if port.is_array() else None
        return self.case.op.outputs[0], 0 if self.case.op.outputs[0].is_array() else None

    def save(self, folder: Path) -> Path:
        """Write what a replay needs into `folder`, whole or not at all."""
        record = {
            "case": self.case.id,
            "seed": self.seed,
            "vector": self.vector,
            "stalls": asdict(self.stalls),
            "line": self.line(),
            "inputs": {name: codes.tolist() for name, codes in self.beats.items()},
            "rtl": {name: codes.tolist() for name, codes in self.rtl.items()},
            "golden": {name: codes.tolist() for name, codes in self.golden.items()},
        }
        path = folder / f"{self.id}.json"
        write_whole(path, json.dumps(record, indent=1))
        return path


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one case came to."""

    vectors: int
    mismatches: int
    cycles: int
    rtl_seconds: float
    first: Mismatch | None

    @property
    def cycles_per_second(self) -> float:
        """Simulation speed."""
        return self.cycles / self.rtl_seconds if self.rtl_seconds else 0.0


def format_text(case: Case) -> list[str]:
    """Return the names of a case's formats, its sizes and modes."""
    names = [
        getattr(given, "name", None) or argument_label(argument, given)
        for argument, given in case.formats.items()
    ]
    return [*names, *mode_labels(case.modes)]


def compare_case(
    case: Case,
    *,
    seed: int,
    rtl_dir: Path = RTL_DIR,
    stalls: Stalls = UNSTALLED,
    limit: int | None = None,
    seen: Seen | None = None,
) -> Outcome:
    """Run every stimulus of `case` through RTL and golden; never raises for a difference.

    Args:
        case: block, formats, modes.
        seed: of the random stimuli.
        rtl_dir: where the RTL is.
        stalls: when the player stalls.
        limit: take only so many random beats instead of every stimulus.
        seen: is shown every chunk, for coverage.

    Returns:
        Vectors, mismatches, cycles and seconds of the RTL, and the first mismatch, if any.
    """
    beats = stimuli(case.op, case.formats, seed=seed, budget=case.budget)
    if limit is not None:
        beats = iter([sample(case.op, case.formats, seed=seed, count=limit)])
    block = load_case(case, rtl_dir=rtl_dir)
    return compare(case, block, beats, seed=seed, stalls=stalls, seen=seen)


def load_case(case: Case, *, rtl_dir: Path = RTL_DIR, flavour: BuildProfile | None = None) -> Block:
    """Return the built block of a case; without a flavour the one that is done first.

    Args:
        case: of the regression's table.
        rtl_dir: where the RTL is; the project's own unless a test gives a changed copy.
        flavour: how the block is built.
    """
    flavour = flavour or (SHORT if case.beats <= SHORT_BEATS else PLAYER)
    return load_block(case.op.name, rtl_dir=rtl_dir, flavour=flavour, **case.formats, **case.modes)


def compare(
    case: Case,
    block: Block,
    chunks: Iterable[Beats],
    *,
    seed: int,
    stalls: Stalls = UNSTALLED,
    seen: Seen | None = None,
) -> Outcome:
    """Run chunks of beats through `block` and golden and count the beats that differ.

    Args:
        case: of the regression's table.
        block: built for it.
        chunks: beats: codes of every input port, (beats, …).
        seed: of gaps and stalls, noted in a mismatch.
        stalls: where input gaps and output stalls fall.
        seen: told of every chunk and its results, for coverage.

    Returns:
        Vectors, mismatches, cycles and seconds of the RTL, and the first mismatch, if any.
    """
    vectors = mismatches = cycles = 0
    seconds = 0.0
    first: Mismatch | None = None
    for beats in chunks:
        played = block.play(beats, stalls=stalls)
        wanted = case.op.run_golden(beats, **case.formats, **case.modes)
        if seen is not None:
            seen(beats, wanted)
        differs = _differing(played.outputs, wanted)
        if first is None and differs.any():
            result = int(np.argmax(differs))
            index = int(case.op.result_beats(beats)[result])
            since = _since_restart(case, beats, index)
            first = Mismatch(
                case=case,
                seed=seed,
                vector=vectors + index,
                beats={name: codes[since : index + 1] for name, codes in beats.items()},
                rtl={name: codes[result] for name, codes in played.outputs.items()},
                golden={name: codes[result] for name, codes in wanted.items()},
                stalls=stalls,
            )
        vectors += len(beats[case.op.inputs[0].name])
        mismatches += int(differs.sum())
        cycles += played.cycles
        seconds += played.seconds
    return Outcome(
        vectors=vectors, mismatches=mismatches, cycles=cycles, rtl_seconds=seconds, first=first
    )


def _differing(rtl: dict[str, CodeArray], golden: dict[str, CodeArray]) -> CodeArray:
    """Return which beats differ in any output."""
    differs = np.zeros(len(next(iter(golden.values()))), dtype=bool)
    for name, want in golden.items():
        differs |= (rtl[name] != want).reshape(len(want), -1).any(axis=1)
    return differs


def _since_restart(case: Case, beats: Beats, index: int) -> int:
    """Return the first beat that the result at `index` depends on."""
    if not case.op.stateful:
        return index
    restarts = np.flatnonzero(beats["first"][: index + 1])
    return int(restarts[-1]) if restarts.size else 0


def _shown(port: Port, codes: Any, formats: Any, lane: int | None) -> str:
    """Return one port's code as 0x… (value); of a port with lanes the lane that matters."""
    if port.kind == "flag" and not port.is_array():
        return f"{port.name} {int(codes)}"
    digits = -(-port.width_bits(formats) // 4)
    if port.is_array() and (lane is None or lane >= len(codes) or port.kind == "flag"):
        return f"{port.name} {' '.join(f'{int(code):0{digits}x}' for code in codes)}"
    code = int(codes[lane]) if port.is_array() else int(codes)
    spec = without_micro(formats)[port.fmt]
    if isinstance(spec, Mx) and port.kind == "scale":
        return f"{port.name} {code:#x} (2^{code - spec.scale_bias})"
    scalar = spec.element if isinstance(spec, Mx) else spec
    return f"0x{code:0{digits}x} ({float(decode([code], scalar)[0]):.9g})"
