"""The command `plena`: thin; every command calls one function of the package."""

from __future__ import annotations

import typer

from plena_cosim.ground.errors import PlenaError

from . import models, project, recipe, rtl

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Bit-exact co-simulation of PLENA: one definition in NumPy, torch and gates.",
)
app.add_typer(project.app)
app.add_typer(rtl.app)
app.add_typer(models.app)
app.add_typer(recipe.app, name="recipe")


def main() -> None:
    """Run the command line; an error of ours is one line on stderr and exit code 2."""
    try:
        app()
    except KeyboardInterrupt:
        typer.echo("plena: interrupted", err=True)
        raise SystemExit(130) from None
    except Exception as error:
        extra = isinstance(error, ImportError) and "plena-cosim[" in str(error)
        if not isinstance(error, PlenaError) and not extra:
            raise
        typer.echo(f"{type(error).__name__}: {error}", err=True)
        raise SystemExit(2) from None
