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
