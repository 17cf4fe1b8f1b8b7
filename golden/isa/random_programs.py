"""Random programs that are legal, or end in one trap of any cause; and the shortest that fails.

A program is a tree of steps and loops. A step sets all registers that its instruction takes, so
that a tree without some of its parts is a program, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..codec import encode as encode_values
from ..formats import Mx
from .machine import KV, VECTOR, Machine
from .revision import Revision, get_revision
from .state import Array
from .transfer import pack, width_bits
from .word import encode

_UPPER = 12
_BIG = 0xFFFF_FFFF


@dataclass(frozen=True)
class Step:
    """Instructions that belong together: mnemonics and operands; or a word as it is."""

    instructions: tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True)
class Loop:
    """A loop: the register that counts, passes, and what is repeated."""

    register: int
    passes: int
    body: tuple[Node, ...]


Node = Step | Loop
_RAW = ".word"
_ON_ROWS = [
    *(f"V_{what}_VV" for what in ("ADD", "SUB", "MUL")),
    *(f"V_{what}_VF" for what in ("ADD", "SUB", "MUL", "MAX", "MIN")),
    *("V_EXP_V", "V_RECI_V"),
]


@dataclass(frozen=True, kw_only=True)
class RandomProgram:
    """A program with what lies in HBM.

    Attributes:
        machine: it is for.
        seed: that it was drawn from.
        nodes: of it.
        ends: C_BREAK is its last word; else it traps there.
        hbm: bytes from address 0 on.
    """

    machine: Machine
    seed: int
    nodes: tuple[Node, ...]
    ends: bool
    hbm: Array

    @property
    def words(self) -> list[int]:
        """The program's words."""
        revision = get_revision("plena")
        found = list(_words(self.nodes, revision))
        if self.ends:
            found.append(encode(revision, revision.operations["C_BREAK"], ()))
        return found


def _words(nodes: Sequence[Node], revision: Revision) -> Iterator[int]:
    table = revision.operations
    for node in nodes:
        if isinstance(node, Loop):
            yield encode(revision, table["C_LOOP_START"], (node.register, node.passes))
            yield from _words(node.body, revision)
            yield encode(revision, table["C_LOOP_END"], (node.register,))
            continue
        for name, values in node.instructions:
            yield values[0] if name == _RAW else encode(revision, table[name], values)


def random_program(
    machine: Machine, seed: int, *, steps: int = 24, trap: float = 0.01
) -> RandomProgram:
    """Return a program of about so many steps.

    Args:
        machine: small memories make programs that meet themselves.
        seed: of everything.
        steps: instructions that something happens by, each with those that set its registers.
        trap: how likely a step is to trap.
    """
    draw = _Draw(machine, np.random.default_rng(seed), trap)
    nodes = tuple(draw.nodes(steps, depth=0))
    return RandomProgram(
        machine=machine,
        seed=seed,
        nodes=nodes,
        ends=draw.chance(0.97),
        hbm=draw.memory(),
    )


def shortest(program: RandomProgram, fails: Callable[[RandomProgram], bool]) -> RandomProgram:
    """Return a program that still fails, and does so no more without any of its parts.

    Args:
        program: one that fails.
        fails: whether a program does.
    """
    while True:
        for nodes in _smaller(program.nodes):
            tried = replace(program, nodes=nodes)
            if fails(tried):
                program = tried
                break
        else:
            return program


def _smaller(nodes: tuple[Node, ...]) -> Iterator[tuple[Node, ...]]:
    """Yield trees with less in them, those that lack most first."""
    size = len(nodes)
    part = size
    while part:
        for start in range(0, size, part):
            yield nodes[:start] + nodes[start + part :]
        part //= 2
    for at, node in enumerate(nodes):
        if isinstance(node, Loop):
            yield nodes[:at] + node.body + nodes[at + 1 :]
            if node.passes > 1:
                yield (*nodes[:at], Loop(node.register, 1, node.body), *nodes[at + 1 :])
            for body in _smaller(node.body):
                if body:
                    yield (*nodes[:at], Loop(node.register, node.passes, body), *nodes[at + 1 :])


class _Draw:
    """Draws steps."""

    def __init__(self, machine: Machine, draw: np.random.Generator, trap: float) -> None:
        self.m, self.draw, self.trap = machine, draw, trap
        self.hw, self.sizes = machine.hardware, machine.memories
        self.makers: list[tuple[Callable[[], Step], int]] = [
            (self.integers, 3),
            (self.integer_memory, 2),
            (self.scalars, 4),
            (self.scalar_memory, 2),
            (self.control, 2),
            (self.fetch_rows, 5),
            (self.store_rows, 3),
            (self.fetch_tile, 3),
            (self.vectors, 8),
            (self.reductions, 3),
            (self.shift, 2),
            (self.map_row, 1),
            (self.product, 8),
            (self.write_out, 5),
        ]
        weights = np.array([weight for _, weight in self.makers], float)
        self.weights = weights / weights.sum()

    # ---------------------------------------------------------------------------- drawing

    def chance(self, p: float) -> bool:
        """Whether something of this probability happens."""
        return bool(self.draw.random() < p)

    def below(self, limit: int) -> int:
        """Return a number below a limit."""
        return int(self.draw.integers(limit))

    def one_of(self, given: Sequence[Any]) -> Any:
        """Return one of them."""
        return given[self.below(len(given))]

    def nodes(self, steps: int, depth: int) -> Iterator[Node]:
        """Yield steps and loops."""
        while steps > 0:
            if depth < self.sizes.loop_depth + self.chance(0.02) and self.chance(0.12):
                inside = 1 + self.below(min(steps, 6))
                passes = 0 if self.chance(self.trap) else 1 + self.below(3)
                yield Loop(self.below(16), passes, tuple(self.nodes(inside, depth + 1)))
                steps -= inside
            else:
                yield self.step()
                steps -= 1

    def step(self) -> Step:
        """Return a step; now and then one that traps."""
        if self.chance(self.trap / 2):
            return self.illegal()
        at = int(self.draw.choice(len(self.makers), p=self.weights))
        return self.makers[at][0]()

    def illegal(self) -> Step:
        """Return a word that is no instruction, or a loop's end without its loop."""
        word = self.one_of([0x38, 0x3F, 0x00, 0x33, 1 << 31 | 0x34, self.below(1 << 32)])
        kind = self.below(3)
        return Step(((_RAW, (word if kind else 0x30 | self.below(16) << 6,)),))

    def memory(self) -> Array:
        """Return HBM: any bytes, and in its second half values of V of moderate size."""
        size, v = self.sizes.hbm_bytes, self.hw.vector_format
        found = self.draw.integers(0, 256, size, np.uint8)
        half = size // 2
        count = half * 8 // v.width_bits // 8 * 8
        spread = float(self.one_of([0.1, 1.0, 4.0]))
        codes = encode_values(self.draw.normal(0, spread, count), v)
        nice = pack(codes, v.width_bits)
        found[half : half + nice.size] = nice
        return found

    # -------------------------------------------------------------------------- registers

    def set(self, register: int, value: int) -> list[tuple[str, tuple[int, ...]]]:
        """Return what sets a gp register."""
        if value < 1 << 18:
            return [("S_ADDI_INT", (register, 0, value))]
        upper = ("S_LUI_INT", (register, value >> _UPPER))
        return [upper, ("S_ADDI_INT", (register, register, value & ((1 << _UPPER) - 1)))]

    def registers(self, count: int) -> list[int]:
        """Return gp registers other than gp0, no two of them the same."""
        return [1 + int(each) for each in self.draw.choice(15, count, replace=False)]

    def address(self, places: int, step: int) -> int:
        """Return the address of one of so many places, a step apart; often of the first three."""
        if self.chance(self.trap):
            return int(self.one_of([places * step, self.below(places * step) | 1, _BIG]))
        return self.below(min(places, 3) if self.chance(0.5) else places) * step

    # ------------------------------------------------------------------------------ steps

    def integers(self) -> Step:
        """Return arithmetic on any registers."""
        name = self.one_of(["S_ADD_INT", "S_SUB_INT", "S_MUL_INT", "S_ADDI_INT", "S_LUI_INT"])
        if name == "S_LUI_INT":
            return Step(((name, (self.below(16), self.below(1 << 20))),))
        last = self.below(1 << 18) if name == "S_ADDI_INT" else self.below(16)
        return Step(((name, (self.below(16), self.below(16), last)),))

    def integer_memory(self) -> Step:
        """Return a store to INT_MEM, or a load."""
        base, at = self.registers(1)[0], self.address(self.sizes.int_words, 1)
        into = self.below(at + 1) if at < 1 << 18 else 0
        name = self.one_of(["S_LD_INT", "S_ST_INT"])
        return Step((*self.set(base, at - into), (name, (self.below(16), base, into))))

    def scalar_memory(self) -> Step:
        """Return a store to FP_MEM, or a load."""
        base, at = self.registers(1)[0], self.address(self.sizes.fp_words, 1)
        name = self.one_of(["S_LD_FP", "S_ST_FP"])
        return Step((*self.set(base, at), (name, (self.below(8), base, 0))))

    def scalars(self) -> Step:
        """Return an operation on f registers."""
        f = [self.below(8) for _ in range(3)]
        if self.chance(0.4):
            name = self.one_of(["S_EXP_FP", "S_RECI_FP", "S_SQRT_FP"])
            return Step(((name, (f[0], f[1])),))
        name = self.one_of(["S_ADD_FP", "S_SUB_FP", "S_MUL_FP", "S_MAX_FP"])
        return Step(((name, tuple(f)),))

    def control(self) -> Step:
        """Return V_MASK, or SCALE and STRIDE of any size."""
        register = self.registers(1)[0]
        name = self.one_of(["C_SET_V_MASK_REG", "C_SET_SCALE_REG", "C_SET_STRIDE_REG"])
        value = (
            self.below(1 << (self.hw.mlen // self.hw.hlen))
            if "MASK" in name
            else (self.below(self.sizes.hbm_bytes))
        )
        return Step((*self.set(register, value), (name, (register,))))

    def transfer(
        self, type_: Any, rows: int, move: Callable[[int, int, int], tuple[str, tuple[int, ...]]]
    ) -> Step:
        """Return a transfer between blocks of HBM.

        Args:
            type_: as it is stored.
            rows: of VLEN elements.
            move: returns the instruction for a register with the offset, an address register, and
                the stride flag.
        """
        row = self.hw.vlen * width_bits(type_) // 8
        block = type_.element.width_bits * type_.block_size // 8 if isinstance(type_, Mx) else 1
        strided = self.below(2)
        stride = row * self.below(3) if strided else row
        size = self.sizes.hbm_bytes
        last = (rows - 1) * stride + row
        offset = block * self.below(8)
        scales = (offset + last) // block + 1 if isinstance(type_, Mx) else 0
        base = self.below(max(size - offset - last - scales, 1))
        scale = offset + last + self.below(max(size - base - offset - last - scales, 1))
        if self.chance(self.trap):
            offset += self.one_of([1, size])
        a = self.below(8)
        r = self.registers(2)
        lines = [*self.set(r[0], base), ("C_SET_ADDR_REG", (a, 0, r[0]))]
        lines += [*self.set(r[0], scale), ("C_SET_SCALE_REG", (r[0],))]
        if strided:
            lines += [*self.set(r[0], stride), ("C_SET_STRIDE_REG", (r[0],))]
        lines += self.set(r[1], offset)
        return Step((*lines, move(r[1], a, strided)))

    def row_step(self, name: str, rows: int) -> Step:
        """Return a transfer of rows of vector memory."""
        types = self.m.types(weights=False)
        number = 7 if self.chance(self.trap) else self.below(len(types))
        number = VECTOR if self.chance(0.4) else number
        type_ = types[number] if number < len(types) else types[0]
        target = self.registers(1)[0]
        at = self.address(self.sizes.vector_rows - rows + 1, self.hw.vlen)

        def move(offset: int, a: int, strided: int) -> tuple[str, tuple[int, ...]]:
            return name, (target, offset, a, strided, number)

        made = self.transfer(type_, rows, move)
        # The row's register comes last, so that no other setting takes its place.
        name_, values = made.instructions[-1]
        free = [each for each in range(1, 16) if each != values[1]]
        target = self.one_of(free)
        moved = (name_, (target, *values[1:]))
        return Step((*made.instructions[:-1], *self.set(target, at), moved))

    def fetch_rows(self) -> Step:
        """Return a H_PREFETCH_V."""
        return self.row_step("H_PREFETCH_V", self.m.prefetch_rows)

    def store_rows(self) -> Step:
        """Return a H_STORE_V."""
        return self.row_step("H_STORE_V", self.m.store_rows)

    def fetch_tile(self, *, down: bool | None = None, number: int | None = None) -> Step:
        """Return a H_PREFETCH_M."""
        types = self.m.types(weights=True)
        stored = 7 if self.chance(self.trap) else self.below(len(types))
        tiles = [index for index, each in enumerate(types) if isinstance(each, Mx)]
        kind = self.one_of([0, *tiles[1:]])
        if stored < len(types) and not isinstance(types[stored], Mx) and not kind:
            kind = KV if isinstance(types[KV], Mx) else tiles[-1]
        way = self.below(2) if down is None else int(down)
        area = self.hw.mlen**2
        at = self.address(self.sizes.matrix_tiles, area) if number is None else number * area
        type_ = types[stored] if stored < len(types) else types[0]

        def move(offset: int, a: int, strided: int) -> tuple[str, tuple[int, ...]]:
            return "H_PREFETCH_M", (0, offset, a, strided | kind << 1, stored | way << 3)

        made = self.transfer(type_, self.hw.mlen, move)
        name, values = made.instructions[-1]
        target = self.one_of([each for each in range(1, 16) if each != values[1]])
        moved = (name, (target, *values[1:]))
        return Step((*made.instructions[:-1], *self.set(target, at), moved))

    def rows_of(self, count: int) -> tuple[list[int], list[tuple[str, tuple[int, ...]]]]:
        """Return registers with addresses of rows, and what sets them."""
        r = self.registers(count)
        lines: list[tuple[str, tuple[int, ...]]] = []
        for each in r:
            lines += self.set(each, self.address(self.sizes.vector_rows, self.hw.vlen))
        return r, lines

    def vectors(self) -> Step:
        """Return an operation on rows."""
        r, lines = self.rows_of(3)
        masked = self.below(2)
        name = self.one_of(_ON_ROWS)
        if name.endswith("_VV"):
            return Step((*lines, (name, (r[0], r[1], r[2], masked))))
        if name.endswith("_V"):
            return Step((*lines, (name, (r[0], r[1], masked))))
        order = (self.below(2),) if name == "V_SUB_VF" else ()
        return Step((*lines, (name, (r[0], r[1], self.below(8), masked, *order))))

    def reductions(self) -> Step:
        """Return a reduction of a row."""
        r, lines = self.rows_of(1)
        name = self.one_of(["V_RED_SUM", "V_RED_SUM", "V_RED_MAX"])
        return Step((*lines, (name, (self.below(8), r[0], self.below(2)))))

    def shift(self) -> Step:
        """Return a V_SHFT_V."""
        r, lines = self.rows_of(2)
        by = self.registers(3)
        amount = next(each for each in by if each not in r)
        vlen = self.hw.vlen
        lines += self.set(amount, self.one_of([0, 1, self.below(2 * vlen), vlen]))
        group = self.below(vlen.bit_length())
        return Step((*lines, ("V_SHFT_V", (r[0], r[1], amount, group))))

    def map_row(self) -> Step:
        """Return a S_MAP_V_FP."""
        r, lines = self.rows_of(1)
        base = next(each for each in self.registers(2) if each not in r)
        at = self.address(self.sizes.fp_words - self.hw.vlen + 1, 1)
        return Step((*lines, *self.set(base, at), ("S_MAP_V_FP", (r[0], base, 0))))

    def product(self, name: str | None = None) -> Step:
        """Return a product, most often of a tile that is fetched for it."""
        name = name or self.one_of(["M_TMM", "M_TMM", "M_MM", "M_MM", "M_BTMM", "M_BMM"])
        transposed, heads = "TMM" in name, "_B" in name
        hw, types = self.hw, self.m.types(weights=False)
        kinds = [index for index, each in enumerate(types) if isinstance(each, Mx)]
        kind = self.one_of(kinds) if not self.chance(self.trap) else VECTOR
        number = self.below(self.sizes.matrix_tiles)
        lines: list[tuple[str, tuple[int, ...]]] = []
        if not self.chance(self.trap):
            lines += self.fetch_tile(down=not transposed, number=number).instructions
        x, tile = self.registers(2)
        place = number * hw.mlen**2 + self.address(hw.mlen // hw.blen, hw.blen * hw.mlen)
        if heads:
            place += self.below(hw.mlen // hw.hlen) * hw.hlen
        lines += self.set(x, self.address(self.sizes.vector_rows - hw.blen + 1, hw.vlen))
        lines += self.set(tile, min(place, _BIG))
        operands = (kind, x, tile) if transposed else (kind, tile, x)
        return Step((*lines, (name, operands)))

    def write_out(self) -> Step:
        """Return a write-out, most often of a product that comes before it."""
        hw, rows = self.hw, self.sizes.vector_rows
        r, heads = self.registers(2), self.chance(0.4)
        lines: list[tuple[str, tuple[int, ...]]] = []
        if not self.chance(self.trap):
            name = self.one_of(["M_BTMM", "M_BMM"] if heads else ["M_TMM", "M_MM"])
            lines += self.product(name).instructions
        lane = hw.blen * self.below(hw.vlen // hw.blen)
        if heads:
            count = hw.mlen // hw.hlen * hw.blen
            at = self.address(max(rows - count + 1, 1), hw.vlen) + lane
            return Step((*lines, *self.set(r[0], min(at, _BIG)), ("M_BMM_WO", (r[0], 0))))
        step = self.below(3)
        at = self.address(rows - (hw.blen - 1) * max(step, 1), hw.vlen) + lane
        into = self.one_of([0, 0, min(at, (1 << 18) - 1)])
        lines += [*self.set(r[0], min(at - into, _BIG)), *self.set(r[1], step)]
        return Step((*lines, ("M_MM_WO", (r[0], r[1] if step else 0, into))))
