"""Instructions as words, and words as instructions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from plena_cosim.ground.errors import PlenaError

from .revision import OPCODE_BITS, REGISTERS, WORD_BITS, Operand, Operation, Revision


class DecodeError(PlenaError, ValueError):
    """A word is no instruction; the message says which bits are at fault."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """An instruction with its operands.

    Attributes:
        operation: row of the table.
        values: of its operands, in the order of assembly.
    """

    operation: Operation
    values: tuple[int, ...]

    def __str__(self) -> str:
        """Return it as assembly, every operand written out."""
        shown = ", ".join(map(_shown, self.operation.operands, self.values))
        return f"{self.operation.name} {shown}" if shown else self.operation.name

    def __getitem__(self, place: str) -> int:
        """Return the value of the operand of a field."""
        for operand, value in zip(self.operation.operands, self.values, strict=True):
            if operand.place == place:
                return value
        raise KeyError(place)


def _shown(operand: Operand, value: int) -> str:
    return f"{operand.kind}{value}" if operand.kind in REGISTERS else f"{value}"


def encode(
    revision: Revision, operation: Operation, values: Sequence[int], *, upstream: bool = False
) -> int:
    """Return the word of an instruction.

    Args:
        revision: whose fields.
        operation: of the revision.
        values: of `operation.operands`, each within its limit.
        upstream: put operands where the public assembler puts them.

    >>> from .revision import get_revision
    >>> plena = get_revision("plena")
    >>> f"{encode(plena, plena.operations['S_ADDI_INT'], (1, 0, 3)):08X}"
    '0000C062'
    """
    word = operation.opcode
    for operand, value in zip(operation.operands, values, strict=True):
        place = operation.place(operand, upstream=upstream)
        if place:
            word |= revision.fields[place].put(value)
    return word


def decode(revision: Revision, word: int, *, upstream: bool = False) -> Instruction:
    """Return the instruction of a word.

    Args:
        revision: whose table.
        word: 32 bits.
        upstream: take operands from where the public assembler puts them (0 where it drops one),
            and do not look at bits that an instruction does not use.

    Raises:
        DecodeError: no such opcode, a bit that is not used is 1, or an operand is over its limit.

    >>> from .revision import get_revision
    >>> print(decode(get_revision("plena"), 0x00000869))
    H_PREFETCH_V gp1, gp2, a0, 0, 0
    """
    opcode = word & ((1 << OPCODE_BITS) - 1)
    operation = revision.by_opcode.get(opcode)
    if operation is None:
        raise DecodeError(f"{word:#010x}: opcode {opcode:#04x} is none of {revision.name}")
    spare = word & ~revision.used(operation, upstream=upstream) & ((1 << WORD_BITS) - 1)
    if spare and not upstream:
        raise DecodeError(
            f"{word:#010x}: {operation.name} does not use bits {spare:#010x}, which must be 0"
        )
    values = []
    for operand in operation.operands:
        place = operation.place(operand, upstream=upstream)
        value = revision.fields[place].get(word) if place else 0
        if value >= operand.limit:
            raise DecodeError(f"{word:#010x}: {operation.name}: {value} is no {operand.what}")
        values.append(value)
    return Instruction(operation, tuple(values))
