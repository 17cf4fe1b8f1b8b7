"""plena inspect: what a recipe makes of every module of a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from plena_cosim.golden import FormatError

from .left_table import print_left
from .module_groups import FIGURES, figures_of, formats_of, grouped, weights_line
from .quantized import load_quantized
from .record import write_json


def run_inspect(
    *,
    model: str,
    quant_config: Path,
    numerics: str = "fake",
    hardware: Path | None = None,
    device: str | None = None,
    every: bool = False,
    json_path: Path | None = None,
    cache: Path | None = None,
    console: Console | None = None,
) -> dict[str, Any]:
    """Quantise a model, print what became of its modules, and return (and write) the record.

    Args:
        model: a folder, an id on the Hugging Face hub, or "demo".
        quant_config: a recipe.
        numerics: "fake" or "exact".
        hardware: a machine of configs/hw for exact numerics.
        device: where calibration and search run, in the place of what the recipe says.
        every: a line for each module; else modules of one selector share a line.
        json_path: where the record of all modules goes.
        cache: where demo downloads live; the user's cache directory when None.
        console: where the table goes.

    Raises:
        FormatError, TextSourceError: with one clear message each. The recipe is checked first.
    """
    console = console or Console()
    made = load_quantized(
        model,
        quant_config,
        numerics=numerics,
        hardware=hardware,
        device=device,
        cache=cache,
        console=console,
    )
    recipe, info, record = made.recipe, made.info, made.record()
    if not info:
        raise FormatError(f"{recipe.source}: the recipe leaves every module as it is")
    groups = [(name, [entry]) for name, entry in info.items()] if every else grouped(info)
    table = Table(title=f"{model} under {recipe.source} ({numerics})")
    table.add_column("module" if every else "selector", overflow="fold", ratio=3)
    table.add_column("becomes", ratio=2)
    for header in FIGURES:
        table.add_column(header, justify="right", no_wrap=True)
    for name, entries in groups:
        table.add_row(
            name, f"[b]{entries[0].kind}[/b]\n{formats_of(entries[0])}", *figures_of(entries)
        )
    console.print(table)
    console.print(weights_line(info))
    print_left(made.left, console, every=every)
    if json_path is not None:
        write_json(json_path, record)
        console.print(f"record: {json_path}")
    return record
