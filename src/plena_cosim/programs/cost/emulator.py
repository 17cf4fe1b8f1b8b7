"""plena-emulator: cycles of a program as PLENA's transactional emulator charges them, one
instruction after the other.

What it charges was read from AICrossSim/PLENA_Simulator: matrix_machine.rs, vector_machine.rs and
dispatch/scalar.rs of transactional_emulator/src, and LATENCY of plena_settings.toml. Its transfers
go through a simulator of DRAM; here they take their bytes by the bandwidth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from ...golden import FormatError, Mx
from ...golden.isa import Instruction, Revision, decode, get_revision
from ...golden.isa.machine import Machine, Type
from ...golden.isa.transfer import width_bits

LATENCY_OF = {
    **dict.fromkeys(("V_ADD_VV", "V_ADD_VF", "V_SUB_VV", "V_SUB_VF"), "vector_add"),
    **dict.fromkeys(("V_MUL_VV", "V_MUL_VF", "V_SHFT_V"), "vector_mul"),
    "V_EXP_V": "vector_exp",
    "V_RECI_V": "vector_reci",
    "V_RED_SUM": "vector_sum",
    **dict.fromkeys(("V_RED_MAX", "V_MAX_VF", "V_MIN_VF"), "vector_max"),
    **dict.fromkeys(("S_ADD_FP", "S_SUB_FP", "S_MUL_FP", "S_MAX_FP"), "scalar_fp_basic"),
    "S_EXP_FP": "scalar_fp_exp",
    "S_SQRT_FP": "scalar_fp_sqrt",
    "S_RECI_FP": "scalar_fp_reci",
}
"""Entries of a machine's table [latency] by mnemonic; integers have scalar_int_basic."""
_ONE = ("S_LD_FP", "S_ST_FP")
_INTEGER, _CONTROL, _OUT = "_INT", "C_", "_WO"


@dataclass(frozen=True, kw_only=True)
class Emulated:
    """What a program takes.

    Attributes:
        counts: of instructions that are carried out, by mnemonic.
        cycles: by mnemonic, without transfers of HBM.
        units: cycles of each unit (matrix, vector, scalar, control), and of transfers as "hbm".
        bytes: that instructions move to or from HBM, by mnemonic.
        transfer_cycles: of all these bytes.
    """

    counts: dict[str, int]
    cycles: dict[str, int]
    units: dict[str, int]
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
    vendor: bool | None = None,
    overhead: int | None = None,
    bytes_per_cycle: float | None = None,
) -> Emulated:
    """Return the cycles of a program.

    Args:
        words: of the program.
        machine: MLEN, VLEN, transfers, types, and its [timing] and [latency].
        revision: the instruction set; plena when None.
        vendor: arithmetic units of a vendor's library; the machine's when None.
        overhead: cycles of a product besides its MLEN; the machine's when None.
        bytes_per_cycle: of HBM; the machine's when None.

    Raises:
        FormatError, DecodeError: see `carried_out`; or a bandwidth that is not positive, or an
            instruction whose cost is not known.
    """
    rate = machine.timing.bytes_per_cycle if bytes_per_cycle is None else bytes_per_cycle
    if rate <= 0:
        raise FormatError(f"bandwidth of HBM {rate:g}; need a positive number")
    counts: Counter[str] = Counter()
    cycles: Counter[str] = Counter()
    units: Counter[str] = Counter()
    moved: Counter[str] = Counter()
    for each in charged(words, machine, revision=revision, vendor=vendor, overhead=overhead):
        name, unit = each.instruction.operation.name, each.instruction.operation.unit
        counts[name] += each.times
        if unit == "hbm":
            moved[name] += each.bytes
        else:
            cycles[name] += each.cycles
            units[unit] += each.cycles
    transfers = ceil(sum(moved.values()) / rate)
    return Emulated(
        counts=dict(counts),
        cycles=dict(cycles),
        units={**units, "hbm": transfers},
        bytes=dict(moved),
        transfer_cycles=transfers,
    )


@dataclass(frozen=True, kw_only=True)
class Charge:
    """What one word of a program takes, all times that it is carried out.

    Attributes:
        instruction: the word.
        times: that it is carried out.
        cycles: of a unit; 0 of a transfer.
        bytes: of HBM.
    """

    instruction: Instruction
    times: int
    cycles: int
    bytes: int


def charged(
    words: Sequence[int],
    machine: Machine,
    *,
    revision: Revision | None = None,
    vendor: bool | None = None,
    overhead: int | None = None,
) -> Iterator[Charge]:
    """Yield what each word takes, in the order of words.

    Args:
        words, machine, revision, vendor, overhead: as in `emulator`.

    Raises:
        FormatError, DecodeError: as in `emulator`.
    """
    timing = machine.timing
    column = 0 if (timing.vendor_units if vendor is None else vendor) else 1
    latency = {name: pair[column] for name, pair in vars(timing.latency).items()}
    if overhead is not None:
        latency["systolic_processing_overhead"] = overhead
    for instruction, times in carried_out(words, revision or get_revision("plena")):
        transfer = instruction.operation.unit == "hbm"
        yield Charge(
            instruction=instruction,
            times=times,
            cycles=0 if transfer else times * _cycles(instruction, machine, latency),
            bytes=times * _bytes(instruction, machine) if transfer else 0,
        )


def _cycles(instruction: Instruction, machine: Machine, latency: Mapping[str, int]) -> int:
    name, hw = instruction.operation.name, machine.hardware
    overhead = latency["systolic_processing_overhead"]
    if name in LATENCY_OF:
        kinds = {operand.place: operand.kind for operand in instruction.operation.operands}
        lost = kinds["rd"] == "f" and instruction["rd"] == 0  # f0 takes nothing
        return 0 if lost else latency[LATENCY_OF[name]]
    if name.startswith("M_"):
        if name.endswith(_OUT):
            return 1
        one_row = name.endswith("MV")
        heads = name.startswith("M_B")
        if one_row:
            return overhead + 1 if heads else hw.mlen
        return overhead + hw.mlen
    if name == "S_MAP_V_FP":
        return 2 * hw.vlen
    if name.endswith(_INTEGER) and name.startswith("S_"):
        return latency["scalar_int_basic"]
    if name in _ONE or (name.startswith(_CONTROL) and instruction.operation.tier < 3):
        return 1
    raise FormatError(f"{instruction}: nobody has said what {name} costs")


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
