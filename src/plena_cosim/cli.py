"""The command `plena`: thin; every command calls one function of the package."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Bit-exact co-simulation of PLENA: one definition in NumPy, torch and gates.",
)
eval_app = typer.Typer(no_args_is_help=True, help="Measure a model under a quantisation recipe.")
app.add_typer(eval_app, name="eval")

_console = Console()


class Numerics(StrEnum):
    """How a quantised model computes."""

    FAKE = "fake"
    EXACT = "exact"


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show what this machine has, and how to mend what is missing."""
    from .doctor import examine

    findings = examine()
    if as_json:
        typer.echo(json.dumps([vars(finding) for finding in findings], indent=2))
    else:
        table = Table(title="plena doctor")
        for heading in ("", "what", "found"):
            table.add_column(heading, overflow="fold")
        marks = {True: "[green]ok[/]", False: "[red]missing[/]", None: "[yellow]–[/]"}
        for finding in findings:
            mend = f"\n→ {finding.mend}" if finding.mend and not finding.ok else ""
            table.add_row(marks[finding.ok], finding.what, escape(finding.found + mend))
        _console.print(table)
    if any(finding.ok is False for finding in findings):
        raise typer.Exit(1)


@app.command()
def formats(
    markdown: Annotated[bool, typer.Option(help="Print Markdown, as in the README.")] = False,
) -> None:
    """List every named number format with its facts.

    Other widths need no registration: e{E}m{M}, q{I}.{F}, mxint{W} and mxfp{W}_e{E}m{M} are
    understood wherever a format is named.
    """
    from . import format_table

    if markdown:
        typer.echo(format_table.markdown())
        return
    for title, header, rows in (
        ("scalar formats", format_table.SCALAR_HEADER, format_table.scalar_rows()),
        (
            "block formats (32 elements, 8-bit scale)",
            format_table.BLOCK_HEADER,
            format_table.block_rows(),
        ),
    ):
        table = Table(*header, title=title)
        for row in rows:
            table.add_row(*row)
        _console.print(table)


@app.command()
def ops(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List the operations that golden and gates share."""
    from .golden.ops import OPS

    rows = [(op.name, op.module, ", ".join(op.formats), op.summary) for op in OPS.values()]
    if as_json:
        keys = ("name", "module", "formats", "summary")
        typer.echo(json.dumps([dict(zip(keys, row, strict=True)) for row in rows], indent=2))
        return
    table = Table("op", "RTL module", "formats", "what", title="operations")
    for row in rows:
        table.add_row(*row)
    _console.print(table)


@app.command()
def sim(
    block: Annotated[str | None, typer.Option(help="Only this op, e.g. fp_mul.")] = None,
    fmt: Annotated[str | None, typer.Option(help="Only cases with this format, e.g. bf16.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random stimuli.")] = 0,
    jobs: Annotated[int | None, typer.Option(help="Processes; one a processor by default.")] = None,
) -> None:
    """Run the RTL regression: every block against golden, on every bit.

    Vectors go through Verilated blocks, protocol through cocotb benches, and mutants of the RTL have to be found.
    Results land in results/sim/, with a waveform for every mismatch.
    """
    from .sim import regression

    raise typer.Exit(regression.run(block, fmt, seed, jobs=jobs))


@app.command()
def replay(
    vector: Annotated[str, typer.Argument(help="The ID that a mismatch line printed.")],
) -> None:
    """Run one vector of the regression again and write its waveform."""
    from .sim import regression

    raise typer.Exit(regression.replay(vector))


def main() -> None:
    """Run the command line; an error of ours is one line on stderr and exit code 2."""
    try:
        app()
    except KeyboardInterrupt:
        typer.echo("plena: interrupted", err=True)
        raise SystemExit(130) from None
    except Exception as error:
        if not type(error).__module__.startswith("plena_cosim"):
            raise
        typer.echo(f"{type(error).__name__}: {error}", err=True)
        raise SystemExit(2) from None
