"""Assembly to words.

A line that has been seen is known by its text, and so is an operand: programs repeat both. What is
new, or wrong, is read slowly and with its column.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from plena_cosim.ground.did_you_mean import did_you_mean
from plena_cosim.ground.errors import PlenaError

from .expression import ExpressionError, evaluate
from .revision import REGISTERS, Operand, Operation, Revision
from .word import encode

_NAME = re.compile(r"[A-Za-z_.$][\w.$]*")
_LABEL = re.compile(r"\s*([A-Za-z_.$][\w.$]*)\s*:")
_REGISTER = re.compile(r"(gp|f|a)(\d+)", re.IGNORECASE)
_HEX_REGISTER = re.compile(r"gp([a-f])", re.IGNORECASE)
_MOST = 100
"""Problems that a message shows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """Something wrong, or doubtful, at a place of a program.

    Attributes:
        line, column: from 1; 0 where there is none.
        message: what was given, what fits.
    """

    line: int
    column: int
    message: str

    def at(self, source: str) -> str:
        """Return it as compilers write it: file, line, column, message."""
        place = ":".join(str(part) for part in (source, self.line, self.column) if part)
        return f"{place}: {self.message}"


class AssemblyError(PlenaError, ValueError):
    """A program cannot be assembled; `problems` has all that is wrong with it."""

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        shown = [problem.at(source) for problem in problems[:_MOST]]
        if len(problems) > _MOST:
            shown.append(f"{source}: and {len(problems) - _MOST} more")
        super().__init__("\n".join(shown))
        self.source = source
        self.problems = tuple(problems)


@dataclass(frozen=True, kw_only=True)
class Program:
    """An assembled program.

    Attributes:
        words: 32 bits each.
        lines: the source line of each, from 1.
        labels: the number of the word that follows a label.
        warnings: what was accepted, but not as it stands.
    """

    words: tuple[int, ...]
    lines: tuple[int, ...]
    labels: dict[str, int] = field(default_factory=dict)
    warnings: tuple[Problem, ...] = ()


def assemble(
    text: str, revision: Revision, *, source: str = "program", upstream: bool = False
) -> Program:
    """Return the words of a program.

    Args:
        text: a line each: `label:`, a mnemonic and operands separated by commas, a comment behind
            `;` or `//`; or `.equ NAME, expression`. Registers are gpN, fN, aN or a bare N.
        revision: the instruction set.
        source: the file, for messages.
        upstream: encode as the public assembler does, and take gpa to gpf for gp10 to gp15.

    Raises:
        AssemblyError: with everything that is wrong.

    >>> from .revision import get_revision
    >>> program = assemble("S_ADDI_INT gp1, gp0, 3  ; three", get_revision("plena"))
    >>> [f"{word:08X}" for word in program.words]
    ['0000C062']
    """
    return _Assembler(revision, source, upstream).run(text)


class _Known(dict[str, int]):
    """Texts of one operand and their bits in the word; a register or a number is added when met.

    KeyError for anything else: a name, an expression, a mistake.
    """

    def __init__(self, operand: Operand, shift: int | None, upstream: bool) -> None:
        super().__init__()
        self.operand, self.shift, self.upstream = operand, shift, upstream

    def __missing__(self, text: str) -> int:
        value = plain_value(text.strip(), self.operand, upstream=self.upstream)
        if value is None or not 0 <= value < self.operand.limit:
            raise KeyError(text)
        self[text] = bits = 0 if self.shift is None else value << self.shift
        return bits


def plain_value(text: str, operand: Operand, *, upstream: bool) -> int | None:
    """Return the value of a register or a number as it stands; None where it is neither.

    Args:
        text: without blanks around it.
        operand: what it is for.
        upstream: gpa to gpf are registers.
    """
    if text.isdecimal() and text.isascii():
        return int(text)
    if operand.kind not in REGISTERS:
        return None
    found = _REGISTER.fullmatch(text)
    if found and found[1].lower() == operand.kind:
        return int(found[2])
    if upstream and operand.kind == "gp" and (found := _HEX_REGISTER.fullmatch(text)):
        return int(found[1], 16)
    return None


@dataclass(slots=True)
class _Waiting:
    """An instruction with names in it, whose word is made when all labels are known."""

    index: int
    line: int
    operation: Operation
    form: tuple[Operand, ...]
    parts: list[tuple[str, int]]


class _Assembler:
    def __init__(self, revision: Revision, source: str, upstream: bool) -> None:
        self.revision, self.source, self.upstream = revision, source, upstream
        self.words: list[int] = []
        self.lines: list[int] = []
        self.labels: dict[str, int] = {}
        self.names: dict[str, int] = {}
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.waiting: list[_Waiting] = []
        self.known = {
            name: (row.opcode, self._tables(row)) for name, row in revision.operations.items()
        }

    def _tables(self, row: Operation) -> list[_Known]:
        tables = []
        for operand in row.operands:
            place = row.place(operand, upstream=self.upstream)
            shift = self.revision.fields[place].low if place else None
            tables.append(_Known(operand, shift, self.upstream))
        return tables

    def run(self, text: str) -> Program:
        """Assemble; raise with all problems."""
        seen: dict[str, int] = {}  # lines that are the same word wherever they stand
        known, words, lines = self.known, self.words, self.lines
        for number, line in enumerate(text.split("\n"), 1):
            word = seen.get(line)
            if word is None:
                code = line.partition(";")[0].partition("//")[0].strip()
                if not code:
                    continue
                mnemonic, _, rest = code.partition(" ")
                parts = rest.split(",") if rest else []
                row = known.get(mnemonic)
                if row is None or len(parts) != len(row[1]):
                    self._slowly(number, line)
                    continue
                word, tables = row
                try:
                    for table, part in zip(tables, parts, strict=True):
                        word |= table[part]
                except KeyError:
                    self._slowly(number, line)
                    continue
                seen[line] = word
            words.append(word)
            lines.append(number)
        self._settle()
        if self.problems:
            self.problems.sort(key=lambda problem: (problem.line, problem.column))
            raise AssemblyError(self.source, self.problems)
        return Program(
            words=tuple(words),
            lines=tuple(lines),
            labels=self.labels,
            warnings=tuple(self.warnings),
        )

    def _slowly(self, number: int, line: str) -> None:
        code = line.partition(";")[0].partition("//")[0].rstrip()
        at = 0
        while label := _LABEL.match(code, at):
            self._name(number, label.start(1) + 1, label[1], len(self.words), self.labels)
            at = label.end()
        at += len(code[at:]) - len(code[at:].lstrip())
        if at == len(code):
            return
        head = _NAME.match(code, at)
        if head is None:
            self._problem(number, at + 1, f"{code[at:]!r} is no instruction, label or .equ")
            return
        parts = list(_parts(code, head.end()))
        if head[0].lower() == ".equ":
            self._equ(number, at + 1, parts)
            return
        row = self.revision.operations.get(head[0].upper())
        if row is None:
            known = self.revision.operations
            self._problem(
                number,
                at + 1,
                f"no instruction {head[0]!r} in revision {self.revision.name}"
                f"{did_you_mean(head[0].upper(), known)}",
            )
            return
        self._instruction(number, at + 1, row, parts)

    def _equ(self, number: int, column: int, parts: list[tuple[str, int]]) -> None:
        if len(parts) != 2 or not _NAME.fullmatch(parts[0][0]):
            self._problem(number, column, "need .equ NAME, expression")
            return
        try:
            value = evaluate(parts[1][0], self.labels | self.names)
        except ExpressionError as error:
            self._problem(number, parts[1][1], str(error))
            value = 0  # so that its uses are no second problem
        self._name(number, parts[0][1], parts[0][0], value, self.names)

    def _name(self, number: int, column: int, name: str, value: int, into: dict[str, int]) -> None:
        if name in self.labels or name in self.names:
            self._problem(number, column, f"{name!r} has a value already; a name has one")
        elif _REGISTER.fullmatch(name) or name.upper() in self.revision.operations:
            self._problem(number, column, f"{name!r} is a register or an instruction; take another")
        else:
            into[name] = value

    def _instruction(
        self, number: int, column: int, row: Operation, parts: list[tuple[str, int]]
    ) -> None:
        form = next((form for form in row.forms if _fits(form, parts)), None)
        if form is None:
            given = len(parts)
            self._problem(
                number,
                column,
                f"{row.name} with {given} operand{'' if given == 1 else 's'}; need {usage(row)}",
            )
            return
        index = len(self.words)
        self.words.append(0)
        self.lines.append(number)
        self.waiting.append(_Waiting(index, number, row, form, parts))

    def _settle(self) -> None:
        """Give every instruction that waits for names its word."""
        names = self.labels | self.names
        for given in self.waiting:
            values = {op.place: op.default or 0 for op in given.operation.operands}
            right = True
            for operand, (text, column) in zip(given.form, given.parts, strict=False):
                value = self._value(given, operand, text, column, names)
                right = right and value is not None
                if value is not None and operand.place:
                    values[operand.place] = value
            if right:
                chosen = [values[op.place] for op in given.operation.operands]
                word = encode(self.revision, given.operation, chosen, upstream=self.upstream)
                self.words[given.index] = word

    def _value(
        self, given: _Waiting, operand: Operand, text: str, column: int, names: dict[str, int]
    ) -> int | None:
        value = plain_value(text, operand, upstream=self.upstream)
        if value is None and operand.kind in REGISTERS and text not in names:
            other = _REGISTER.fullmatch(text)
            if other or not _looks_like_number(text):
                self._unfit(given, operand, text, column)
                return None
        if value is None:
            try:
                value = evaluate(text, names)
            except ExpressionError as error:
                self._problem(
                    given.line, column, f"{given.operation.name}: {error}; need {operand.what}"
                )
                return None
        wrong = value != operand.only if operand.only is not None else value >= operand.limit
        if wrong or value < 0:
            self._unfit(given, operand, text, column)
            return None
        if not operand.place and operand.only is None and value:
            self.warnings.append(
                Problem(
                    line=given.line,
                    column=column,
                    message=f"{given.operation.name} has no such operand: {text} is dropped",
                )
            )
        return value

    def _unfit(self, given: _Waiting, operand: Operand, text: str, column: int) -> None:
        message = f"{given.operation.name}: {text!r} does not fit; need {operand.what}"
        self._problem(given.line, column, message)

    def _problem(self, line: int, column: int, message: str) -> None:
        self.problems.append(Problem(line=line, column=column, message=message))


def _looks_like_number(text: str) -> bool:
    return bool(text) and not _NAME.fullmatch(text)


def _fits(form: tuple[Operand, ...], parts: list[tuple[str, int]]) -> bool:
    needed = sum(1 for operand in form if operand.default is None)
    return needed <= len(parts) <= len(form)


def _parts(code: str, start: int) -> Iterator[tuple[str, int]]:
    """Yield operands and their columns, from 1."""
    rest = code[start:]
    if not rest.strip():
        return
    for part in rest.split(","):
        yield part.strip(), start + len(part) - len(part.lstrip()) + 1
        start += len(part) + 1


def usage(operation: Operation) -> str:
    """Return how an instruction is written.

    >>> from .revision import get_revision
    >>> print(usage(get_revision("plena").operations["V_SUB_VF"]))
    V_SUB_VF rd:gp, rs1:gp, rs2:f [, mask] [, order]
    """
    shown = operation.name
    for index, operand in enumerate(operation.operands):
        register = operand.kind in REGISTERS
        text = f"{operand.place}:{operand.kind}" if register else operand.kind
        comma = "" if index == 0 else ","
        shown += f" [{comma} {text}]" if operand.default is not None else f"{comma} {text}"
    return shown
