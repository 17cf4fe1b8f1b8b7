"""Commands about recipe files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from .console import console

app = typer.Typer(no_args_is_help=True, help="Check and explain quantisation recipes.")


@app.command()
def schema() -> None:
    """Print the JSON Schema of a recipe file, for editors that check and complete TOML."""
    from ..passes.recipe.json_schema import recipe_schema

    typer.echo(json.dumps(recipe_schema(), indent=2, ensure_ascii=False))


@app.command()
def check(file: Annotated[Path, typer.Argument(help="A TOML recipe.")]) -> None:
    """Print the selectors and formats of a recipe, or the first thing that is wrong with it."""
    from ..docs.recipe_summary import recipe_table, remarks
    from ..passes import load_quant_config

    recipe = load_quant_config(file)
    console.print(recipe_table(recipe))
    for line in remarks(recipe):
        typer.echo(line)


@app.command()
def docs(
    write: Annotated[
        bool, typer.Option("--write", help="Renew the tables of docs/recipe.md.")
    ] = False,
) -> None:
    """Print the tables of all keys in Markdown, as in docs/recipe.md."""
    from ..docs import recipe_reference as recipe_docs

    if write:
        typer.echo(f"{'renewed' if recipe_docs.write() else 'fresh'}: {recipe_docs.DOCUMENT}")
        return
    for name, table in recipe_docs.tables().items():
        typer.echo(f"### {name}\n\n{table}\n")
