"""Run one recorded vector again, and write its waveform."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from plena_cosim.golden import FormatError

from ..cases.compare import Mismatch, load_case
from ..cases.table import find_case
from ..player.player import Stalls
from ..verilate.rtl_files import RTL_DIR
from .waves import write_vcd


@dataclass(frozen=True, kw_only=True)
class Replay:
    """One vector run again."""

    line: str
    """What RTL and golden say now."""
    equal: bool
    waveform: Path


def write_waveform(mismatch: Mismatch, folder: Path, *, rtl_dir: Path = RTL_DIR) -> Path:
    """Run the mismatch's beats once more with tracing; returns the VCD file, written whole.

    Args:
        mismatch: what was recorded.
        folder: where the waveform goes.
        rtl_dir: where the RTL is; the project's own unless a test gives a changed copy.
    """
    path = folder / f"{mismatch.id}.vcd"
    write_vcd(mismatch.case, mismatch.beats, path, stalls=mismatch.stalls, rtl_dir=rtl_dir)
    return path


def replay(vector_id: str, folder: Path, *, rtl_dir: Path = RTL_DIR) -> Replay:
    """Run the vector that a mismatch recorded, against the RTL and golden of today.

    Args:
        vector_id: the ID of the mismatch's line.
        folder: where the regression put its failures.
        rtl_dir: where the RTL is.

    Returns:
        What RTL and golden say now, whether that is equal, and the waveform's path.

    Raises:
        FormatError: nothing is recorded under this ID; lists what is.
    """
    recorded = load_mismatch(vector_id, folder)
    case = recorded.case
    waveform = write_waveform(recorded, folder, rtl_dir=rtl_dir)
    played = load_case(case, rtl_dir=rtl_dir).play(recorded.beats, stalls=recorded.stalls)
    wanted = case.op.run_golden(recorded.beats, **case.formats, **case.modes)
    now = Mismatch(
        case=case,
        seed=recorded.seed,
        vector=recorded.vector,
        beats=recorded.beats,
        rtl={name: codes[-1] for name, codes in played.outputs.items()},
        golden={name: codes[-1] for name, codes in wanted.items()},
    )
    equal = all(np.array_equal(now.rtl[name], now.golden[name]) for name in now.golden)
    return Replay(line=now.line(), equal=equal, waveform=waveform)


def load_mismatch(vector_id: str, folder: Path) -> Mismatch:
    """Read what `Mismatch.save` wrote."""
    path = folder / f"{vector_id}.json"
    if not path.is_file():
        known = sorted(found.stem for found in folder.glob("*-v*.json"))
        raise FormatError(
            f"no vector {vector_id!r} recorded in {folder}; there are: {', '.join(known) or 'none'}"
        )
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))

    def arrays(key: str) -> dict[str, Any]:
        return {name: np.array(codes, dtype=np.uint64) for name, codes in record[key].items()}

    return Mismatch(
        case=find_case(record["case"]),
        seed=record["seed"],
        vector=record["vector"],
        beats=arrays("inputs"),
        rtl=arrays("rtl"),
        golden=arrays("golden"),
        stalls=Stalls(**record["stalls"]),
    )
