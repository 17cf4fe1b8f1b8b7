"""plena-emulator: cycles of a program as PLENA's transactional emulator charges them, one
instruction after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil

from ...golden import FormatError, Mx
from ...golden.isa import Instruction, Revision, decode, get_revision
from ...golden.isa.machine import Machine, Type
from ...golden.isa.transfer import width_bits

VECTOR = {
    "ADD": (1, 2),
    "SUB": (1, 2),
    "MUL": (1, 5),
    "SHFT": (1, 5),
    "EXP": (1, 6),
    "RECI": (2, 7),
    "RED_SUM": (8, 20),
    "RED_MAX": (4, 4),
    "MAX": (4, 4),
    "MIN": (4, 4),
}
"""Cycles of vector instructions, with a vendor's arithmetic units and without."""
SCALAR = {"EXP": (1, 2), "RECI": (1, 2), "SQRT": (1, 2)}
"""Those of scalar functions; any other scalar instruction is one cycle."""


@dataclass(frozen=True, kw_only=True)
class Emulated:
    """What a program takes.

    Attributes:
        counts: of instructions that are carried out, by mnemonic.
        cycles: by mnemonic, without transfers of HBM.
        bytes: that instructions move to or from HBM, by mnemonic.
        transfer_cycles: of all these bytes.
    """

    counts: dict[str, int]
    cycles: dict[str, int]
    bytes: dict[str, int]
    transfer_cycles: int

    @property
    def total(self) -> int:
        """All cycles, one instruction after the other."""
        return sum(self.cycles.values()) + self.transfer_cycles


def carried_out(words: Sequence[int], revision: Revision) -> Iterator[tuple[Instruction, int]]:
    """Yield each instruction of a program and how often it is carried out.

    Args:
        words: of a program without a branch, as all are: loops have fixed counts.
        revision: the instruction set.

    Raises:
        FormatError: loops that do not close.
        DecodeError: a word that is no instruction.
    """
    times = 1
    outer: list[int] = []
    for number, word in enumerate(words):
        instruction = decode(revision, word)
        name = instruction.operation.name
        yield instruction, times
        if name == "C_LOOP_START":
            outer.append(times)
            times *= instruction.values[1]
        elif name == "C_LOOP_END":
            if not outer:
                raise FormatError(f"word {number}: C_LOOP_END without its C_LOOP_START")
            times = outer.pop()
        elif name == "C_BREAK" and not outer:
            return
    if outer:
        raise FormatError(f"{len(outer)} loops are not closed")


def emulator(
    words: Sequence[int],
    machine: Machine,
    *,
    revision: Revision | None = None,
    vendor: bool = True,
    overhead: int = 0,
    bytes_per_cycle: float = 512.0,
) -> Emulated:
    """Return the cycles of a program.

    Args:
        words: of the program.
        machine: MLEN, VLEN, transfers, types.
        revision: the instruction set; plena when None.
        vendor: arithmetic units of a vendor's library.
        overhead: cycles of a product besides its MLEN; 0 in PLENA's own settings.
        bytes_per_cycle: of HBM.

    Raises:
        FormatError, DecodeError: see `carried_out`; or a bandwidth that is not positive.
    """
    if bytes_per_cycle <= 0:
        raise FormatError(f"bandwidth of HBM {bytes_per_cycle:g}; need a positive number")
    counts: Counter[str] = Counter()
    cycles: Counter[str] = Counter()
    moved: Counter[str] = Counter()
    for instruction, times in carried_out(words, revision or get_revision("plena")):
        name = instruction.operation.name
        counts[name] += times
        if instruction.operation.unit == "hbm":
            moved[name] += times * _bytes(instruction, machine)
        else:
            cycles[name] += times * _cycles(name, machine, vendor=vendor, overhead=overhead)
    return Emulated(
        counts=dict(counts),
        cycles=dict(cycles),
        bytes=dict(moved),
        transfer_cycles=ceil(sum(moved.values()) / bytes_per_cycle),
    )


def _cycles(name: str, machine: Machine, *, vendor: bool, overhead: int) -> int:
    if name == "S_MAP_V_FP":
        return 2 * machine.hardware.vlen
    if name.startswith("M_"):
        return 1 if name.endswith("_WO") else overhead + machine.hardware.mlen
    for table, prefix in ((VECTOR, "V_"), (SCALAR, "S_")):
        if name.startswith(prefix):
            known = (key for key in table if name.startswith(prefix + key))
            found = max(known, key=len, default=None)
            return 1 if found is None else table[found][0 if vendor else 1]
    return 1


def _bytes(instruction: Instruction, machine: Machine) -> int:
    name, hw = instruction.operation.name, machine.hardware
    tile = name == "H_PREFETCH_M"
    types = machine.types(weights=tile)
    number = instruction["funct1"] & 7
    if number >= len(types):
        raise FormatError(f"{instruction}: type {number}; the machine has {len(types)}")
    rows = hw.mlen if tile else machine.prefetch_rows
    if name == "H_STORE_V":
        rows = machine.store_rows
    return rows * row_bytes(types[number], hw.vlen)


def row_bytes(type_: Type, columns: int) -> int:
    """Return the bytes of a row of a type, scales included."""
    scales = columns // type_.block_size if isinstance(type_, Mx) else 0
    return columns * width_bits(type_) // 8 + scales
