"""The command that shows a machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table
from rich.text import Text

from .console import console

app = typer.Typer()


@app.command()
def machine(
    file: Annotated[
        Path,
        typer.Argument(
            help="A TOML of configs/hw, PLENA's plena_settings.toml, precision.svh or "
            "configuration.svh, or a folder with the two .svh files."
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show a machine as it is understood, and what of its file has no counterpart here."""
    from ..golden import FormatError, HardwareConfig

    config = HardwareConfig.load(file)
    sizes: dict[str, Any] = {}
    for op in ("mx_mm", "mx_mv", "mx_bmm"):
        try:
            sizes[op] = config.sizes(op)
        except FormatError as error:
            sizes[op] = str(error)
    if as_json:
        found = {**config.tables(), "matrix_unit": sizes, "unmapped": list(config.unmapped)}
        typer.echo(json.dumps(found, indent=2))
        return
    table = Table(Column("what", no_wrap=True), "value", title=Text(str(file)))
    for key in ("mlen", "blen", "vlen", "hlen", "writeback_rows"):
        table.add_row(key.replace("writeback_rows", "v_writeback"), str(getattr(config, key)))
    for role in ("vector", "accumulator", "reduction"):
        table.add_row(role, getattr(config, f"{role}_format").name)
    for op, given in sizes.items():
        words = given if isinstance(given, str) else ", ".join(f"{k} {v}" for k, v in given.items())
        table.add_row(op, Text(words))
    console.print(table)
    if config.unmapped:
        left = Table(title="without a counterpart here")
        left.add_column("key = value: why", overflow="fold")
        for line in config.unmapped:
            left.add_row(Text(line))
        console.print(left)
