"""TrapError: an instruction that cannot be carried out; it has changed nothing."""

from __future__ import annotations

from enum import IntEnum

from plena_cosim.ground.errors import PlenaError


class Cause(IntEnum):
    """Why; the numbers are those of the core in gates."""

    ILLEGAL = 1
    """A word that is no instruction, or one of tier 3."""
    END = 2
    """The program has no next word."""
    MISALIGNED = 3
    """An address or offset between the places that an instruction can take."""
    RANGE = 4
    """An address beyond its memory."""
    LOOP = 5
    """A count of 0, too many loops within each other, or an end that is not the innermost's."""
    EMPTY = 6
    """A write-out of sums that hold nothing."""
    TYPE = 7
    """A type that the machine does not have, or of the wrong kind."""
    BLOCKS = 8
    """Types without a common block size, or a tile whose blocks run the other way."""


class TrapError(PlenaError, RuntimeError):
    """An instruction cannot be carried out.

    Attributes:
        cause: why.
        reason: in words.
        pc: of the instruction; -1 until the interpreter has said it.
    """

    def __init__(self, cause: Cause, reason: str, *, pc: int = -1, instruction: str = "") -> None:
        where = f"word {pc}: {instruction}: " if pc >= 0 else ""
        super().__init__(f"{where}{reason} ({cause.name.lower()})")
        self.cause, self.reason, self.pc = cause, reason, pc
