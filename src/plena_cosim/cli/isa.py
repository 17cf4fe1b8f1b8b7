"""Commands for programs of PLENA's instruction set."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from .console import console
from .destination import file_to_write, folder_to_write

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
def lint(
    program: Annotated[
        Path,
        typer.Argument(
            help="Assembly; or machine code, where the name ends in .hex, .mem or .bin."
        ),
    ],
    machine: Annotated[
        Path, typer.Option(help="A machine: a TOML of configs/hw, or one of your own.")
    ] = Path("plena.toml"),
    revision: Annotated[str, _REVISION] = "plena",
) -> None:
    """Look for what is likely wrong in a program: rows never written, sums never read, and more.

    Ends with status 1 where there is something. For example: plena lint program.plena
    """
    from ..golden.isa import disassemble, get_revision
    from ..golden.isa.lint import lint as look
    from ..golden.isa.machine import Machine
    from ..golden.isa.run import read_program

    table = get_revision(revision)
    words, lines = read_program(program, table)
    disassemble(words, table, source=str(program))
    found = look(words, table, Machine.load(machine))
    for finding in found:
        place = f"{program}:{lines[finding.word]}" if lines else f"{program}: word {finding.word}"
        typer.echo(f"{place}: {finding.message}")
    typer.echo(f"{len(words)} instructions, {len(found)} findings")
    if found:
        raise typer.Exit(1)


@app.command()
def run(
    program: Annotated[
        Path,
        typer.Argument(
            help="Assembly; or machine code, where the name ends in .hex, .mem or .bin."
        ),
    ],
    machine: Annotated[
        Path, typer.Option(help="A machine: a TOML of configs/hw, or one of your own.")
    ] = Path("plena.toml"),
    hbm: Annotated[
        Path | None, typer.Option(help="Bytes of the main memory, from address 0 on.")
    ] = None,
    dump: Annotated[
        list[str] | None,
        typer.Option(
            help="Show a part at the end, such as vector:0-3, tile:0, fp:0-7, int:0, gp, f, "
            "hbm:0x100-0x1ff; may be given again."
        ),
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option(callback=file_to_write, help="File for a line of JSON an instruction."),
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="Another run's trace: say where the two part.")
    ] = None,
    most: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many instructions.")
    ] = None,
    debug: Annotated[
        bool,
        typer.Option(
            "--debug", help="Step through it: commands from the terminal, such as help, or a pipe."
        ),
    ] = False,
    hbm_out: Annotated[
        Path | None,
        typer.Option(callback=file_to_write, help="File for the main memory at the end."),
    ] = None,
    golden: Annotated[
        bool,
        typer.Option(
            "--golden",
            help="By the golden interpreter, step by step. The quick one, which does without a "
            "trace, is held equal to it.",
        ),
    ] = False,
    revision: Annotated[str, _REVISION] = "plena",
    upstream: Annotated[bool, _UPSTREAM] = False,
) -> None:
    """Run a program, one instruction after the other.

    Ends with status 3 at a trap, and with 1 where a run differs from the trace it is compared with.
    For example: plena run program.plena --dump vector:0-3
    """
    from ..golden.isa.run import run_program

    ended = run_program(
        program,
        machine=machine,
        hbm=hbm,
        dump=dump or [],
        trace=trace,
        against=against,
        most=most,
        revision=revision,
        upstream=upstream,
        golden=golden,
        hbm_out=hbm_out,
        commands=_commands() if debug else None,
        show=typer.echo,
    )
    if ended:
        raise typer.Exit(ended)


def _commands() -> Iterator[str]:
    """Yield what somebody types, until the end of it."""
    while True:
        try:
            yield input("(plena) " if sys.stdin.isatty() else "")
        except EOFError:
            return


@app.command("build-program")
def build_program(
    name: Annotated[
        str,
        typer.Argument(
            help="linear, linear_bias, rms_norm, layer_norm, softmax, silu, swiglu, rope or "
            "hadamard."
        ),
    ],
    rows: Annotated[int, typer.Option(min=1, help="Rows of the input.")] = 8,
    columns: Annotated[int, typer.Option(min=1, help="Columns of the input.")] = 128,
    outputs: Annotated[
        int | None,
        typer.Option(min=1, help="Columns of a linear layer's result; those of the input if none."),
    ] = None,
    block: Annotated[
        int | None,
        typer.Option(min=2, help="Elements of a head (rope) or of a transform (hadamard)."),
    ] = None,
    machine: Annotated[
        Path, typer.Option(help="A machine: a TOML of configs/hw, or one of your own.")
    ] = Path("plena.toml"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of the inputs.")] = 0,
    check: Annotated[
        bool, typer.Option("--check", help="Run it, and compare its result with golden's.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            callback=folder_to_write,
            help="Folder for program.plena, program.hex and memory.bin.",
        ),
    ] = None,
) -> None:
    """Write a program with random inputs, and compare what it leaves with golden, code by code.

    Ends with status 1 where a code differs. For example: plena build-program softmax --check
    """
    from ..golden.isa.machine import Machine
    from ..golden.isa.machine_code import machine_code
    from ..ground.write_whole import whole
    from ..programs import build
    from ..programs import check as run_and_compare

    built = build(
        name,
        Machine.load(machine),
        rows=rows,
        columns=columns,
        outputs=outputs,
        block=block,
        seed=seed,
    )
    made = built.builder.program()
    if out is not None:
        with whole(out) as folder:
            folder.mkdir()
            (folder / "program.plena").write_text(built.builder.text, encoding="utf-8")
            (folder / "program.hex").write_bytes(machine_code(made.words))
            (folder / "memory.bin").write_bytes(built.builder.image.bytes().tobytes())
        typer.echo(f"{out}: {len(made.words)} words")
    elif not check:
        sys.stdout.write(built.builder.text)
    if check:
        found = run_and_compare(built)
        typer.echo(
            f"{found.words} words, {found.steps} instructions: {found.differing} of {found.codes} "
            "codes differ from golden's"
        )
        if found.differing:
            raise typer.Exit(1)


@app.command()
def latency(
    model: Annotated[
        str,
        typer.Option(
            help="A model's sizes: a name (plena latency --list), a .toml, a config.json or its "
            "folder."
        ),
    ] = "llama-3.1-8b",
    machine: Annotated[
        Path, typer.Option(help="A machine: a TOML of configs/hw, or one of your own.")
    ] = Path("plena-2048.toml"),
    batch: Annotated[int, typer.Option(min=1, help="Sequences at once.")] = 4,
    read: Annotated[int, typer.Option("--in", min=1, help="Tokens of a prompt.")] = 2048,
    written: Annotated[int, typer.Option("--out", min=1, help="Tokens behind it.")] = 1024,
    clock: Annotated[float, typer.Option(min=0.001, help="Cycles a nanosecond.")] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    list_models: Annotated[
        bool, typer.Option("--list", help="List the models whose sizes come with the package.")
    ] = False,
) -> None:
    """Say how long a model takes, by the formulas that PLENA's authors publish figures by.

    They count no bandwidth of HBM and no head: docs/isa.md says what they leave out. For example:

    plena latency --model llama-3.2-1b --batch 4 --in 2048 --out 1024
    """
    from dataclasses import asdict

    from ..golden.isa.machine import Machine
    from ..programs.cost import analytic, model_shape, models

    if list_models:
        for name in models():
            typer.echo(f"{name:<16}{model_shape(name).parameters / 1e9:8.3f} billion weights")
        return
    found = analytic(
        model_shape(model),
        Machine.load(machine),
        batch=batch,
        read=read,
        written=written,
        clock_ghz=clock,
    )
    if as_json:
        figures = {"first_token_ms": found.first_token_ms, "tokens_per_s": found.tokens_per_s}
        typer.echo(
            json.dumps({"model": model, "cost": "plena-analytic", **figures, **asdict(found)})
        )
        return
    title = f"plena-analytic: {model}, batch {batch}, {read} in, {written} out"
    table = Table("part", title=title)
    for phase in ("reading, cycles", "share", "writing, cycles", "share"):
        table.add_column(phase, justify="right")
    phases = found.prefill, found.decode
    for part in found.prefill:
        cells = []
        for cycles in phases:
            each, whole = cycles.get(part, 0), sum(cycles.values())
            cells += [f"{each:,}", f"{each / whole:.1%}"]
        table.add_row(part, *cells)
    console.print(table)
    typer.echo(f"time to first token   {found.first_token_ms:.6f} ms")
    typer.echo(f"tokens/s, all         {found.tokens_per_s:.6f}")


@app.command()
def isa(
    revision: Annotated[str, _REVISION] = "plena",
    write: Annotated[
        bool,
        typer.Option(
            "--write",
            help="Renew the tables of docs/isa.md, the editors' files in tools/editors and the "
            "packages in rtl/core.",
        ),
    ] = False,
) -> None:
    """Show the instructions: how each is written, what it does, whether it is executed."""
    from ..golden.isa import get_revision, usage

    if write:
        from ..docs import isa_editors, isa_package, isa_table
        from ..docs.generated import renew_files

        files = {**isa_editors.files(), **isa_package.files()}
        for document, changed in (*isa_table.write(), *renew_files(files)):
            typer.echo(f"{'renewed' if changed else 'fresh'}: {document}")
        return
    table = Table("opcode", "instruction", "tier", "does", title=f"revision {revision}")
    for row in get_revision(revision).operations.values():
        table.add_row(f"{row.opcode:02X}", Text(usage(row)), str(row.tier), Text(row.does))
    console.print(table)
