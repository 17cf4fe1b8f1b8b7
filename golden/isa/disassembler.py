"""Words to assembly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .assembler import AssemblyError, Problem, Program
from .revision import Revision
from .word import DecodeError, Instruction, decode

_INDENT = "  "


def disassemble(
    words: Iterable[int], revision: Revision, *, source: str = "program", upstream: bool = False
) -> list[Instruction]:
    """Return the instructions of words.

    Args:
        words: 32 bits each.
        revision: the instruction set.
        source: the file, for messages; a line has a word.
        upstream: operands lie where the public assembler puts them.

    Raises:
        AssemblyError: with every word that is no instruction.

    >>> from .revision import get_revision
    >>> print(*disassemble([0x0000C062, 0x00000034], get_revision("plena")), sep="\\n")
    S_ADDI_INT gp1, gp0, 3
    C_BREAK
    """
    found, problems = [], []
    for number, word in enumerate(words, 1):
        try:
            found.append(decode(revision, word, upstream=upstream))
        except DecodeError as error:
            problems.append(Problem(line=number, column=0, message=str(error)))
    if problems:
        raise AssemblyError(source, problems)
    return found


def written(instructions: Iterable[Instruction]) -> Iterator[str]:
    """Yield a line of assembly each, bodies of loops further right."""
    depth = 0
    for instruction in instructions:
        name = instruction.operation.name
        depth = max(0, depth - (name == "C_LOOP_END"))
        yield f"{_INDENT * depth}{instruction}"
        depth += name == "C_LOOP_START"


def listing(program: Program, text: str) -> str:
    """Return a program's source with the number and the word of each instruction before it.

    Args:
        program: what `assemble` made of the source.
        text: the source.
    """
    made = dict(zip(program.lines, enumerate(program.words), strict=True))
    lines = []
    for number, line in enumerate(text.split("\n"), 1):
        if number in made:
            index, word = made[number]
            lines.append(f"{index:6d}  {word:08X}  {line}".rstrip())
        else:
            lines.append(f"{'':6s}  {'':8s}  {line}".rstrip())
    return "\n".join(lines).rstrip("\n") + "\n"
