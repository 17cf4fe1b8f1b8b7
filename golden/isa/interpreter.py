"""The golden interpreter: one instruction after the other, each by golden's own operations.

An instruction is a function from the state to what it writes, so one that traps has changed
nothing. docs/isa.md says what each means.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..codec import NanReplacedWarning
from ..formats import Mx
from ..mx import MxArray
from ..ops import add as fp_add
from ..ops import cast, exp, max, min, mul, reciprocal, reduce_max, reduce_sum, sqrt, sub
from ..ops.matmul import sums
from .machine import Machine, Type
from .revision import Revision, get_revision
from .state import Array, Loop, State, Tile, Write
from .transfer import Rows, as_vector, quantised
from .trap import Cause, TrapError
from .word import DecodeError, Instruction, decode

_MODULUS = 1 << 32
_HIGHEST_TIER = 2


@dataclass(frozen=True, slots=True)
class Step:
    """What one instruction has done.

    Attributes:
        pc: its word.
        instruction: it.
        writes: in order; that of pc comes last.
    """

    pc: int
    instruction: Instruction
    writes: tuple[Write, ...]


class Interpreter:
    """A machine with a program.

    Args:
        machine: sizes and formats.
        words: of the program.
        revision: the instruction set.
        hbm: bytes at address 0 and up.

    Raises:
        TrapError: the program does not fit.
    """

    def __init__(
        self,
        machine: Machine,
        words: Sequence[int],
        *,
        revision: Revision | None = None,
        hbm: Array | None = None,
    ) -> None:
        self.machine = machine
        self.revision = revision or get_revision("plena")
        self.words = list(words)
        room = machine.memories.program_words
        if len(self.words) > room:
            raise TrapError(
                Cause.RANGE, f"a program of {len(self.words)} words; there is room for {room}"
            )
        counts = self.revision.registers
        registers = counts["gp"], counts["f"], counts["a"]
        self.state = State.reset(machine, registers=registers, hbm=hbm)
        self._decoded: dict[int, Instruction] = {}

    def run(self, *, most: int | None = None) -> Iterator[Step]:
        """Carry out instructions until the program ends; yield each.

        Args:
            most: instructions; None: no limit.

        Raises:
            TrapError: an instruction cannot be carried out. The state is as before it, pc on it.
        """
        done = 0
        while not self.state.halted and (most is None or done < most):
            yield self.step()
            done += 1

    def step(self) -> Step:
        """Carry out the next instruction; `run` says what it raises."""
        state = self.state
        pc = state.pc
        instruction = None
        try:
            instruction = self._next(pc)
            writes = list(self._execute(instruction))
        except TrapError as trap:
            shown = "" if instruction is None else str(instruction)
            raise TrapError(
                trap.cause, trap.reason, pc=pc, instruction=shown or "no instruction"
            ) from None
        if not any(write.space == "pc" for write in writes) and not any(
            write.space == "halted" for write in writes
        ):
            writes.append(Write("pc", 0, pc + 1))
        for write in writes:
            state.apply(write)
        return Step(pc, instruction, tuple(writes))

    def following(self) -> Instruction | None:
        """Return the next instruction; None where there is none."""
        try:
            return self._next(self.state.pc)
        except TrapError:
            return None

    def _next(self, pc: int) -> Instruction:
        if pc >= len(self.words):
            raise TrapError(Cause.END, "the program ends without C_BREAK")
        word = self.words[pc]
        found = self._decoded.get(word)
        if found is None:
            try:
                found = decode(self.revision, word)
            except DecodeError as error:
                raise TrapError(Cause.ILLEGAL, str(error)) from None
            self._decoded[word] = found
        if found.operation.tier > _HIGHEST_TIER:
            raise TrapError(Cause.ILLEGAL, "is not executed here (tier 3)")
        return found

    def _execute(self, instruction: Instruction) -> list[Write]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NanReplacedWarning)  # formats without NaN: as stated
            unit = UNITS[instruction.operation.name]
            return unit(self, Operands(instruction))

    # Formats, and registers as their readers take them.

    @property
    def v(self) -> Any:
        """The vector format."""
        return self.machine.hardware.vector_format

    @property
    def r(self) -> Any:
        """The reduction format, of f registers and FP_MEM."""
        return self.machine.hardware.reduction_format

    def f_in_v(self, number: int) -> Any:
        """Return an f register as a code of V."""
        return cast(self.state.f[number], self.r, self.v)

    def in_r(self, code: Any) -> int:
        """Return a code of V as the same number in R."""
        return int(cast(code, self.v, self.r))

    # Addresses.

    def row(self, address: int, count: int = 1) -> int:
        """Return the number of the vector row at an address, of which `count` are there."""
        vlen, rows = self.machine.hardware.vlen, self.machine.memories.vector_rows
        if address % vlen:
            raise TrapError(
                Cause.MISALIGNED, f"vector address {address} is no multiple of VLEN = {vlen}"
            )
        first = address // vlen
        if first + count > rows:
            raise TrapError(
                Cause.RANGE, f"vector rows {first} to {first + count - 1}; there are {rows}"
            )
        return first

    def word(self, address: int, what: str, size: int, count: int = 1) -> int:
        """Return an address of INT_MEM or FP_MEM.

        Args:
            address: of the first word.
            what: the memory, for messages.
            size: words that it has.
            count: words that are taken.

        Raises:
            TrapError: they are not all there.
        """
        if address + count > size:
            raise TrapError(
                Cause.RANGE, f"{what} {address} to {address + count - 1}; there are {size}"
            )
        return address

    def type(self, number: int, *, weights: bool = False) -> Type:
        """Return a type that the machine has."""
        types = self.machine.types(weights=weights)
        if number >= len(types):
            raise TrapError(
                Cause.TYPE, f"type {number}; the machine has types 0 to {len(types) - 1}"
            )
        return types[number]

    def mx_type(self, number: int, *, weights: bool = False) -> Mx:
        """Return an MX type that the machine has."""
        found = self.type(number, weights=weights)
        if not isinstance(found, Mx):
            raise TrapError(Cause.TYPE, f"type {number} is {found.name}; need an MX format")
        return found

    def lanes(self, masked: int) -> Array:
        """Return which lanes take part, (VLEN,) bool."""
        hw = self.machine.hardware
        if not masked:
            return np.ones(hw.vlen, bool)
        heads = np.arange(hw.vlen) // hw.hlen
        return (self.state.v_mask >> heads & 1).astype(bool)


class Operands:
    """The operands of an instruction by their places."""

    def __init__(self, instruction: Instruction) -> None:
        self._values = {
            operand.place: value
            for operand, value in zip(
                instruction.operation.operands, instruction.values, strict=True
            )
        }

    def __getattr__(self, place: str) -> int:
        return self._values.get(place, 0)


_Handler = Callable[[Interpreter, Operands], list[Write]]
UNITS: dict[str, _Handler] = {}
"""What carries out each instruction: returns its writes, or raises TrapError."""


def _does(*names: str) -> Callable[[_Handler], _Handler]:
    def add(handler: _Handler) -> _Handler:
        for name in names:
            UNITS[name] = handler
        return handler

    return add


# Control.


@_does("C_BREAK")
def _break(m: Interpreter, op: Operands) -> list[Write]:
    return [Write("halted", 0, True)]


@_does("C_SET_ADDR_REG")
def _set_address(m: Interpreter, op: Operands) -> list[Write]:
    gp = m.state.gp
    return [Write("a", op.rd, gp[op.rs1] * _MODULUS + gp[op.rs2])]


def _set(space: str) -> _Handler:
    def handler(m: Interpreter, op: Operands) -> list[Write]:
        return [Write(space, 0, m.state.gp[op.rd])]

    return handler


UNITS["C_SET_SCALE_REG"] = _set("scale")
UNITS["C_SET_STRIDE_REG"] = _set("stride")
UNITS["C_SET_V_MASK_REG"] = _set("v_mask")


@_does("C_LOOP_START")
def _loop_start(m: Interpreter, op: Operands) -> list[Write]:
    depth = m.machine.memories.loop_depth
    if op.long == 0:
        raise TrapError(Cause.LOOP, "a loop of 0 passes")
    if len(m.state.loops) == depth:
        raise TrapError(Cause.LOOP, f"more than {depth} loops within each other")
    loops = (*m.state.loops, Loop(op.rd, op.long, m.state.pc + 1))
    return [Write("loops", 0, loops), Write("gp", op.rd, op.long)]


@_does("C_LOOP_END")
def _loop_end(m: Interpreter, op: Operands) -> list[Write]:
    if not m.state.loops:
        raise TrapError(Cause.LOOP, "no loop has begun")
    *outer, loop = m.state.loops
    if loop.register != op.rd:
        raise TrapError(Cause.LOOP, f"the innermost loop counts in gp{loop.register}")
    left = loop.left - 1
    if not left:
        return [Write("loops", 0, tuple(outer)), Write("gp", op.rd, 0)]
    loops = (*outer, loop._replace(left=left))
    return [Write("loops", 0, loops), Write("gp", op.rd, left), Write("pc", 0, loop.start)]


# Integers.

INTEGERS: dict[str, Callable[[int, int], int]] = {
    "S_ADD_INT": lambda x, y: x + y,
    "S_SUB_INT": lambda x, y: x - y,
    "S_MUL_INT": lambda x, y: x * y,
    "S_ADDI_INT": lambda x, y: x + y,
    "S_SLL_INT": lambda x, y: x << y if y < 32 else 0,
    "S_SLLI_INT": lambda x, y: x << y if y < 32 else 0,
    "S_SRL_INT": lambda x, y: x >> y if y < 32 else 0,
    "S_SRLI_INT": lambda x, y: x >> y if y < 32 else 0,
}
"""Of integer instructions: results before they are reduced to 32 bits."""


def _integer(function: Callable[[int, int], int], *, immediate: bool) -> _Handler:
    def handler(m: Interpreter, op: Operands) -> list[Write]:
        gp = m.state.gp
        right = op.imm if immediate else gp[op.rs2]
        return [Write("gp", op.rd, function(gp[op.rs1], right) % _MODULUS)]

    return handler


for _name, _function in INTEGERS.items():
    UNITS[_name] = _integer(
        _function, immediate=_name in ("S_ADDI_INT", "S_SLLI_INT", "S_SRLI_INT")
    )


@_does("S_LUI_INT")
def _upper(m: Interpreter, op: Operands) -> list[Write]:
    return [Write("gp", op.rd, (op.long << 12) % _MODULUS)]


@_does("S_LD_INT")
def _load_int(m: Interpreter, op: Operands) -> list[Write]:
    at = m.word(m.state.gp[op.rs1] + op.imm, "INT_MEM", m.machine.memories.int_words)
    return [Write("gp", op.rd, int(m.state.ints[at]))]


@_does("S_ST_INT")
def _store_int(m: Interpreter, op: Operands) -> list[Write]:
    at = m.word(m.state.gp[op.rs1] + op.imm, "INT_MEM", m.machine.memories.int_words)
    return [Write("int", at, m.state.gp[op.rd])]


# Scalars.

_BINARY: dict[str, Callable[..., Any]] = {
    "ADD": fp_add,
    "SUB": sub,
    "MUL": mul,
    "MAX": max,
    "MIN": min,
}
_UNARY: dict[str, Callable[..., Any]] = {"EXP": exp, "RECI": reciprocal, "SQRT": sqrt}


def _scalar(function: Callable[..., Any], *, operands: int) -> _Handler:
    def handler(m: Interpreter, op: Operands) -> list[Write]:
        given = [m.f_in_v(number) for number in (op.rs1, op.rs2)[:operands]]
        return [Write("f", op.rd, m.in_r(function(*given, m.v)))]

    return handler


for _name in ("ADD", "SUB", "MUL", "MAX"):
    UNITS[f"S_{_name}_FP"] = _scalar(_BINARY[_name], operands=2)
for _name in ("EXP", "RECI", "SQRT"):
    UNITS[f"S_{_name}_FP"] = _scalar(_UNARY[_name], operands=1)


@_does("S_LD_FP")
def _load_fp(m: Interpreter, op: Operands) -> list[Write]:
    at = m.word(m.state.gp[op.rs1] + op.imm, "FP_MEM", m.machine.memories.fp_words)
    return [Write("f", op.rd, int(m.state.fps[at]))]


@_does("S_ST_FP")
def _store_fp(m: Interpreter, op: Operands) -> list[Write]:
    at = m.word(m.state.gp[op.rs1] + op.imm, "FP_MEM", m.machine.memories.fp_words)
    return [Write("fp", at, m.state.f[op.rd])]


@_does("S_MAP_V_FP")
def _map_row(m: Interpreter, op: Operands) -> list[Write]:
    vlen = m.machine.hardware.vlen
    size = m.machine.memories.fp_words
    at = m.word(m.state.gp[op.rs1] + op.imm, "FP_MEM", size, vlen)
    row = m.row(m.state.gp[op.rd])
    return [Write("vector", row, cast(m.state.fps[at : at + vlen], m.r, m.v))]


# Vectors.


def _vector(function: Callable[..., Any], *, second: str) -> _Handler:
    """second: "vector", "scalar", or "" for functions of one value."""

    def handler(m: Interpreter, op: Operands) -> list[Write]:
        gp, vector = m.state.gp, m.state.vector
        x = vector[m.row(gp[op.rs1])]
        given = [x]
        if second == "vector":
            given.append(vector[m.row(gp[op.rs2])])
        elif second:
            given.append(np.full_like(x, m.f_in_v(op.rs2)))
        if op.funct1:
            given.reverse()
        row = m.row(gp[op.rd])
        return [Write("vector", row, np.where(m.lanes(op.rs3), function(*given, m.v), x))]

    return handler


for _name in ("ADD", "SUB", "MUL"):
    UNITS[f"V_{_name}_VV"] = _vector(_BINARY[_name], second="vector")
for _name in ("ADD", "SUB", "MUL", "MAX", "MIN"):
    UNITS[f"V_{_name}_VF"] = _vector(_BINARY[_name], second="scalar")
for _name in ("EXP", "RECI"):
    UNITS[f"V_{_name}_V"] = _vector(_UNARY[_name], second="")


def _reduction(function: Callable[..., Any]) -> _Handler:
    def handler(m: Interpreter, op: Operands) -> list[Write]:
        x = m.state.vector[m.row(m.state.gp[op.rs1])]
        found = function(x[None], m.lanes(op.rs3)[None], [m.state.f[op.rd]], m.v, m.r)
        return [Write("f", op.rd, int(found[0]))]

    return handler


UNITS["V_RED_SUM"] = _reduction(reduce_sum)
UNITS["V_RED_MAX"] = _reduction(reduce_max)


@_does("V_SHFT_V")
def _shift(m: Interpreter, op: Operands) -> list[Write]:
    gp, vlen = m.state.gp, m.machine.hardware.vlen
    x = m.state.vector[m.row(gp[op.rs1])]
    row, by = m.row(gp[op.rd]), gp[op.rs2]
    if op.rs3:
        if 1 << op.rs3 > vlen:
            raise TrapError(Cause.RANGE, f"groups of {1 << op.rs3} lanes; a row has {vlen}")
        groups = x.reshape(-1, 1 << op.rs3)
        return [Write("vector", row, np.roll(groups, by % (1 << op.rs3), axis=1).reshape(-1))]
    moved = np.zeros_like(x)
    if by < vlen:
        moved[by:] = x[: vlen - by]
    return [Write("vector", row, moved)]


# HBM.


def _rows_in_hbm(m: Interpreter, op: Operands, type_: Type, count: int, *, strided: int) -> Rows:
    state = m.state
    return Rows(
        type_,
        columns=m.machine.hardware.vlen,
        count=count,
        base=state.a[op.rs2],
        offset=state.gp[op.rs1],
        step=state.stride if strided else None,
        scale=state.scale,
        size=m.machine.memories.hbm_bytes,
    )


@_does("H_PREFETCH_V")
def _prefetch_rows(m: Interpreter, op: Operands) -> list[Write]:
    count, type_ = m.machine.prefetch_rows, m.type(op.funct1)
    first = m.row(m.state.gp[op.rd], count)
    place = _rows_in_hbm(m, op, type_, count, strided=op.rs3)
    found = as_vector(*place.read(m.state.hbm), type_, m.v)
    return [Write("vector", first + row, found[row]) for row in range(count)]


@_does("H_STORE_V")
def _store_rows(m: Interpreter, op: Operands) -> list[Write]:
    count, type_ = m.machine.store_rows, m.type(op.funct1)
    first = m.row(m.state.gp[op.rd], count)
    place = _rows_in_hbm(m, op, type_, count, strided=op.rs3)
    values = m.state.vector[first : first + count]
    if isinstance(type_, Mx):
        written = place.written(*quantised(values, m.v, type_))
    else:
        written = place.written(cast(values, m.v, type_), None)
    return [Write("hbm", address, data) for address, data in written]


@_does("H_PREFETCH_M")
def _prefetch_tile(m: Interpreter, op: Operands) -> list[Write]:
    mlen = m.machine.hardware.mlen
    strided, number, stored_number = op.rs3 & 1, op.rs3 >> 1, op.funct1 & 7
    down = bool(op.funct1 >> 3) or (m.machine.m_mm_requantise and stored_number == 0)
    stored = m.type(stored_number, weights=True)
    tile_type = m.mx_type(number or stored_number, weights=True)
    address = m.state.gp[op.rd]
    if address % (mlen * mlen):
        raise TrapError(
            Cause.MISALIGNED, f"tile address {address} is no multiple of MLEN^2 = {mlen * mlen}"
        )
    tile = _tile_number(m, address)
    place = _rows_in_hbm(m, op, stored, mlen, strided=strided)
    codes, scales = place.read(m.state.hbm)
    if not number and not down:
        assert scales is not None
        return [Write("tile", tile, Tile(codes, scales, stored_number, False))]
    values = as_vector(codes, scales, stored, m.v)
    if down:
        codes, scales = quantised(values.T, m.v, tile_type)
        codes, scales = codes.T, scales.T
    else:
        codes, scales = quantised(values, m.v, tile_type)
    return [Write("tile", tile, Tile(codes, scales, number or stored_number, down))]


def _tile_number(m: Interpreter, address: int) -> int:
    number, tiles = address // m.machine.hardware.mlen**2, m.machine.memories.matrix_tiles
    if number >= tiles:
        raise TrapError(Cause.RANGE, f"tile {number}; there are {tiles}")
    return number


# The matrix unit.


def _multiply(m: Interpreter, op: Operands, *, transposed: bool, heads: bool) -> list[Write]:
    hw, state = m.machine.hardware, m.state
    x_at, t_at = (op.rs1, op.rs2) if transposed else (op.rs2, op.rs1)
    mx = m.mx_type(op.rd)
    first = m.row(state.gp[x_at], hw.blen)
    address = state.gp[t_at]
    number = _tile_number(m, address)
    offset, slice_ = divmod(address % hw.mlen**2, hw.mlen)
    if offset % hw.blen or slice_ % (hw.hlen if heads else hw.mlen):
        step = f"{hw.blen} rows of {hw.mlen}"
        raise TrapError(
            Cause.MISALIGNED,
            f"{address} in tile {number}: offsets are multiples of {step}"
            + (f" and slices of HLEN = {hw.hlen}" if heads else ""),
        )
    tile = state.tiles.get(number) or _blank(m)
    tile_mx = m.mx_type(tile.type, weights=True)
    if tile_mx.block_size != mx.block_size:
        raise TrapError(
            Cause.BLOCKS,
            f"blocks of {mx.block_size} ({mx.name}) and {tile_mx.block_size} ({tile_mx.name})",
        )
    if heads and hw.hlen % mx.block_size:
        raise TrapError(Cause.BLOCKS, f"blocks of {mx.block_size} do not divide HLEN = {hw.hlen}")
    if tile.down == transposed:
        way = "down columns" if tile.down else "along rows"
        raise TrapError(Cause.BLOCKS, f"tile {number} has blocks {way}; need the other way")
    codes, scales = quantised(state.vector[first : first + hw.blen], m.v, mx)
    count, depth = (hw.mlen // hw.hlen, hw.hlen) if heads else (1, hw.mlen)
    # (heads, BLEN, depth), and (depth, BLEN) for all of them.
    x = MxArray(
        codes=codes.reshape(hw.blen, count, depth).swapaxes(0, 1),
        scales=scales.reshape(hw.blen, count, -1).swapaxes(0, 1),
        mx=mx,
        axis=2,
    )
    t_codes, t_scales = (tile.codes.T, tile.scales.T) if transposed else (tile.codes, tile.scales)
    inside = slice(slice_, slice_ + depth)
    blocks = slice(slice_ // mx.block_size, (slice_ + depth) // mx.block_size)
    wanted = slice(offset, offset + hw.blen)
    t = MxArray(
        codes=t_codes[None, inside, wanted],
        scales=t_scales[None, blocks, wanted],
        mx=tile_mx,
        axis=1,
    )
    return [Write("sums", int(heads), sums(x, t, hw.accumulator_format, state.sums[int(heads)]))]


def _blank(m: Interpreter) -> Tile:
    mlen, size = m.machine.hardware.mlen, m.mx_type(0, weights=True).block_size
    return Tile(np.zeros((mlen, mlen), int), np.zeros((mlen, mlen // size), int), 0, False)


def _product(*, transposed: bool, heads: bool) -> _Handler:
    return lambda m, op: _multiply(m, op, transposed=transposed, heads=heads)


UNITS["M_MM"] = _product(transposed=False, heads=False)
UNITS["M_TMM"] = _product(transposed=True, heads=False)
UNITS["M_BMM"] = _product(transposed=False, heads=True)
UNITS["M_BTMM"] = _product(transposed=True, heads=True)


def _write_out(m: Interpreter, op: Operands, *, heads: bool) -> list[Write]:
    hw, state = m.machine.hardware, m.state
    held = state.sums[int(heads)]
    if held is None:
        raise TrapError(Cause.EMPTY, "nothing has been accumulated since the last write-out")
    row, lane = divmod(state.gp[op.rd] + op.imm, hw.vlen)
    if lane % hw.blen:
        raise TrapError(Cause.MISALIGNED, f"lane {lane} is no multiple of BLEN = {hw.blen}")
    step = 1 if heads else state.gp[op.rs1] or 1
    values = cast(held.reshape(-1, hw.blen), hw.accumulator_format, m.v)
    places = [row + i * step for i in range(len(values))]
    rows = m.machine.memories.vector_rows
    if places[-1] >= rows:
        raise TrapError(Cause.RANGE, f"vector rows {row} to {places[-1]}; there are {rows}")
    writes = [Write("sums", int(heads), None)]
    for place, found in zip(places, values, strict=True):
        whole = state.vector[place].copy()
        whole[lane : lane + hw.blen] = found
        writes.append(Write("vector", place, whole))
    return writes


UNITS["M_MM_WO"] = lambda m, op: _write_out(m, op, heads=False)
UNITS["M_BMM_WO"] = lambda m, op: _write_out(m, op, heads=True)
