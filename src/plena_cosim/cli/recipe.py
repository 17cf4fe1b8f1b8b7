"""Commands about recipe files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table
from rich.text import Text

from .console import console

app = typer.Typer()
recipe_app = typer.Typer(no_args_is_help=True, help="Check and explain quantisation recipes.")
app.add_typer(recipe_app, name="recipe")


@recipe_app.command()
def schema() -> None:
    """Print the JSON Schema of a recipe file, for editors that check and complete TOML."""
    from ..passes.recipe.json_schema import recipe_schema

    typer.echo(json.dumps(recipe_schema(), indent=2, ensure_ascii=False))


@recipe_app.command("list")
def list_shipped() -> None:
    """List the recipes and machines that come with plena, by the names that find them anywhere."""
    from ..ground.shipped import all_shipped

    table = Table(
        Column("file", no_wrap=True), "what it says", title="recipes and machines", show_lines=True
    )
    for name, comment in all_shipped().items():
        table.add_row(Text(name), Text(comment))
    console.print(table)


@recipe_app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A TOML recipe.")],
    model: Annotated[
        str | None,
        typer.Option(
            help="Try it on this model, too, without its weights: a folder, a hub id, demo, or a "
            "family such as llama."
        ),
    ] = None,
) -> None:
    """Print the selectors and formats of a recipe, or the first thing that is wrong with it.

    With --model it says what would be refused on that model: selectors that match nothing, keys
    that a kind of module does not take, weights that cannot be calibrated.
    """
    from ..docs.recipe_summary import recipe_table, remarks
    from ..passes.recipe.load import read_recipe_file

    recipe = read_recipe_file(file)
    console.print(recipe_table(recipe))
    for line in remarks(recipe):
        typer.echo(line)
    for note in recipe.notes:
        typer.echo(f"warning: {note}")
    if model is not None:
        from ..evaluate.check_recipe import check_on_model

        for line in check_on_model(recipe, model):
            typer.echo(line)


@recipe_app.command("import")
def import_(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="JSON of AMD Quark: a configuration, a layer's, an algorithm, the config.json of "
            "a checkpoint, or its folder."
        ),
    ] = None,
    scheme: Annotated[
        str | None,
        typer.Option(help="Quark's name of a scheme, such as int4_wo_128, for all linear layers."),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(help="A name that stays as it is, with wildcards; may be given repeatedly."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The model that GPTQ calibrates: a folder or a hub id.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The TOML file to write; without it TOML is printed.")
    ] = None,
) -> None:
    """Make a recipe of a configuration of AMD Quark, and say what it does not say.

    Names, types and the global configuration become selectors, algorithms tables such as
    [scaling]. What no recipe says is an error or a note; docs/quark.md has all of them.
    """
    from ..evaluate.import_recipe import import_recipe
    from ..ground.destination import require_file
    from ..ground.write_whole import write_whole
    from ..passes.recipe.load import read_quant_config

    if out is not None:
        require_file(out, given_as="--out")
    found = import_recipe(file, scheme_name=scheme, exclude=exclude or (), model_name=model)
    if out is None:
        typer.echo(found.text, nl=False)
    else:
        from ..docs.recipe_summary import recipe_table, remarks

        recipe = read_quant_config(found.tables, source=str(out))
        write_whole(out, found.text)
        console.print(recipe_table(recipe))
        for line in remarks(recipe):
            typer.echo(line)
    for note in found.notes:
        typer.echo(f"note: {note}", err=out is None)


@recipe_app.command()
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
