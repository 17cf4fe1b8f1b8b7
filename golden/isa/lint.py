"""What looks wrong in a program, found by running its integers, addresses and loops alone.

No instruction's path depends on values of vectors, so this walk meets every address that a run
does, except where INT_MEM brings in integers that the program has not stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ..formats import Mx
from .machine import Machine
from .revision import Revision
from .word import Instruction, decode

_MODULUS = 1 << 32
MOST = 5_000_000
"""Instructions that are walked."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that looks wrong.

    Attributes:
        word: number of the instruction.
        message: what, and what to do.
    """

    word: int
    message: str


def lint(
    words: Sequence[int], revision: Revision, machine: Machine, *, most: int = MOST
) -> list[Finding]:
    """Return what looks wrong in a program, each once, in the order of words.

    Args:
        words: of the program; each is an instruction.
        revision: the instruction set.
        machine: sizes and types.
        most: instructions that are walked; a finding says where that ended.

    Raises:
        DecodeError: a word is no instruction.
    """
    walk = _Walk([decode(revision, word) for word in words], machine)
    walk.run(most)
    return sorted(walk.found, key=lambda finding: finding.word)


Integer = int | None
"""None: nobody knows."""


class _Walk:
    def __init__(self, program: list[Instruction], machine: Machine) -> None:
        self.program, self.machine = program, machine
        self.found: dict[Finding, None] = {}
        self.pc = 0
        self.gp: list[Integer] = [0] * 32
        self.stored: dict[int, Integer] = {}
        self.rows: set[int] = set()
        self.tiles: set[int] = set()
        self.v_mask: Integer = 0
        self.loops: list[list[int]] = []  # register, passes left, first word of the body
        self.time = 0
        self.bases: dict[int, int] = {}  # when each address register was set
        self.scale_set = self.stride_set = -1
        self.offsets: list[Integer | str] = ["", ""]  # of sums that hold something; "": nothing

    def run(self, most: int) -> None:
        for _ in range(most):
            if self.pc >= len(self.program):
                self.say("the program ends without C_BREAK", at=max(0, len(self.program) - 1))
                return
            instruction = self.program[self.pc]
            name = instruction.operation.name
            if name == "C_BREAK":
                self._end()
                return
            if instruction.operation.tier > 2:
                self.say(f"{name} is of tier 3: it traps", at=self.pc)
            given = {
                operand.place: value
                for operand, value in zip(
                    instruction.operation.operands, instruction.values, strict=True
                )
            }
            self.time += 1
            before = self.pc
            self.pc += 1
            self._registers(instruction, given, before)
            handler = _HANDLERS.get(name)
            if handler is not None and not handler(self, name, given):
                return
        self.say(f"not looked at further: {most} instructions were walked")

    def say(self, message: str, at: int | None = None) -> None:
        """Note a finding, of the instruction at hand where no other word is named."""
        self.found[Finding(self.pc - 1 if at is None else at, message)] = None

    def _end(self) -> None:
        for held, names in zip(self.offsets, ("M_MM_WO", "M_BMM_WO"), strict=True):
            if held != "":
                self.say(f"the program ends with sums that no {names} has written", at=self.pc)
        if self.loops:
            self.say(f"the program ends within {len(self.loops)} loops", at=self.pc)

    def _registers(self, instruction: Instruction, given: dict[str, int], word: int) -> None:
        """Find writes to what cannot be written, or counts."""
        name = instruction.operation.name
        kinds = {operand.place: operand.kind for operand in instruction.operation.operands}
        rd, kind = given.get("rd"), kinds.get("rd")
        if name.startswith("C_LOOP") or rd is None:
            return
        written = name.endswith("_INT") and name != "S_ST_INT"
        if kind == "gp" and written:
            if rd == 0:
                self.say("writes gp0, which stays 0", at=word)
            if any(loop[0] == rd for loop in self.loops):
                self.say(f"writes gp{rd}, which counts a loop around it", at=word)
        if kind == "f" and name != "S_ST_FP" and rd == 0:
            self.say("writes f0, which stays 0", at=word)

    # Memories.

    def row(self, address: Integer, count: int, *, reads: bool) -> Iterator[int]:
        """Yield the rows at an address that are there; note what is wrong with them."""
        vlen, rows = self.machine.hardware.vlen, self.machine.memories.vector_rows
        if address is None:
            return
        if address % vlen:
            self.say(f"vector address {address} is no multiple of VLEN = {vlen}")
            return
        first = address // vlen
        if first + count > rows:
            self.say(f"vector rows {first} to {first + count - 1}; there are {rows}")
            return
        for row in range(first, first + count):
            if reads and row not in self.rows:
                self.say(f"reads vector row {row}, which nothing has written")
                self.rows.add(row)  # once
            yield row

    def masked(self, given: dict[str, int], place: str = "rs3") -> None:
        """Note a mask flag without a mask."""
        if given.get(place) and self.v_mask == 0:
            self.say("has the mask flag, but V_MASK is 0: no lane takes part")


_Handler = Callable[[_Walk, str, dict[str, int]], bool]
_HANDLERS: dict[str, _Handler] = {}


def _does(*names: str) -> Callable[[_Handler], _Handler]:
    def add(handler: _Handler) -> _Handler:
        _HANDLERS.update(dict.fromkeys(names, handler))
        return handler

    return add


_TWO: dict[str, Callable[[int, int], int]] = {
    "S_ADD_INT": lambda x, y: x + y,
    "S_SUB_INT": lambda x, y: x - y,
    "S_MUL_INT": lambda x, y: x * y,
    "S_SLL_INT": lambda x, y: x << y if y < 32 else 0,
    "S_SRL_INT": lambda x, y: x >> y if y < 32 else 0,
}


def _write_gp(walk: _Walk, rd: int, value: Integer) -> bool:
    if rd:
        walk.gp[rd] = None if value is None else value % _MODULUS
    return True


@_does(*_TWO)
def _two(walk: _Walk, name: str, given: dict[str, int]) -> bool:
    x, y = walk.gp[given["rs1"]], walk.gp[given["rs2"]]
    return _write_gp(walk, given["rd"], None if x is None or y is None else _TWO[name](x, y))


@_does("S_ADDI_INT", "S_SLLI_INT", "S_SRLI_INT")
def _immediate(walk: _Walk, name: str, given: dict[str, int]) -> bool:
    x = walk.gp[given["rs1"]]
    function = _TWO[name.replace("I_INT", "_INT")]
    return _write_gp(walk, given["rd"], None if x is None else function(x, given["imm"]))


@_does("S_LUI_INT")
def _upper(walk: _Walk, name: str, given: dict[str, int]) -> bool:
    return _write_gp(walk, given["rd"], given["long"] << 12)


def _word(walk: _Walk, given: dict[str, int], what: str, size: int, count: int = 1) -> Integer:
    base = walk.gp[given["rs1"]]
    if base is None:
        return None
    at = base + given["imm"]
    if at + count > size:
        walk.say(f"{what} {at} to {at + count - 1}; there are {size}")
        return None
    return at


@_does("S_LD_INT")
def _load(walk: _Walk, name: str, given: dict[str, int]) -> bool:
    at = _word(walk, given, "INT_MEM", walk.machine.memories.int_words)
    return _write_gp(walk, given["rd"], None if at is None else walk.stored.get(at))


@_does("S_ST_INT")
def _store(walk: _Walk, name: str, given: dict[str, int]) -> bool:
    at = _word(walk, given, "INT_MEM", walk.machine.memories.int_words)
    if at is not None:
        walk.stored[at] = walk.gp[given["rd"]]
    return True


@_does("S_LD_FP", "S_ST_FP")
def _fp_word(walk: _Walk, name: str, given: dict[str, int]) -> bool:
    _word(walk, given, "FP_MEM", walk.machine.memories.fp_words)
    return True


@_does("S_MAP_V_FP")
def _map(walk: _Walk, name: str, given: dict[str, int]) -> bool:
    _word(walk, given, "FP_MEM", walk.machine.memories.fp_words, walk.machine.hardware.vlen)
    walk.rows.update(walk.row(walk.gp[given["rd"]], 1, reads=False))
    return True


@_does(
    *(f"V_{name}_VV" for name in ("ADD", "SUB", "MUL")),
    *(f"V_{name}_VF" for name in ("ADD", "SUB", "MUL", "MAX", "MIN")),
    *("V_EXP_V", "V_RECI_V", "V_RED_SUM", "V_RED_MAX", "V_SHFT_V"),
)
def _vector(walk: _Walk, name: str, given: dict[str, int]) -> bool:
    if name != "V_SHFT_V":  # whose rs3 is a size
        walk.masked(given)
    list(walk.row(walk.gp[given["rs1"]], 1, reads=True))
    if name.endswith("_VV"):
        list(walk.row(walk.gp[given["rs2"]], 1, reads=True))
    if "RED" not in name:
        walk.rows.update(walk.row(walk.gp[given["rd"]], 1, reads=False))
    return True


@_does("C_SET_ADDR_REG", "C_SET_SCALE_REG", "C_SET_STRIDE_REG", "C_SET_V_MASK_REG")
def _set(walk: _Walk, name: str, given: dict[str, int]) -> bool:
    if name == "C_SET_ADDR_REG":
        walk.bases[given["rd"]] = walk.time
    elif name == "C_SET_SCALE_REG":
        walk.scale_set = walk.time
    elif name == "C_SET_STRIDE_REG":
        walk.stride_set = walk.time
    else:
        walk.v_mask = walk.gp[given["rd"]]
    return True


def _transfer(walk: _Walk, given: dict[str, int], type_: int, *, strided: int, tile: bool) -> None:
    types = walk.machine.types(weights=tile)
    if type_ >= len(types):
        walk.say(f"type {type_}; the machine has types 0 to {len(types) - 1}")
        return
    base = walk.bases.get(given["rs2"], 0)
    if isinstance(types[type_], Mx) and walk.scale_set < base:
        walk.say(f"SCALE was not set since a{given['rs2']} was")
    if strided and walk.stride_set < base:
        walk.say(f"STRIDE was not set since a{given['rs2']} was")


@_does("H_PREFETCH_V")
def _prefetch(walk: _Walk, name: str, given: dict[str, int]) -> bool:
    _transfer(walk, given, given["funct1"], strided=given["rs3"], tile=False)
    count = walk.machine.prefetch_rows
    walk.rows.update(walk.row(walk.gp[given["rd"]], count, reads=False))
    return True


@_does("H_STORE_V")
def _store_rows(walk: _Walk, name: str, given: dict[str, int]) -> bool:
    _transfer(walk, given, given["funct1"], strided=given["rs3"], tile=False)
    list(walk.row(walk.gp[given["rd"]], walk.machine.store_rows, reads=True))
    return True


@_does("H_PREFETCH_M")
def _prefetch_tile(walk: _Walk, name: str, given: dict[str, int]) -> bool:
    _transfer(walk, given, given["funct1"] & 7, strided=given["rs3"] & 1, tile=True)
    area = walk.machine.hardware.mlen**2
    address, tiles = walk.gp[given["rd"]], walk.machine.memories.matrix_tiles
    if address is None:
        return True
    if address % area:
        walk.say(f"tile address {address} is no multiple of MLEN^2 = {area}")
    elif address // area >= tiles:
        walk.say(f"tile {address // area}; there are {tiles}")
    else:
        walk.tiles.add(address // area)
    return True


@_does("M_MM", "M_TMM", "M_BMM", "M_BTMM")
def _product(walk: _Walk, name: str, given: dict[str, int]) -> bool:
    hw, heads = walk.machine.hardware, "_B" in name
    x_at, t_at = ("rs1", "rs2") if "T" in name else ("rs2", "rs1")
    list(walk.row(walk.gp[given[x_at]], hw.blen, reads=True))
    address = walk.gp[given[t_at]]
    if address is None:
        walk.offsets[heads] = None
        return True
    tile, inside = divmod(address, hw.mlen**2)
    offset, slice_ = divmod(inside, hw.mlen)
    if tile >= walk.machine.memories.matrix_tiles:
        walk.say(f"tile {tile}; there are {walk.machine.memories.matrix_tiles}")
    elif tile not in walk.tiles:
        walk.say(f"reads tile {tile}, which nothing has fetched")
        walk.tiles.add(tile)
    if not heads and slice_:
        walk.say(
            f"tile offset {inside} counts elements; column block c of a tile is at "
            f"c * BLEN * MLEN = c * {hw.blen * hw.mlen}"
        )
    elif offset % hw.blen or slice_ % hw.hlen:
        walk.say(f"{inside} in tile {tile} lies between blocks of BLEN rows or HLEN columns")
    held = walk.offsets[heads]
    if held not in ("", None) and held != inside:
        walk.say(f"adds block {inside} of a tile to sums of block {held}, which nobody has written")
    walk.offsets[heads] = inside
    return True


@_does("M_MM_WO", "M_BMM_WO")
def _write_out(walk: _Walk, name: str, given: dict[str, int]) -> bool:
    hw, heads = walk.machine.hardware, name == "M_BMM_WO"
    if walk.offsets[heads] == "":
        walk.say("nothing has been accumulated since the last write-out")
    walk.offsets[heads] = ""
    base = walk.gp[given["rd"]]
    step = 1 if heads else walk.gp[given["rs1"]]
    if base is None or step is None:
        return True
    row, lane = divmod(base + given["imm"], hw.vlen)
    if lane % hw.blen:
        walk.say(f"lane {lane} is no multiple of BLEN = {hw.blen}")
    count = hw.blen * (hw.mlen // hw.hlen if heads else 1)
    places = [row + i * (step or 1) for i in range(count)]
    if places[-1] >= walk.machine.memories.vector_rows:
        rows = walk.machine.memories.vector_rows
        walk.say(f"vector rows {row} to {places[-1]}; there are {rows}")
    walk.rows.update(places)
    return True


@_does("C_LOOP_START")
def _begin(walk: _Walk, name: str, given: dict[str, int]) -> bool:
    depth = walk.machine.memories.loop_depth
    if not given["long"] or len(walk.loops) == depth:
        walk.say("a loop of 0 passes" if not given["long"] else f"more than {depth} loops nested")
        return False
    walk.loops.append([given["rd"], given["long"], walk.pc])
    return _write_gp(walk, given["rd"], given["long"])


@_does("C_LOOP_END")
def _end(walk: _Walk, name: str, given: dict[str, int]) -> bool:
    if not walk.loops:
        walk.say("ends a loop that has not begun")
        return False
    loop = walk.loops[-1]
    if loop[0] != given["rd"]:
        walk.say(f"ends the loop of gp{given['rd']}, but the innermost is that of gp{loop[0]}")
        return False
    loop[1] -= 1
    _write_gp(walk, given["rd"], loop[1])
    if loop[1]:
        walk.pc = loop[2]
    else:
        walk.loops.pop()
    return True
