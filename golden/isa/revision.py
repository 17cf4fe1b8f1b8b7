"""A revision of the instruction set: its fields, registers and instructions, read from a table."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from plena_cosim.ground.did_you_mean import did_you_mean
from plena_cosim.ground.shipped import shipped

from ..formats import FormatError

OPCODE_BITS = 6
WORD_BITS = 32

_LIMITS = {"type": 8, "mask": 2, "flag": 2, "order": 2, "upper": 1 << 20}
"""Of kinds whose operands may be less than the field holds: the first number that is too large."""
_WHOLE_FIELD = ("imm", "size", "number")
REGISTERS = ("gp", "f", "a")
"""Kinds of registers, as their names begin in assembly."""

_WORDS = {
    "type": "number of a type",
    "mask": "mask flag",
    "flag": "stride flag",
    "order": "order",
    "upper": "immediate",
    "imm": "immediate",
    "size": "log2 of a group",
    "number": "number",
    "gp": "integer register",
    "f": "floating-point register",
    "a": "address register",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """Some bits of a word.

    Attributes:
        low: the lowest bit.
        bits: how many.
    """

    low: int
    bits: int

    def put(self, value: int) -> int:
        """Return a word with this value in the field and zeros beside it."""
        return value << self.low

    def get(self, word: int) -> int:
        """Return the value of the field in a word."""
        return word >> self.low & ((1 << self.bits) - 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Operand:
    """One operand of an instruction.

    Attributes:
        place: name of its field; "" for one that says nothing and is left out of the word.
        kind: gp, f, a, or what a number means.
        limit: the first number that is too large.
        default: what it is where it is left out; None: it may not be.
        only: the one value it may have; None: any below `limit`.
    """

    place: str
    kind: str
    limit: int
    default: int | None = None
    only: int | None = None

    @property
    def what(self) -> str:
        """What fits here, for messages."""
        if self.only is not None:
            return f"{self.kind}{self.only}" if self.kind in REGISTERS else f"{self.only}"
        if self.kind in REGISTERS:
            return f"{_WORDS[self.kind]}, {self.kind}0 to {self.kind}{self.limit - 1}"
        return f"{_WORDS[self.kind]}, 0 to {self.limit - 1}"


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One row of the table.

    Attributes:
        name: the mnemonic.
        opcode: bits 5:0.
        unit: matrix, vector, scalar, hbm or control.
        tier: 1 and 2 are executed, 3 traps.
        operands: in the order of assembly.
        forms: every accepted list of operands, that of `operands` first.
        upstream: where the public assembler puts the operand of a place: another, or "" for none.
        does: in a few words.
    """

    name: str
    opcode: int
    unit: str
    tier: int
    operands: tuple[Operand, ...]
    forms: tuple[tuple[Operand, ...], ...]
    upstream: Mapping[str, str] = field(default_factory=dict)
    does: str = ""

    def place(self, operand: Operand, *, upstream: bool) -> str:
        """Return the field of an operand; "" where it is dropped."""
        return self.upstream.get(operand.place, operand.place) if upstream else operand.place


@dataclass(frozen=True, kw_only=True)
class Revision:
    """An instruction set.

    Attributes:
        name: such as "plena".
        fields: by their names.
        registers: how many there are of each kind.
        operations: by their mnemonics, in the order of the table.
    """

    name: str
    fields: Mapping[str, Field]
    registers: Mapping[str, int]
    operations: Mapping[str, Operation]

    @cached_property
    def by_opcode(self) -> Mapping[int, Operation]:
        """The operations by their opcodes."""
        return {row.opcode: row for row in self.operations.values()}

    def used(self, operation: Operation, *, upstream: bool = False) -> int:
        """Return a word with ones where an operation's opcode and operands are."""
        mask = (1 << OPCODE_BITS) - 1
        for operand in operation.operands:
            place = operation.place(operand, upstream=upstream)
            if place:
                at = self.fields[place]
                mask |= at.put((1 << at.bits) - 1)
        return mask


def revisions() -> list[str]:
    """Return the names of the revisions that come with the package."""
    folder = shipped(Path("configs/isa"))
    return sorted(path.stem for path in folder.glob("*.toml"))


@lru_cache(maxsize=32)
def get_revision(name: str) -> Revision:
    """Return a revision that comes with the package, or that of a file.

    Args:
        name: "plena", "plena-wide", or a path to a TOML file in the form of configs/isa/plena.toml.

    Raises:
        FormatError: there is none, or its file is wrong; the message says where.

    >>> get_revision("plena").operations["M_TMM"].opcode
    2
    """
    if name.endswith(".toml"):
        return read_revision(Path(name))
    return read_revision(_shipped(name))


def _shipped(name: str) -> Path:
    known = revisions()
    if name not in known:
        raise FormatError(
            f"no revision of the instruction set is named {name!r}; there are {', '.join(known)}, "
            f"or give a .toml file{did_you_mean(name, known)}"
        )
    return shipped(Path("configs/isa") / f"{name}.toml")


def read_revision(path: Path) -> Revision:
    """Return the revision of a file; `get_revision` says what is an error."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FormatError(f"instruction table {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"instruction table {path} is not valid TOML: {error}") from None
    try:
        return _revision(tables)
    except FormatError as error:
        raise FormatError(f"instruction table {path}: {error}") from None


_TABLES = ("name", "extends", "without", "fields", "registers", "instructions")
_COLUMNS = ("opcode", "operands", "tier", "also", "upstream", "does")


def _revision(tables: Mapping[str, Any]) -> Revision:
    _require_known("", tables, _TABLES)
    name = tables.get("name")
    if not isinstance(name, str):
        raise FormatError('needs name = "…"')
    fields: dict[str, Field] = {}
    registers: dict[str, int] = {}
    rows: dict[str, tuple[str, Mapping[str, Any]]] = {}
    base = tables.get("extends")
    if base is not None:
        base_tables = tomllib.loads(_shipped(base).read_text(encoding="utf-8"))
        inherited = _revision(base_tables)
        fields.update(inherited.fields)
        registers.update(inherited.registers)
        rows.update(_rows(base_tables))
        for gone in tables.get("without", ()):
            if rows.pop(gone, None) is None:
                raise FormatError(f"without: {base} has no {gone!r}{did_you_mean(gone, rows)}")
    for key, given in tables.get("fields", {}).items():
        fields[key] = _field(key, given)
    for key, given in tables.get("registers", {}).items():
        if key not in REGISTERS or not isinstance(given, int) or given < 1:
            raise FormatError(f"registers.{key} = {given!r}: need a count of gp, f or a")
        registers[key] = given
    rows.update(_rows(tables))
    operations = {
        key: _operation(key, unit, row, fields, registers) for key, (unit, row) in rows.items()
    }
    by_opcode: dict[int, str] = {}
    for key, operation in operations.items():
        other = by_opcode.setdefault(operation.opcode, key)
        if other != key:
            raise FormatError(f"{key} and {other} both have opcode {operation.opcode:#04x}")
    return Revision(name=name, fields=fields, registers=registers, operations=operations)


def _rows(tables: Mapping[str, Any]) -> dict[str, tuple[str, Mapping[str, Any]]]:
    return {
        name: (unit, row)
        for unit, table in tables.get("instructions", {}).items()
        for name, row in table.items()
    }


def _field(name: str, given: Any) -> Field:
    numbers = isinstance(given, list) and len(given) == 2 and all(isinstance(n, int) for n in given)
    if not numbers or given[0] < OPCODE_BITS or given[1] < 1 or sum(given) > WORD_BITS:
        raise FormatError(
            f"fields.{name} = {given!r}: need [lowest bit, bits] above the opcode's "
            f"{OPCODE_BITS} bits and within {WORD_BITS}"
        )
    return Field(low=given[0], bits=given[1])


def _operation(
    name: str,
    unit: str,
    row: Mapping[str, Any],
    fields: Mapping[str, Field],
    registers: Mapping[str, int],
) -> Operation:
    where = f"instructions.{unit}.{name}"
    _require_known(where, row, _COLUMNS)
    opcode, tier = row.get("opcode"), row.get("tier")
    if not isinstance(opcode, int) or not 0 < opcode < 1 << OPCODE_BITS:
        raise FormatError(f"{where}: opcode = {opcode!r}; need 1 to {(1 << OPCODE_BITS) - 1}")
    if tier not in (1, 2, 3):
        raise FormatError(f"{where}: tier = {tier!r}; need 1, 2 or 3")
    texts = [row.get("operands", ""), *row.get("also", ())]
    forms = tuple(
        tuple(_operand(where, text, fields, registers) for text in form.split()) for form in texts
    )
    upstream = dict(row.get("upstream", {}))
    for place in upstream.values():
        if place and place not in fields:
            raise FormatError(f"{where}: upstream: no field {place!r}{did_you_mean(place, fields)}")
    return Operation(
        name=name,
        opcode=opcode,
        unit=unit,
        tier=tier,
        operands=forms[0],
        forms=forms,
        upstream=upstream,
        does=row.get("does", ""),
    )


def _operand(
    where: str, text: str, fields: Mapping[str, Field], registers: Mapping[str, int]
) -> Operand:
    if text == "*":
        return Operand(place="", kind="number", limit=1 << WORD_BITS)
    if text == "0":
        return Operand(place="", kind="number", limit=1, only=0)
    if text == "gp0":
        return Operand(place="", kind="gp", limit=1, only=0)
    place, _, rest = text.partition(":")
    kind, _, default = rest.partition("=")
    if place not in fields:
        raise FormatError(f"{where}: no field {place!r}{did_you_mean(place, fields)}")
    holds = 1 << fields[place].bits
    if kind in REGISTERS:
        limit = registers.get(kind, 0)
    elif kind in _WHOLE_FIELD:
        limit = holds
    elif kind in _LIMITS:
        limit = _LIMITS[kind]
    else:
        kinds = [*REGISTERS, *_WHOLE_FIELD, *_LIMITS]
        raise FormatError(f"{where}: no kind of operand {kind!r}{did_you_mean(kind, kinds)}")
    if not 0 < limit <= holds:
        raise FormatError(f"{where}: {limit} values of {kind} do not fit field {place}")
    return Operand(place=place, kind=kind, limit=limit, default=int(default) if default else None)


def _require_known(where: str, given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in given:
        if key not in known:
            place = f"{where}: " if where else ""
            raise FormatError(f"{place}no key {key!r}{did_you_mean(key, known)}")
