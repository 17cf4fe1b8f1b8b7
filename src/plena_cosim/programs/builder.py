"""Builder: writes assembly, and hands out registers, rows and constants.

Instructions are methods by their mnemonics: `b.V_ADD_VV(rd, rs1, rs2)`. Registers come from
`b.gp()` and `b.f()` and go back at the end of their `with`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..golden import FormatError, encode
from ..golden.isa import Program, assemble, get_revision, usage
from ..golden.isa.machine import VECTOR, Machine
from .image import Image, Tensor

_ADDI_LIMIT = 1 << 18
_UPPER_BITS = 12
_WORD = 1 << 32


@dataclass(frozen=True, slots=True)
class Register:
    """A register: its kind (gp, f or a) and number."""

    kind: str
    number: int

    def __str__(self) -> str:
        """Return its name in assembly."""
        return f"{self.kind}{self.number}"


@dataclass(slots=True)
class Kept:
    """A part of a memory that a program keeps for a while.

    Attributes:
        memory: "vector" or "matrix".
        name: what it is for.
        first, count: rows, or tiles.
        begin, end: lines of the program; end is 0 until it is free again.
    """

    memory: str
    name: str
    first: int
    count: int
    begin: int
    end: int = 0


ZERO = Register("gp", 0)
F_ZERO = Register("f", 0)
Operand = Register | int


class Builder:
    """A program that is being written.

    Args:
        machine: it is for.
        image: what it works on; a new one when None. Programs that go on with what others have
            left in HBM share one.
        name: begins the names of what only this program has in the image.
    """

    def __init__(self, machine: Machine, image: Image | None = None, name: str = "") -> None:
        self.machine = machine
        self.image = Image(machine) if image is None else image
        self._names = [name] if name else []
        self._revision = get_revision("plena")
        self._lines: list[tuple[int, str, str]] = []
        self._depth = 0
        self._passes = 1  # of what is being written
        self._carried_out = 1  # C_BREAK
        counts = self._revision.registers
        self._free = {kind: list(range(1, counts[kind])) for kind in ("gp", "f")}
        self._free["a"] = list(range(counts["a"]))
        self._rows = 0  # of vector memory, from 0 on
        self._constants: dict[int, Tensor] = {}
        self._kept: list[Kept] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Return what writes an instruction."""
        operation = self._revision.operations.get(name)
        if operation is None:
            raise AttributeError(name)

        def write(*operands: Operand, note: str = "") -> None:
            if len(operands) > len(operation.operands):
                raise FormatError(f"{name} with {len(operands)} operands; need {usage(operation)}")
            text = ", ".join(map(str, operands))
            self._lines.append((self._depth, f"{name} {text}".rstrip(), note))
            self._carried_out += self._passes

        return write

    def note(self, text: str) -> None:
        """Write a line of comment."""
        self._lines.append((self._depth, "", text))

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Name what is written within: in comments, and in the image.

        Rows of vector memory that it takes are free again behind it.
        """
        self._names.append(name)
        self.note(f"---- {name}")
        with self.lifetime():
            yield
        self._names.pop()

    @contextmanager
    def lifetime(self) -> Iterator[None]:
        """Free what is kept within, at its end."""
        rows, before = self._rows, len(self._kept)
        yield
        self._rows = rows
        for each in self._kept[before:]:
            each.end = each.end or len(self._lines)

    def named(self, name: str) -> str:
        """Return a name with those of the parts that it is in."""
        return ".".join([*self._names, name])

    @contextmanager
    def gp(self, count: int = 1) -> Iterator[Any]:
        """Lend integer registers: one, or a list of `count`."""
        with self._lend("gp", count) as lent:
            yield lent

    @contextmanager
    def f(self, count: int = 1) -> Iterator[Any]:
        """Lend floating-point registers: one, or a list of `count`."""
        with self._lend("f", count) as lent:
            yield lent

    @contextmanager
    def _lend(self, kind: str, count: int) -> Iterator[Any]:
        free = self._free[kind]
        if len(free) < count:
            raise FormatError(f"the program needs more {kind} registers than there are")
        numbers = [free.pop(0) for _ in range(count)]
        lent = [Register(kind, number) for number in numbers]
        yield lent[0] if count == 1 else lent
        free.extend(numbers)
        free.sort()

    @contextmanager
    def at(self, tensor: Tensor, *, strided: bool = False, row: int = 0) -> Iterator[Register]:
        """Point an address register, and SCALE where there are scales, at a tensor.

        Args:
            tensor: of the image.
            strided: set STRIDE to the bytes of its row, too.
            row: of the tensor.

        Returns:
            The address register, for as long as the block runs.
        """
        with self._lend("a", 1) as address:
            high, low = divmod(tensor.row_base(row), _WORD)
            with self.gp() as r, ExitStack() as stack:
                self.set(r, low, note=f"{tensor.name}: {tensor.rows} x {tensor.columns}")
                upper = ZERO
                if high:
                    upper = stack.enter_context(self.gp())
                    self.set(upper, high)
                self.C_SET_ADDR_REG(address, upper, r)
                if tensor.scale:
                    self.set(r, tensor.row_scale(row))
                    self.C_SET_SCALE_REG(r)
                if strided:
                    self.set(r, tensor.row_bytes)
                    self.C_SET_STRIDE_REG(r)
            yield address

    def set(self, register: Register, value: int, note: str = "") -> None:
        """Write a number below 2^32 to an integer register.

        Args:
            register: gp.
            value: what it holds then.
            note: a comment.
        """
        if value < _ADDI_LIMIT:
            self.S_ADDI_INT(register, ZERO, value, note=note)
            return
        self.S_LUI_INT(register, value >> _UPPER_BITS, note=note)
        rest = value & ((1 << _UPPER_BITS) - 1)
        if rest:
            self.S_ADDI_INT(register, register, rest)

    def step(self, register: Register, value: int) -> None:
        """Add a number to an integer register; for 0 nothing is written."""
        if not value:
            return
        if value < _ADDI_LIMIT:
            self.S_ADDI_INT(register, register, value)
            return
        with self.gp() as r:
            self.set(r, value)
            self.S_ADD_INT(register, register, r)

    def beyond(self, register: Register, start: Register, value: int) -> None:
        """Write an integer register plus a number to another one.

        Args:
            register: that is written.
            start: what is added to; it stays.
            value: below 2^32.
        """
        if value < _ADDI_LIMIT:
            self.S_ADDI_INT(register, start, value)
            return
        self.set(register, value)
        self.S_ADD_INT(register, register, start)

    def back(self, register: Register, value: int) -> None:
        """Take a number from an integer register."""
        with self.gp() as r:
            self.set(r, value)
            self.S_SUB_INT(register, register, r)

    @contextmanager
    def loop(self, passes: int, note: str = "") -> Iterator[None]:
        """Repeat what is written within; a single pass is no loop."""
        if passes == 1:
            yield
            return
        with self.gp() as counter:
            self.C_LOOP_START(counter, passes, note=note)
            self._depth += 1
            self._passes *= passes
            yield
            self._depth -= 1
            self.C_LOOP_END(counter)
            self._passes //= passes

    def keep_tiles(self, first: int, count: int, name: str) -> None:
        """Say that tiles of matrix memory hold something, for the map of memories.

        Args:
            first, count: tiles.
            name: what they hold.
        """
        self._kept.append(Kept("matrix", self.named(name), first, count, len(self._lines)))

    @property
    def kept(self) -> list[Kept]:
        """What the program keeps where, and for how long, in the order in which it takes it."""
        return [replace(each, end=each.end or len(self._lines)) for each in self._kept]

    def rows(self, count: int, name: str = "") -> int:
        """Return the address of rows of vector memory that nothing else uses.

        Args:
            count: how many.
            name: what they are for.
        """
        first, there = self._rows, self.machine.memories.vector_rows
        self._rows += count
        if self._rows > there:
            raise FormatError(
                f"the program needs {self._rows} rows of vector memory; the machine has {there} "
                "([memory] vector_rows)"
            )
        self._kept.append(Kept("vector", self.named(name), first, count, len(self._lines)))
        return first * self.machine.hardware.vlen

    def constant(self, register: Register, value: float) -> None:
        """Write RN_V of a number to a floating-point register: the sum of a row that has it."""
        hw = self.machine.hardware
        code = int(encode(value, hw.vector_format))
        if code not in self._constants:
            name = self.named(f"constant {value:g}")
            self._constants[code] = self.image.matrix(name, np.array([[code]]), (1, 1))
        with self.lifetime(), self.at(self._constants[code]) as address, self.gp() as r:
            self.set(r, self.rows(self.machine.prefetch_rows, "constant"))
            self.H_PREFETCH_V(r, ZERO, address, 0, VECTOR)
            self.S_ADD_FP(register, F_ZERO, F_ZERO)
            self.V_RED_SUM(register, r, note=f"{value:g}")

    @property
    def carried_out(self) -> int:
        """Instructions that the program carries out, C_BREAK at its end among them."""
        return self._carried_out

    @property
    def text(self) -> str:
        """The program, with C_BREAK at its end."""
        lines = []
        for depth, code, note in (*self._lines, (0, "C_BREAK", "")):
            line = f"{'  ' * depth}{code}"
            if note:
                line = f"{line:<44}; {note}" if code else f"{line}; {note}"
            lines.append(line)
        return "\n".join(lines) + "\n"

    def program(self) -> Program:
        """Return the assembled program."""
        return assemble(self.text, self._revision, source="built program")
