"""Commands for programs of PLENA's instruction set."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from .console import console
from .destination import file_to_write

app = typer.Typer()

_REVISION = typer.Option(
    "--revision", help="Instruction set: plena, plena-wide, or a .toml file in their form."
)
_UPSTREAM = typer.Option(
    "--upstream-compat",
    help="Put operands where PLENA's public assembler puts them, also where that errs.",
)


@app.command()
def asm(
    program: Annotated[Path, typer.Argument(help="Assembly.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            callback=file_to_write,
            help="File for the machine code; else beside the program, with its name and .hex, "
            ".mem or .bin.",
        ),
    ] = None,
    layout: Annotated[
        str,
        typer.Option(help="hex (0x%08X a line), readmemh (for Verilog) or raw (little-endian)."),
    ] = "hex",
    show_listing: Annotated[
        bool, typer.Option("--listing", help="Print numbers and words beside the source.")
    ] = False,
    revision: Annotated[str, _REVISION] = "plena",
    upstream: Annotated[bool, _UPSTREAM] = False,
) -> None:
    """Assemble a program; all that is wrong is said at once, with line and column.

    For example: plena asm program.asm --listing
    """
    from ..golden.isa import assemble, get_revision, listing
    from ..golden.isa.machine_code import LAYOUTS, machine_code, read_assembly
    from ..ground.write_whole import write_whole

    table = get_revision(revision)
    source = read_assembly(program)
    made = assemble(source, table, source=str(program), upstream=upstream)
    contents = machine_code(made.words, layout)
    for warning in made.warnings:
        typer.echo(f"warning: {warning.at(str(program))}", err=True)
    target = out or program.with_suffix(LAYOUTS[layout])
    write_whole(target, contents)
    if show_listing:
        sys.stdout.write(listing(made, source))
    else:
        typer.echo(f"{target}: {len(made.words)} words")


@app.command()
def disasm(
    code: Annotated[
        Path, typer.Argument(help="Machine code: a word a line in hexadecimal, or raw in a .bin.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", callback=file_to_write, help="File for the assembly."),
    ] = None,
    revision: Annotated[str, _REVISION] = "plena",
    upstream: Annotated[bool, _UPSTREAM] = False,
) -> None:
    """Write machine code as assembly, which assembles to the same words.

    For example: plena disasm program.hex
    """
    from ..golden.isa import disassemble, get_revision
    from ..golden.isa.disassembler import written
    from ..golden.isa.machine_code import read_machine_code
    from ..ground.write_whole import write_whole

    table = get_revision(revision)
    words = read_machine_code(code)
    found = disassemble(words, table, source=str(code), upstream=upstream)
    text = "".join(f"{line}\n" for line in written(found))
    if out is None:
        sys.stdout.write(text)
    else:
        write_whole(out, text.encode())
        typer.echo(f"{out}: {len(words)} instructions")


@app.command()
def isa(
    revision: Annotated[str, _REVISION] = "plena",
    write: Annotated[
        bool,
        typer.Option(
            "--write",
            help="Renew the tables of docs/isa.md and the editors' files in tools/editors.",
        ),
    ] = False,
) -> None:
    """Show the instructions: how each is written, what it does, whether it is executed."""
    from ..golden.isa import get_revision, usage

    if write:
        from ..docs import isa_editors, isa_table

        for document, changed in (*isa_table.write(), *isa_editors.write()):
            typer.echo(f"{'renewed' if changed else 'fresh'}: {document}")
        return
    table = Table("opcode", "instruction", "tier", "does", title=f"revision {revision}")
    for row in get_revision(revision).operations.values():
        table.add_row(f"{row.opcode:02X}", Text(usage(row)), str(row.tier), Text(row.does))
    console.print(table)
