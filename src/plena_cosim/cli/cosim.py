"""Commands that bring a model to the hardware."""

from __future__ import annotations

import typer

from .cosim_image import image_app

app = typer.Typer()
cosim_app = typer.Typer(no_args_is_help=True, help="Bring a model to the hardware.")
app.add_typer(cosim_app, name="cosim")
cosim_app.add_typer(image_app, name="image")
