"""The blocks of a machine: built once, run in threads, with every cycle counted.

A Verilated block lets go of Python's lock while it runs and keeps nothing between calls, so that
threads spread work over cores: there is no child that could outlive us.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from plena_cosim.golden.ops.registry import get_op
from plena_cosim.sim.player.player import Block, CodeArray, Playback, load_block
from plena_cosim.sim.verilate.model import PLAYER, BuildProfile
from plena_cosim.sim.verilate.rtl_files import RTL_DIR

Beats = dict[str, CodeArray]
_WORTH_SPLITTING = 1 << 13
"""Beats of one lane: below that a thread costs more than it saves."""


@dataclass(frozen=True)
class Wanted:
    """A block by its op, formats, sizes and modes."""

    name: str
    arguments: tuple[tuple[str, Any], ...]

    @classmethod
    def of(cls, name: str, **arguments: Any) -> Wanted:
        """Return the block of an op with these arguments."""
        return cls(name, tuple(sorted(arguments.items())))

    @property
    def label(self) -> str:
        """The op with its arguments, for tables."""
        words = (
            given.value if isinstance(given, Enum) else getattr(given, "name", given)
            for _, given in self.arguments
        )
        return f"{self.name}[{', '.join(map(str, words))}]"


@dataclass(kw_only=True)
class Work:
    """What blocks have done for one operation or for many.

    Attributes:
        beats: that were streamed.
        cycles: as the player counted them.
        machine_cycles: of a machine that has a block for each lane of its vector unit.
        macs: products that count; those of padding do not.
    """

    beats: int = 0
    cycles: int = 0
    machine_cycles: int = 0
    macs: int = 0

    def add(self, other: Work) -> None:
        """Add what another operation took."""
        self.beats += other.beats
        self.cycles += other.cycles
        self.machine_cycles += other.machine_cycles
        self.macs += other.macs


@dataclass(frozen=True, kw_only=True)
class BlockRun:
    """What went into a block and came out."""

    wanted: Wanted
    inputs: Beats
    outputs: Beats


@dataclass(kw_only=True)
class MachineBlocks:
    """Blocks by what is wanted, and what they did since the last `begin`.

    Attributes:
        jobs: threads.
        vlen: lanes of the machine's vector unit.
        rtl_dir: where the RTL is.
        profile: how blocks are built: PLAYER, or SHORT, which is built sooner and runs slower.
        work: by block, since `begin`.
        runs: since `begin`, for whoever looks for the block that is wrong.
    """

    jobs: int = field(default_factory=lambda: os.cpu_count() or 1)
    vlen: int = 64
    rtl_dir: Path = RTL_DIR
    profile: BuildProfile = PLAYER
    work: dict[Wanted, Work] = field(default_factory=dict)
    runs: list[BlockRun] = field(default_factory=list)
    _built: dict[Wanted, Block] = field(default_factory=dict)
    _pool: ThreadPoolExecutor | None = None

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Keep threads for the time of a run."""
        with ThreadPoolExecutor(self.jobs, thread_name_prefix="plena-block") as pool:
            self._pool = pool
            try:
                yield
            finally:
                self._pool = None
                pool.shutdown(wait=True, cancel_futures=True)

    def begin(self) -> None:
        """Forget what earlier operations did."""
        self.work, self.runs = {}, []

    def block(self, wanted: Wanted) -> Block:
        """Return a block, built at the first use."""
        if wanted not in self._built:
            self._built[wanted] = load_block(
                wanted.name, flavour=self.profile, rtl_dir=self.rtl_dir, **dict(wanted.arguments)
            )
        return self._built[wanted]

    def build_keys(self) -> dict[str, str]:
        """Return by block the name of its build, which ends with the hash of all that made it."""
        return {
            wanted.label: Path(block.library._name).parent.name
            for wanted, block in self._built.items()
        }

    def run(self, name: str, inputs: Beats, *, width: int = 1, **arguments: Any) -> CodeArray:
        """Stream beats through a block without state, and return its one output.

        Args:
            name: of the op.
            inputs: codes by port.
            width: lanes of the vector unit that a beat takes.
            **arguments: formats, sizes and modes of the op.
        """
        return self.outputs(name, inputs, width=width, **arguments)[get_op(name).outputs[0].name]

    def outputs(self, name: str, inputs: Beats, *, width: int = 1, **arguments: Any) -> Beats:
        """Return all outputs by port; arguments are those of `run`."""
        wanted = Wanted.of(name, **arguments)
        block = self.block(wanted)
        count = len(next(iter(inputs.values())))
        lanes = max(port.lanes for port in block.inputs)
        parts = self.jobs if count * lanes >= _WORTH_SPLITTING else 1
        edges = [count * part // parts for part in range(parts + 1)]
        pieces = [
            {port: codes[begin:end] for port, codes in inputs.items()}
            for begin, end in itertools.pairwise(edges)
        ]
        played = self.spread(block.play, pieces)
        outputs = {
            port.name: np.concatenate([done.outputs[port.name] for done in played])
            if parts > 1
            else played[0].outputs[port.name]
            for port in block.outputs
        }
        at_once = max(1, self.vlen // width)
        cycles = sum(done.cycles for done in played)
        lanes_cycles = -(-count // at_once) + (cycles - count if parts == 1 else block.latency)
        self.note(wanted, Work(beats=count, cycles=cycles, machine_cycles=max(lanes_cycles, 0)))
        self.runs.append(BlockRun(wanted=wanted, inputs=inputs, outputs=outputs))
        return outputs

    def note(self, wanted: Wanted, work: Work) -> None:
        """Count what a block did."""
        self.work.setdefault(wanted, Work()).add(work)

    def spread(self, function: Callable[[Any], Playback], given: Sequence[Any]) -> list[Playback]:
        """Return function(x) for each x, in threads where there is more than one."""
        if self._pool is None or len(given) == 1:
            return [function(each) for each in given]
        return list(self._pool.map(function, given))
