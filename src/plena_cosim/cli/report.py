"""Commands for the runs that measuring commands leave."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .console import console
from .destination import file_to_write, folder_to_write

app = typer.Typer()
report_app = typer.Typer(no_args_is_help=True, help="Compare and list runs under results/.")
app.add_typer(report_app, name="report")


@report_app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs.")],
    baseline: Annotated[
        Path | None,
        typer.Option(help="Folder of the run to compare with; else the unquantised one."),
    ] = None,
    out: Annotated[
        Path, typer.Option(callback=folder_to_write, help="Folder of results.json, report.html.")
    ] = Path("results/compare"),
) -> None:
    """Put runs beside the unquantised baseline, with paired standard errors.

    They have to have measured the same samples. Without --baseline it is the unquantised run among
    them, or one beside the first. For example:

    plena report compare results/eval-ppl-demo-*
    """
    from ..evaluate.report_runs import run_compare

    run_compare(runs, baseline=baseline, out=out, console=console)


@report_app.command()
def index(
    folder: Annotated[Path, typer.Argument(help="Where runs lie.")] = Path("results"),
    html: Annotated[
        Path | None,
        typer.Option(callback=file_to_write, help="Write a page that leads to all reports."),
    ] = None,
) -> None:
    """List the runs under a folder, the newest last.

    For example: plena report index --html results/index.html
    """
    from ..evaluate.report_runs import run_index

    run_index(folder, html=html, console=console)
