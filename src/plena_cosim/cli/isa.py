"""Commands for programs of PLENA's instruction set."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

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
        typer.Option(
            callback=file_to_write,
            help="File for the main memory at the end, up to its last byte that is not 0.",
        ),
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
            help="linear, linear_bias, rms_norm, layer_norm, softmax, silu, swiglu, rope, "
            "hadamard, attention, flash_attention, embedding, lm_head or decoder_layer."
        ),
    ],
    rows: Annotated[int, typer.Option(min=1, help="Rows of the input.")] = 8,
    columns: Annotated[int, typer.Option(min=1, help="Columns of the input.")] = 128,
    outputs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Columns of a linear layer's result, or within the MLP of decoder_layer; those of "
            "the input if none.",
        ),
    ] = None,
    block: Annotated[
        int | None,
        typer.Option(
            min=2, help="Elements of a head (rope, attention) or of a transform (hadamard)."
        ),
    ] = None,
    kv_heads: Annotated[
        int | None,
        typer.Option(min=1, help="Heads of keys, of attention; as many as of queries if none."),
    ] = None,
    operand: Annotated[
        int, typer.Option(min=1, max=7, help="Type of attention's operands: 1 is that of K and V.")
    ] = 1,
    flash: Annotated[
        bool, typer.Option("--flash", help="attention: in FlashAttention's order.")
    ] = False,
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
            help="Folder for program.plena, program.hex, memory.bin, machine.toml and "
            "manifest.json.",
        ),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option("--map", callback=file_to_write, help="A .png or .svg: its memories."),
    ] = None,
    memory: Annotated[
        bool, typer.Option("--memory", help="Print what lies where in its memories.")
    ] = False,
) -> None:
    """Write a program with random inputs, and compare what it leaves with golden, code by code.

    Ends with status 1 where a code differs. For example: plena build-program softmax --check
    """
    from ..golden.isa.machine import Machine
    from ..programs import build
    from ..programs import check as run_and_compare
    from ..programs.folder import write_folder

    if flash and name == "attention":
        name = "flash_attention"
    built = build(
        name,
        Machine.load(machine),
        rows=rows,
        columns=columns,
        outputs=outputs,
        block=block,
        kv_heads=kv_heads,
        operand=operand,
        seed=seed,
    )
    made = built.builder.program()
    if out is not None:
        about = {"name": name, "seed": seed, "result": built.result.name}
        write_folder(out, {"program": built.builder}, built.builder.image, about)
        typer.echo(f"{out}: {len(made.words)} words")
    elif not check and picture is None and not memory:
        sys.stdout.write(built.builder.text)
    if memory:
        _print_memories(built.builder)
    if picture is not None:
        from ..programs.memory_map import draw

        draw(picture, built.builder, title=f"{name}: {rows} x {columns}")
        typer.echo(f"{picture}: memories")
    if check:
        found = run_and_compare(built)
        typer.echo(
            f"{found.words} words, {found.steps} instructions: {found.differing} of {found.codes} "
            "codes differ from golden's"
        )
        if found.differing:
            raise typer.Exit(1)


def _print_memories(builder: Any) -> None:
    from ..programs import memory_map

    table = Table("HBM: tensor", "at", title="memories")
    table.add_column("bytes", justify="right")
    table.add_column("is")
    for row in memory_map.tensors(builder.image):
        table.add_row(*map(Text, row))
    console.print(table)
    table = Table("on chip: what", "memory", "places", "lines")
    for row in memory_map.kept(builder):
        table.add_row(*map(Text, row))
    console.print(table)
    for what, (most, there) in memory_map.used(builder).items():
        typer.echo(f"{most:,} of {there:,} {what}")


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
    clock: Annotated[
        float | None,
        typer.Option(min=0.001, help="Cycles a nanosecond; as the machine says if not given."),
    ] = None,
    bandwidth: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            help="Of HBM, GB/s, for the roofline and programs; as the machine says if not given.",
        ),
    ] = None,
    macs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Multiply-accumulates a cycle, for the roofline; as the machine says, or "
            "MLEN x BLEN, if not given.",
        ),
    ] = None,
    program: Annotated[
        Path | None,
        typer.Option(help="Instead of a model: cycles of this program, as PLENA's emulator has."),
    ] = None,
    vendor: Annotated[
        bool | None,
        typer.Option(
            "--vendor/--no-vendor",
            help="For programs: arithmetic units of a vendor's library, or without; as the machine "
            "says if not given.",
        ),
    ] = None,
    overhead: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="For programs: cycles of a product besides its MLEN; as the machine says if not "
            "given.",
        ),
    ] = None,
    revision: Annotated[str, _REVISION] = "plena",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option(callback=file_to_write, help="A .png or .svg: where the time goes, as bars."),
    ] = None,
    list_models: Annotated[
        bool, typer.Option("--list", help="List the models whose sizes come with the package.")
    ] = False,
) -> None:
    """Say how long a model takes: by PLENA's published formulas, a roofline, and its programs.

    The formulas count no bandwidth of HBM and no head; the roofline counts no latency; programs
    are charged as PLENA's emulator does. docs/latency.md says what each leaves out. For example:

    plena latency --model llama-3.2-1b --batch 4 --in 2048 --out 1024 --plot where.png
    """
    from dataclasses import replace

    from ..golden.isa.machine import Machine
    from ..programs.cost import compare, model_shape, models

    if list_models:
        for name in models():
            typer.echo(f"{name:<16}{model_shape(name).parameters / 1e9:8.3f} billion weights")
        return
    hw = Machine.load(machine)
    given = {"clock_ghz": clock, "hbm_gb_s": bandwidth, "macs": macs, "vendor_units": vendor}
    said = {key: value for key, value in given.items() if value is not None}
    hw = replace(hw, timing=replace(hw.timing, **said))  # type: ignore[arg-type]
    if program is not None:
        _program_cycles(program, hw, revision, overhead, as_json=as_json)
        return
    shape, sizes = model_shape(model), {"batch": batch, "read": read, "written": written}
    sides, missing = compare.sides_of(shape, hw, **sizes, overhead=overhead)
    title = f"{model}, batch {batch}, {read} in, {written} out"
    timing = hw.timing
    if plot is not None:
        caveat = (
            f"{machine.name}, {timing.clock_ghz:g} GHz, HBM {timing.hbm_gb_s:g} GB/s. "
            "plena-analytic: PLENA's published formulas; roofline: the least; plena-emulator: "
            "this project's programs, one instruction after the other"
        )
        compare.draw(plot, sides, title=title, caveat=caveat)
    if as_json:
        asked = {"model": model, "machine": str(machine), **sizes, "clock_ghz": timing.clock_ghz}
        asked |= {"bandwidth_gb_s": timing.hbm_gb_s}
        costs = {"costs": compare.as_json(sides), "without": missing}
        typer.echo(json.dumps({**asked, **costs}))
        return
    for phase, heading in (("reading", "the prompt, ms"), ("writing", "a token, ms")):
        table = Table(heading, title=title if phase == "reading" else None)
        for side in sides:
            table.add_column(side.name.replace("plena-", "plena-\n"), justify="right")
        table.add_column("scarce in\nthe roofline")
        for row in compare.rows(sides, phase):
            table.add_row(*row)
        console.print(table)
    for side in sides:
        typer.echo(
            f"{side.name:<15} time to first token {side.first_token_ms:.6f} ms, all "
            f"{side.tokens_per_s:.6f} tokens/s"
        )
    for name, reason in missing.items():
        console.print(Text(f"{name}: {reason}"))


def _program_cycles(
    program: Path, machine: Any, revision: str, overhead: int | None, *, as_json: bool
) -> None:
    from dataclasses import asdict

    from ..golden.isa import get_revision
    from ..golden.isa.run import read_program
    from ..programs.cost import emulator

    instructions = get_revision(revision)
    words, _ = read_program(program, instructions)
    found = emulator(words, machine, revision=instructions, overhead=overhead)
    if as_json:
        typer.echo(json.dumps({"program": str(program), "total": found.total, **asdict(found)}))
        return
    table = Table("instruction", title=f"plena-emulator: {program.name}")
    for heading in ("times", "cycles", "share", "bytes"):
        table.add_column(heading, justify="right")
    for name, times in sorted(found.counts.items(), key=lambda row: -found.cycles.get(row[0], 0)):
        cycles, moved = found.cycles.get(name), found.bytes.get(name)
        shown = ("", "") if cycles is None else (f"{cycles:,}", f"{cycles / found.total:.1%}")
        table.add_row(name, f"{times:,}", *shown, "" if moved is None else f"{moved:,}")
    console.print(table)
    for unit, cycles in found.units.items():
        typer.echo(f"{unit:<20}{cycles:,} cycles")
    typer.echo(f"all, in sequence    {found.total:,} cycles")


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
