"""The instruction sets as SystemVerilog packages, written from their tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..golden.isa import Operation, Revision, get_revision
from ..golden.isa.revision import OPCODE_BITS
from ..sim.verilate.rtl_files import RTL_DIR

PACKAGES = {"plena": "plena_isa_pkg", "plena-wide": "plena_isa_wide_pkg"}
"""The package of each revision that comes along."""

_HEAD = """\
// SPDX-License-Identifier: Apache-2.0
//
// Revision {revision} of the instruction set: opcodes, fields, and which words are instructions.
// Made by `plena isa --write` from configs/isa/{revision}.toml; do not edit.
//
// Golden twin: golden/isa/word.py, whose decode() refuses the words that legal() does.
package {name};
"""


def package(revision: Revision, name: str) -> str:
    """Return the package of a revision."""
    rows = list(revision.operations.values())
    wide = max(len(row.name) for row in rows)
    parts = [_HEAD.format(revision=revision.name, name=name)]
    enum = (f"    {row.name:<{wide}} = 6'h{row.opcode:02X}" for row in rows)
    parts.append("  typedef enum logic [5:0] {\n" + ",\n".join(enum) + "\n  } op_e;\n")
    parts.append("  // Lowest bit and width of each field.")
    for place, at in revision.fields.items():
        stem = place.capitalize()
        parts.append(f"  localparam int unsigned {stem}Low = {at.low}, {stem}Bits = {at.bits};")
    for kind, count in revision.registers.items():
        parts.append(f"  localparam int unsigned {kind.capitalize()}Count = {count};")
    parts.append("")
    parts.append(
        _function(
            rows,
            "Bits that may be 1 in an instruction with this opcode; 0 where there is none.",
            "logic [31:0] used_bits(input logic [5:0] opcode)",
            lambda row: f"32'h{used(revision, row):08X}",
            ("used_bits", "32'h0"),
        )
    )
    parts.append(
        _function(
            rows,
            "The tier: 1 and 2 are carried out, 3 traps; 0 where there is no instruction.",
            "logic [1:0] tier(input logic [5:0] opcode)",
            lambda row: f"2'd{row.tier}",
            ("tier", "2'd0"),
        )
    )
    parts.append(
        "  // Whether a word is an instruction: its opcode is one, and no other bit is 1.\n"
        "  function automatic logic legal(input logic [31:0] word);\n"
        "    return tier(word[5:0]) != 2'd0 && (word & ~used_bits(word[5:0])) == 32'h0;\n"
        "  endfunction\n"
    )
    return "\n".join(parts) + "\nendpackage\n"


def used(revision: Revision, operation: Operation) -> int:
    """Return the bits that operands may set: those of their limits, which are powers of two."""
    mask = (1 << OPCODE_BITS) - 1
    for operand in operation.operands:
        if operand.place:
            assert operand.limit & (operand.limit - 1) == 0
            mask |= revision.fields[operand.place].put(operand.limit - 1)
    return mask


def _function(
    rows: list[Operation],
    says: str,
    head: str,
    value: Callable[[Operation], str],
    default: tuple[str, str],
) -> str:
    name, otherwise = default
    by_value: dict[str, list[str]] = {}
    for row in rows:
        by_value.setdefault(value(row), []).append(row.name)
    cases = [f"      {', '.join(names)}: {name} = {found};" for found, names in by_value.items()]
    body = "\n".join([*map(_wrapped, cases), f"      default: {name} = {otherwise};"])
    return (
        f"  // {says}\n  function automatic {head};\n    case (opcode)\n{body}\n    endcase\n"
        "  endfunction\n"
    )


def _wrapped(line: str, width: int = 100) -> str:
    """Return a line of names, broken where it is too long."""
    lines, rest = [], line
    while len(rest) > width:
        at = rest.rindex(", ", 0, width) + 1
        lines.append(rest[:at])
        rest = f"        {rest[at:].lstrip()}"
    return "\n".join([*lines, rest])


def files() -> dict[Path, str]:
    """Return every file and what belongs in it."""
    return {
        RTL_DIR / "core" / f"{name}.sv": package(get_revision(revision), name)
        for revision, name in PACKAGES.items()
    }
