"""State of a machine that runs a program, and what an instruction writes to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..codec import code_dtype
from .machine import Machine

Array = npt.NDArray[Any]


class Write(NamedTuple):
    """One architectural write.

    Attributes:
        space: pc, gp, f, a, scale, stride, v_mask, loops, sums, vector, tile, int, fp or hbm.
        address: of a register, row, tile, word or byte; 0 where there is but one.
        data: what is there afterwards.
    """

    space: str
    address: int
    data: Any


class Tile(NamedTuple):
    """A tile of the matrix SRAM.

    Attributes:
        codes: of elements, (MLEN, MLEN).
        scales: (MLEN, MLEN / block), the blocks of a row, or (MLEN / block, MLEN) where `down`.
        type: its number, as tiles have them.
        down: blocks run down columns.
    """

    codes: Array
    scales: Array
    type: int
    down: bool


class Loop(NamedTuple):
    """A loop that has begun.

    Attributes:
        register: that shows what is left.
        left: passes.
        start: word of the body's first instruction.
    """

    register: int
    left: int
    start: int


@dataclass
class State:
    """Everything that a program can see. All of it begins as 0.

    Attributes:
        pc: word of the next instruction.
        halted: C_BREAK has ended the program.
        gp: 32-bit integers.
        f: codes of R.
        a: addresses.
        scale, stride, v_mask: the registers SCALE, STRIDE and V_MASK.
        loops: the innermost last.
        sums: two sets of codes of A, that of M_MM and M_TMM and that of M_B…; None: holds nothing.
        vector: codes of V, (rows, VLEN).
        tiles: tiles that were written, by their number.
        ints: 32-bit words.
        fps: codes of R.
        hbm: bytes.
    """

    pc: int
    halted: bool
    gp: list[int]
    f: list[int]
    a: list[int]
    scale: int
    stride: int
    v_mask: int
    loops: list[Loop]
    sums: list[Array | None]
    vector: Array
    tiles: dict[int, Tile]
    ints: Array
    fps: Array
    hbm: Array

    @classmethod
    def reset(
        cls, machine: Machine, *, registers: tuple[int, int, int], hbm: Array | None = None
    ) -> State:
        """Return the state after a reset.

        Args:
            machine: sizes of the memories.
            registers: how many gp, f and a there are.
            hbm: bytes at address 0 and up; zeros behind them.
        """
        sizes, hw = machine.memories, machine.hardware
        memory = np.zeros(sizes.hbm_bytes, np.uint8)
        if hbm is not None:
            memory[: hbm.size] = hbm
        return cls(
            pc=0,
            halted=False,
            gp=[0] * registers[0],
            f=[0] * registers[1],
            a=[0] * registers[2],
            scale=0,
            stride=0,
            v_mask=0,
            loops=[],
            sums=[None, None],
            vector=np.zeros((sizes.vector_rows, hw.vlen), code_dtype(hw.vector_format.width_bits)),
            tiles={},
            ints=np.zeros(sizes.int_words, np.uint32),
            fps=np.zeros(sizes.fp_words, code_dtype(hw.reduction_format.width_bits)),
            hbm=memory,
        )

    def apply(self, write: Write) -> None:
        """Carry out one write."""
        space, address, data = write
        if space in ("gp", "f", "a"):
            if address or space == "a":  # gp0 and f0 stay 0
                getattr(self, space)[address] = data
        elif space == "vector":
            self.vector[address] = data
        elif space == "tile":
            self.tiles[address] = data
        elif space == "sums":
            self.sums[address] = data
        elif space == "int":
            self.ints[address] = data
        elif space == "fp":
            self.fps[address] = data
        elif space == "hbm":
            self.hbm[address : address + len(data)] = data
        elif space == "loops":
            self.loops = list(data)
        else:
            setattr(self, space, data)


def difference(one: State, other: State) -> str | None:
    """Return where two states differ, in words; None where they are equal."""
    for name in ("pc", "halted", "gp", "f", "a", "scale", "stride", "v_mask", "loops"):
        if getattr(one, name) != getattr(other, name):
            return f"{name}: {getattr(one, name)} and {getattr(other, name)}"
    for name in ("vector", "ints", "fps", "hbm"):
        ours, theirs = getattr(one, name), getattr(other, name)
        if not np.array_equal(ours, theirs):
            at = np.argwhere(ours != theirs)[0].tolist()
            return f"{name} {at}: {ours[tuple(at)]} and {theirs[tuple(at)]}"
    for number, (ours, theirs) in enumerate(zip(one.sums, other.sums, strict=True)):
        if ours is None or theirs is None:
            if ours is not theirs:
                return f"sums {number}: only one holds something"
        elif not np.array_equal(ours, theirs):
            return f"sums {number}: {ours} and {theirs}"
    for number in sorted(one.tiles.keys() | other.tiles.keys()):
        here, there = one.tiles.get(number), other.tiles.get(number)
        if here is None or there is None:
            return f"tile {number}: only one has written it"
        parts: list[tuple[Any, Any]] = list(zip(here, there, strict=True))
        if not all(np.array_equal(ours, theirs) for ours, theirs in parts):
            return f"tile {number}: {here} and {there}"
    return None
