"""The first difference between blocks and exact torch: which block, which beat, and its replay."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from plena_cosim.golden import Mx, decode
from plena_cosim.golden.ops.registry import get_op
from plena_cosim.ground.write_whole import whole, write_whole
from plena_cosim.sim.player.player import load_block
from plena_cosim.sim.verilate.model import TRACE
from plena_cosim.sim.verilate.rtl_files import RTL_DIR

from .errors import CosimError
from .format_fields import from_fields, to_fields
from .machine_blocks import Beats, BlockRun, Wanted

RECORD = "difference.json"


@dataclass(frozen=True, kw_only=True)
class BlockDifference:
    """Beats on which a block and golden differ.

    Attributes:
        wanted: the block.
        beats: the beat that differs; of a block with state the beats since its sums restarted.
        first: index of the first of them in what the block was given.
        rtl, golden: the results of the last one.
    """

    wanted: Wanted
    beats: Beats
    first: int
    rtl: Beats
    golden: Beats

    def line(self) -> str:
        """Return block, beat, port, lane, inputs and both results in one line."""
        op, formats = get_op(self.wanted.name), dict(self.wanted.arguments)
        for port in op.outputs:
            got, want = (np.atleast_1d(side[port.name]) for side in (self.rtl, self.golden))
            wrong = np.flatnonzero(got != want)
            if wrong.size:
                lane = int(wrong[0])
                shown = [_shown(codes[lane], formats.get(port.fmt)) for codes in (got, want)]
                given = ", ".join(
                    f"{name} {_shown(np.atleast_1d(codes[-1])[0], None)}"
                    for name, codes in self.beats.items()
                    if codes.ndim == 1 and name not in ("first", "write", "transposed")
                )
                place = f"beat {self.first} {port.name}[{lane}]"
                inputs = f" of {given}" if given else ""
                return (
                    f"{op.module} {self.wanted.label} {place}{inputs}: "
                    f"rtl {shown[0]}, golden {shown[1]}"
                )
        return f"{op.module} {self.wanted.label}: equal to golden"


def find_block(runs: list[BlockRun]) -> BlockDifference | None:
    """Return the first beat on which one of some block runs and golden differ; None: all agree."""
    for run in runs:
        op, arguments = get_op(run.wanted.name), dict(run.wanted.arguments)
        wanted = op.run_golden(run.inputs, **arguments)
        results = len(next(iter(wanted.values())))
        wrong = np.zeros(results, bool)
        for name, codes in wanted.items():
            wrong |= (run.outputs[name] != codes).reshape(results, -1).any(axis=1)
        if not wrong.any():
            continue
        result = int(np.argmax(wrong))
        beat = int(op.result_beats(run.inputs)[result])
        begin = beat
        if op.stateful:
            begin = int(np.flatnonzero(run.inputs["first"][: beat + 1])[-1])
        return BlockDifference(
            wanted=run.wanted,
            beats={name: codes[begin : beat + 1] for name, codes in run.inputs.items()},
            first=begin,
            rtl={name: run.outputs[name][result] for name in wanted},
            golden={name: codes[result] for name, codes in wanted.items()},
        )
    return None


def save_beats(wanted: Wanted, beats: Beats, path: Path) -> Path:
    """Write what a replay needs: beats as .npz, with the block's arguments in it.

    Args:
        wanted: the block.
        beats: codes of every input port.
        path: of the file.

    Returns:
        The path.
    """
    arguments = {key: to_fields(value) for key, value in wanted.arguments}
    meta = json.dumps({"op": wanted.name, "arguments": arguments})
    arrays: dict[str, Any] = {f"in_{name}": codes for name, codes in beats.items()}
    with whole(path) as scratch, scratch.open("wb") as file:
        np.savez_compressed(file, meta=np.array(meta), **arrays)
    return path


def load(path: Path) -> BlockRun:
    """Return the block and its beats that `save_beats` wrote; there are no outputs yet.

    Raises:
        CosimError: the file is not there, or no such file.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            meta = json.loads(str(file["meta"]))
            beats = {key[3:]: file[key] for key in file.files if key.startswith("in_")}
    except (OSError, KeyError, ValueError) as error:
        raise CosimError(
            f"cannot read beats from {path} ({error}); give the .npz that a difference names"
        ) from None
    arguments = {key: from_fields(value) for key, value in meta["arguments"].items()}
    return BlockRun(wanted=Wanted.of(meta["op"], **arguments), inputs=beats, outputs={})


@dataclass(frozen=True, kw_only=True)
class Replay:
    """Beats run again.

    Attributes:
        line: what RTL and golden say now.
        equal: whether they agree.
        waveform: a VCD file.
    """

    line: str
    equal: bool
    waveform: Path


def replay(path: Path, *, rtl_dir: Path = RTL_DIR) -> Replay:
    """Run one block on the beats of a file against golden, and write its waveform beside it.

    Args:
        path: the .npz that a difference names.
        rtl_dir: where the RTL is.

    Returns:
        What RTL and golden say now.

    Raises:
        CosimError: the file cannot be read.
    """
    given = load(path)
    waveform = path.with_suffix(".vcd")
    outputs = write_waveform(given.wanted, given.inputs, waveform, rtl_dir=rtl_dir)
    found = find_block([BlockRun(wanted=given.wanted, inputs=given.inputs, outputs=outputs)])
    count = len(next(iter(given.inputs.values())))
    line = f"{given.wanted.label}: {count} beats, equal to golden"
    return Replay(line=found.line() if found else line, equal=found is None, waveform=waveform)


def write_waveform(wanted: Wanted, beats: Beats, path: Path, *, rtl_dir: Path) -> Beats:
    """Run beats through a block built for tracing; return its outputs.

    Args:
        wanted: the block.
        beats: codes of every input port.
        path: of the VCD file, written whole.
        rtl_dir: where the RTL is.
    """
    block = load_block(wanted.name, flavour=TRACE, rtl_dir=rtl_dir, **dict(wanted.arguments))
    with whole(path) as scratch:
        return block.play(beats, record=scratch).outputs


def replay_command(path: Path, rtl_dir: Path) -> str:
    """Return the command that runs a block again on the beats of a file.

    Args:
        path: of the .npz.
        rtl_dir: where the RTL is; named only where it is not the project's own.
    """
    given = [] if rtl_dir == RTL_DIR else ["--rtl", str(rtl_dir)]
    return shlex.join(["plena", "cosim", "replay", str(path), *given])


def note(record: dict[str, Any], path: Path) -> None:
    """Write what a difference is, as JSON.

    Args:
        record: fit for JSON.
        path: of the file.
    """
    write_whole(path, json.dumps(record, indent=1))


def _shown(code: Any, fmt: Any) -> str:
    """Return a code as hex, with its value where a format is known."""
    number = int(code)
    if fmt is None or isinstance(fmt, Mx):
        return f"{number:#x}"
    return f"{number:#x} ({float(decode([number], fmt)[0]):.9g})"
