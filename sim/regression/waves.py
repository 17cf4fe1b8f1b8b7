"""Waveforms of a block at work: a few beats with gaps and stalls, to look at and learn from."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from plena_cosim.ground.write_whole import whole

from ..cases.compare import load_case
from ..cases.table import Case, select_cases
from ..player.player import UNSTALLED, Playback, Stalls
from ..stimuli.stimuli import Beats, sample
from ..verilate.model import TRACE
from ..verilate.rtl_files import RTL_DIR

VIEWERS = ("surfer", "gtkwave")
"""Programs that show a VCD file, the preferred one first."""


@dataclass(frozen=True, kw_only=True)
class Waves:
    """One recorded run."""

    case: Case
    path: Path
    beats: int
    cycles: int
    equal: bool
    """Whether the results were golden's."""

    def line(self) -> str:
        """Return what was recorded, in one line."""
        verdict = "equal to golden" if self.equal else "NOT equal to golden; run plena sim"
        return f"{self.case.id}: {self.beats} beats in {self.cycles} cycles, {verdict}"


def record(
    block: str,
    fmt: str | None,
    *,
    count: int,
    seed: int,
    folder: Path,
    rtl_dir: Path = RTL_DIR,
) -> Waves:
    """Run a few random beats with gaps and stalls, and write the waveform of it.

    Args:
        block: an op, e.g. "fp_mul".
        fmt: one of its formats; its first case in the regression when None.
        count: beats.
        seed: of the beats and of the gaps and stalls.
        folder: where `<case>.vcd` goes, whole or not at all.
        rtl_dir: where the RTL is.

    Returns:
        What was recorded, and whether the results were golden's.

    Raises:
        FormatError: an unknown block or format.
        BuildError, ToolchainError, ProtocolError: see `load_block` and `Block.play`.
    """
    case = select_cases(block, fmt)[0]
    beats = sample(case.op, case.formats, seed=seed, count=count)
    path = folder / f"{case.id}.vcd"
    stalls = Stalls(gaps=True, stalls=True, seed=seed)
    played = write_vcd(case, beats, path, stalls=stalls, rtl_dir=rtl_dir)
    wanted = case.op.run_golden(beats, **case.formats, **case.modes)
    equal = all(np.array_equal(played.outputs[name], wanted[name]) for name in wanted)
    return Waves(case=case, path=path, beats=count, cycles=played.cycles, equal=equal)


def write_vcd(
    case: Case, beats: Beats, path: Path, *, stalls: Stalls = UNSTALLED, rtl_dir: Path = RTL_DIR
) -> Playback:
    """Run `beats` through a block built for tracing; `path` is the VCD file, written whole.

    Args:
        case: whose block is built.
        beats: codes of every input port, (beats, …).
        path: of the VCD file.
        stalls: where input gaps and output stalls fall.
        rtl_dir: where the RTL is; the project's own unless a test gives a changed copy.

    Returns:
        Codes of every output port, cycles and seconds.
    """
    block = load_case(case, rtl_dir=rtl_dir, flavour=TRACE)
    with whole(path) as scratch:
        return block.play(beats, stalls=stalls, record=scratch)


def viewer(search_path: str | None = None) -> str | None:
    """Return the program that shows waveforms, or None if there is none on PATH."""
    return next((name for name in VIEWERS if shutil.which(name, path=search_path)), None)


def open_command(path: Path) -> str:
    """Return the command that opens `path`; where no viewer is installed, of the preferred one."""
    return f"{viewer() or VIEWERS[0]} {shlex.quote(str(path))}"


def has_display() -> bool:
    """Whether a window can be opened here."""
    return sys.platform == "darwin" or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))


def show(path: Path) -> str:
    """Open `path` in a viewer of its own; returns what was done, or why it could not be."""
    program = viewer()
    if program is None:
        return f"no viewer on PATH; install one of: {', '.join(VIEWERS)}"
    if not has_display():
        return f"no display here for {program} (DISPLAY is not set)"
    subprocess.Popen(
        [program, str(path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    return f"opened in {program}"
