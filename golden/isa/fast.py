"""The same machine, quicker: each word is made into a function once, products are reused.

Integers, loops and products in fp32 have ways of their own; everything else, and whatever those
cannot do (a trap, an infinite sum), is the golden interpreter's, from the same state. Tests hold
the two equal after every instruction of random programs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..codec import NanReplacedWarning, decode
from ..float_environment import in_default_environment
from ..formats import Minifloat, Mx, get_format
from ..ops import cast
from ..ops.dot import block_exp, element_integers, product_bits, special_blocks
from .interpreter import INTEGERS, UNITS, Interpreter, Operands, Step
from .machine import Machine
from .revision import Revision
from .state import Array, Loop, Tile
from .transfer import quantised
from .trap import TrapError

_MASK = (1 << 32) - 1
_SLOW = -1
"""What a function returns, in the place of the next word, where golden has to do it."""
_EXACT_BITS = 53
_KEPT = 256
"""Products of rows and tiles that are remembered."""

_Action = Callable[[], int]


class _Operand(NamedTuple):
    """An operand of a product.

    Attributes:
        ints: elements, in units of 2^lsb_exp: (blocks, rows or columns, block) of one, and
            (blocks, block, columns) of the other; float64.
        exps: of the units, (blocks, rows) or (blocks, columns).
        special: whether any block is NaN.
    """

    ints: Array
    exps: Array
    special: bool


class _Rows(NamedTuple):
    """BLEN rows of vector memory, quantised; `stamps` say which writes they saw."""

    stamps: list[int]
    operand: _Operand


class FastInterpreter(Interpreter):
    """A machine with a program; `carry_out` runs it.

    Attributes:
        carried: instructions so far.

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
        super().__init__(machine, words, revision=revision, hbm=hbm)
        fp32 = get_format("fp32")
        self.carried = 0
        self._plan: list[_Action | None] = [None] * len(self.words)
        self._stamps = [0] * machine.memories.vector_rows
        self._stamp = 0
        self._rows: dict[tuple[int, int], _Rows] = {}
        self._tiles: dict[int, tuple[Tile | None, _Operand]] = {}
        self._products: dict[tuple[int, int], tuple[_Operand, _Operand, Array]] = {}
        self._single_sums = machine.hardware.accumulator_format == fp32
        self._single_reductions = self.r == fp32
        self._values: Array | None = None
        self._pairs: dict[tuple[int, int], bool] = {}

    @in_default_environment
    def carry_out(self, *, most: int | None = None) -> int:
        """Carry out instructions until the program ends.

        Args:
            most: instructions; None: no limit.

        Returns:
            How many were carried out.

        Raises:
            TrapError: an instruction cannot be carried out. The state is as before it, pc on it.
        """
        state, plan, words = self.state, self._plan, len(self.words)
        before = self.carried
        limit = -1 if most is None else before + most
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NanReplacedWarning)
            while not state.halted and self.carried != limit:
                pc = state.pc
                action = plan[pc] if pc < words else None
                if action is None and pc < words:
                    action = plan[pc] = self._action(pc)
                following = _SLOW if action is None else action()
                if following == _SLOW:
                    self.step()
                else:
                    state.pc = following
                self.carried += 1
        return self.carried - before

    def step(self) -> Step:
        """Carry out the next instruction as golden does."""
        made = super().step()
        for write in made.writes:
            if write.space == "vector":
                self._touch(write.address)
        return made

    def _touch(self, row: int) -> None:
        self._stamp += 1
        self._stamps[row] = self._stamp

    # ------------------------------------------------------------------ functions of words

    def _action(self, pc: int) -> _Action | None:
        """Return what carries out a word; None where golden does it each time."""
        try:
            instruction = self._next(pc)
        except TrapError:  # golden says so when it comes to it
            return None
        name, op = instruction.operation.name, Operands(instruction)
        if name in INTEGERS:
            return self._integer(name, op, pc)
        make = _MAKERS.get(name)
        if make is not None:
            return make(self, op, pc)
        return self._by_golden(name, op, pc)

    def _by_golden(self, name: str, op: Operands, pc: int) -> _Action:
        """Return golden's function, with its writes carried out at once."""
        unit, state = UNITS[name], self.state

        def action() -> int:
            try:
                writes = unit(self, op)
            except TrapError:  # golden says so, with its place
                return _SLOW
            following = pc + 1
            for write in writes:
                space = write.space
                if space == "vector":
                    state.vector[write.address] = write.data
                    self._touch(write.address)
                elif space == "pc":
                    following = write.data
                elif space == "halted":
                    state.halted, following = True, pc
                else:
                    state.apply(write)
            return following

        return action

    def _integer(self, name: str, op: Operands, pc: int) -> _Action:
        gp, rd, rs1, rs2, imm = self.state.gp, op.rd, op.rs1, op.rs2, op.imm
        function, following = INTEGERS[name], pc + 1
        if rd == 0:
            return lambda: following
        if name == "S_ADDI_INT":

            def add_immediate() -> int:
                gp[rd] = (gp[rs1] + imm) & _MASK
                return following

            return add_immediate
        if name in ("S_SLLI_INT", "S_SRLI_INT"):

            def shift() -> int:
                gp[rd] = function(gp[rs1], imm) & _MASK
                return following

            return shift

        def other() -> int:
            gp[rd] = function(gp[rs1], gp[rs2]) & _MASK
            return following

        return other

    def _upper(self, op: Operands, pc: int) -> _Action:
        gp, rd, value, following = self.state.gp, op.rd, (op.long << 12) & _MASK, pc + 1

        def action() -> int:
            if rd:
                gp[rd] = value
            return following

        return action

    def _loop_start(self, op: Operands, pc: int) -> _Action | None:
        state, rd, count, following = self.state, op.rd, op.long, pc + 1
        depth = self.machine.memories.loop_depth
        if not count:
            return None

        def action() -> int:
            if len(state.loops) == depth:
                return _SLOW
            state.loops = [*state.loops, Loop(rd, count, following)]
            if rd:
                state.gp[rd] = count
            return following

        return action

    def _loop_end(self, op: Operands, pc: int) -> _Action:
        state, rd = self.state, op.rd

        def action() -> int:
            loops = state.loops
            if not loops or loops[-1].register != rd:
                return _SLOW
            _, left, start = loops[-1]
            left -= 1
            if rd:
                state.gp[rd] = left
            if left:
                loops[-1] = Loop(rd, left, start)
                return start
            loops.pop()
            return pc + 1

        return action

    def _set_address(self, op: Operands, pc: int) -> _Action:
        state, gp, rd, rs1, rs2 = self.state, self.state.gp, op.rd, op.rs1, op.rs2
        following = pc + 1

        def action() -> int:
            state.a[rd] = (gp[rs1] << 32) + gp[rs2]
            return following

        return action

    # --------------------------------------------------------------------------- products

    def _product(self, op: Operands, pc: int, *, transposed: bool) -> _Action | None:
        hw, state, following = self.machine.hardware, self.state, pc + 1
        types = self.machine.types(weights=False)
        mx = types[op.rd] if op.rd < len(types) else None
        if not self._single_sums or not isinstance(mx, Mx):
            return self._by_golden("M_TMM" if transposed else "M_MM", op, pc)
        number, rows = op.rd, self.machine.memories.vector_rows
        x_at, t_at = (op.rs1, op.rs2) if transposed else (op.rs2, op.rs1)
        blen, mlen, area = hw.blen, hw.mlen, hw.mlen**2
        step, gp = blen * mlen, state.gp

        def action() -> int:
            first, beyond = divmod(gp[x_at], mlen)
            tile_number, inside = divmod(gp[t_at], area)
            if beyond or first + blen > rows or inside % step:
                return _SLOW
            tile = self._tile(tile_number, mx, transposed)
            if tile is None:
                return _SLOW
            x = self._operand(first, number, mx)
            partials = self._partials(x, tile, mx)
            if partials is None:
                return _SLOW
            column = inside // mlen
            held = state.sums[0]
            total = _ZERO if held is None else held.view(np.float32)
            with np.errstate(over="ignore"):
                for partial in partials:
                    total = total + partial[:, column : column + blen]
            if not np.isfinite(total).all():
                return _SLOW
            state.sums[0] = total.view(np.uint32)
            return following

        return action

    def _operand(self, first: int, number: int, mx: Mx) -> _Operand:
        """Return BLEN rows of vector memory in a type."""
        blen = self.machine.hardware.blen
        stamps = self._stamps[first : first + blen]
        kept = self._rows.get((first, number))
        if kept is not None and kept.stamps == stamps:
            return kept.operand
        codes, scales = quantised(self.state.vector[first : first + blen], self.v, mx)
        operand = _of_rows(codes, scales, mx)
        self._rows[first, number] = _Rows(stamps, operand)
        return operand

    def _tile(self, number: int, mx: Mx, transposed: bool) -> _Operand | None:
        """Return a tile as the second operand; None where it is none for these rows."""
        tile = self.state.tiles.get(number)
        if tile is None or tile.down == transposed:
            return None
        tile_mx = self.machine.types(weights=True)[tile.type]
        if not isinstance(tile_mx, Mx) or not self._exact(mx, tile_mx):
            return None
        kept = self._tiles.get(number)
        if kept is not None and kept[0] is tile:
            return kept[1]
        codes, scales = (tile.codes, tile.scales) if transposed else (tile.codes.T, tile.scales.T)
        found = _of_rows(codes, scales, tile_mx)
        operand = found._replace(ints=found.ints.transpose(0, 2, 1).copy())
        self._tiles[number] = tile, operand
        return operand

    def _exact(self, x: Mx, tile: Mx) -> bool:
        """Return whether float64 holds every sum of a block's products."""
        key = id(x), id(tile)
        if key not in self._pairs:
            fits = tile.block_size == x.block_size
            self._pairs[key] = fits and product_bits(x, tile, x.block_size) <= _EXACT_BITS
        return self._pairs[key]

    def _partials(self, x: _Operand, tile: _Operand, mx: Mx) -> Array | None:
        """Return what each block adds, (blocks, BLEN, MLEN) of float32; None: golden's business."""
        key = id(x), id(tile)
        kept = self._products.get(key)
        if kept is not None and kept[0] is x and kept[1] is tile:
            return kept[2]
        if x.special or tile.special:
            return None
        dots = np.ldexp(x.ints @ tile.ints, x.exps[:, :, None] + tile.exps[:, None, :])
        with np.errstate(over="ignore"):
            partials: Array = dots.astype(np.float32)
        if not np.isfinite(partials).all():
            return None
        if len(self._products) >= _KEPT:
            self._products.clear()
        self._products[key] = x, tile, partials
        return partials

    def _write_out(self, op: Operands, pc: int) -> _Action:
        hw, state, v = self.machine.hardware, self.state, self.v
        gp, rd, rs1, imm, following = state.gp, op.rd, op.rs1, op.imm, pc + 1
        blen, vlen, acc = hw.blen, hw.vlen, hw.accumulator_format
        rows = self.machine.memories.vector_rows

        def action() -> int:
            held = state.sums[0]
            row, lane = divmod(gp[rd] + imm, vlen)
            step = gp[rs1] or 1
            if held is None or lane % blen or row + (blen - 1) * step >= rows:
                return _SLOW
            values = cast(held[0], acc, v)
            state.sums[0] = None
            for i in range(blen):
                state.vector[row + i * step, lane : lane + blen] = values[i]
                self._touch(row + i * step)
            return following

        return action

    # ------------------------------------------------------------------------- reductions

    def _sum(self, op: Operands, pc: int) -> _Action:
        golden = self._by_golden("V_RED_SUM", op, pc)
        if not self._single_reductions:
            return golden
        values, state = self._decoded_v(), self.state
        gp, rd, rs1, masked, following = state.gp, op.rd, op.rs1, op.rs3, pc + 1
        vlen, rows = self.machine.hardware.vlen, self.machine.memories.vector_rows
        if vlen == 1:
            return golden

        def action() -> int:
            row, beyond = divmod(gp[rs1], vlen)
            if beyond or row >= rows:
                return _SLOW
            level = values[state.vector[row]]
            if masked:
                level = np.where(self.lanes(1), level, np.float32(0))
            with np.errstate(all="ignore"):
                while level.size > 1:
                    level = level[0::2] + level[1::2]
                total = np.uint32(state.f[rd]).view(np.float32) + level
            if not np.isfinite(total[0]):
                return _SLOW
            if rd:
                state.f[rd] = int(total.view(np.uint32)[0])
            return following

        return action

    def _decoded_v(self) -> Array:
        if self._values is None:
            v: Minifloat = self.v
            codes = np.arange(1 << v.width_bits)
            self._values = decode(codes, v).astype(np.float32)
        return self._values


_ZERO = np.zeros((1, 1, 1), np.float32)


def _of_rows(codes: Array, scales: Array, mx: Mx) -> _Operand:
    """Return rows (n, k), blocks along themselves, as (blocks, n, block)."""
    rows, blocks = scales.shape
    shaped = codes.reshape(rows, blocks, -1)
    ints = element_integers(codes, mx).reshape(rows, blocks, -1).transpose(1, 0, 2)
    return _Operand(
        ints=ints.astype(np.float64),
        exps=block_exp(scales, mx).T.copy(),
        special=bool(special_blocks(shaped, scales, mx).any()),
    )


_Maker = Callable[[FastInterpreter, Operands, int], _Action | None]
_MAKERS: dict[str, _Maker] = {
    "S_LUI_INT": FastInterpreter._upper,
    "C_LOOP_START": FastInterpreter._loop_start,
    "C_LOOP_END": FastInterpreter._loop_end,
    "C_SET_ADDR_REG": FastInterpreter._set_address,
    "M_MM": lambda m, op, pc: m._product(op, pc, transposed=False),
    "M_TMM": lambda m, op, pc: m._product(op, pc, transposed=True),
    "M_MM_WO": FastInterpreter._write_out,
    "V_RED_SUM": FastInterpreter._sum,
}
