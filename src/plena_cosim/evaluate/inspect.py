"""plena inspect: what a recipe makes of every module of a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from plena_cosim.golden import FormatError
from plena_cosim.passes import ModuleInfo

from .left_table import print_left
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
    groups = [(name, [entry]) for name, entry in info.items()] if every else _grouped(info)
    table = Table(title=f"{model} under {recipe.source} ({numerics})")
    table.add_column("module" if every else "selector", overflow="fold", ratio=3)
    table.add_column("becomes", ratio=2)
    for header in ("modules", "bits", "MSE", "clipped"):
        table.add_column(header, justify="right", no_wrap=True)
    for name, entries in groups:
        table.add_row(name, f"[b]{entries[0].kind}[/b]\n{_formats(entries[0])}", *_figures(entries))
    console.print(table)
    weights = sum(entry.parameters for entry in info.values())
    bits = sum(entry.parameters * entry.bits_per_weight for entry in info.values())
    console.print(
        f"{len(info)} modules; {weights:,} weights in {bits / 8e6:,.1f} MB"
        + (f", {bits / weights:.2f} bits each" if weights else "")
    )
    print_left(made.left, console, every=every)
    if json_path is not None:
        write_json(json_path, record)
        console.print(f"record: {json_path}")
    return record


def _grouped(info: dict[str, ModuleInfo]) -> list[tuple[str, list[ModuleInfo]]]:
    """Return the entries that share selector, kind and formats, under the selector."""
    groups: dict[tuple[str, str, str], list[ModuleInfo]] = {}
    for entry in info.values():
        groups.setdefault((entry.selector, entry.kind, _formats(entry)), []).append(entry)
    return [(selector, entries) for (selector, _, _), entries in groups.items()]


def _formats(entry: ModuleInfo) -> str:
    roles = {role: getattr(entry, role) for role in ("weight", "data_in", "bias")}
    parts = [f"{role} {name}" for role, name in roles.items() if name is not None]
    parts += [f"{operation} {name}" for operation, name in (entry.inside or {}).items()]
    if entry.block_size:
        parts.append(f"blocks of {entry.block_size}")
    if entry.rotation:
        parts.append(f"rotated by {entry.rotation}")
    rotated = entry.rotated_inside or {}
    parts += [f"{operation} rotated by {size}" for operation, size in rotated.items()]
    if entry.semantics == "dequant":
        parts.append("rotated back once quantised")
    return "\n".join(parts) or "the machine's own"


def _figures(entries: list[ModuleInfo]) -> tuple[str, ...]:
    weights = sum(entry.parameters for entry in entries)
    if not weights:
        return str(len(entries)), "", "", ""

    def mean(field: str) -> float:
        total: float = sum(getattr(entry, field) * entry.parameters for entry in entries)
        return total / weights

    return (
        str(len(entries)),
        f"{mean('bits_per_weight'):.2f}",
        f"{mean('weight_mse'):.2e}",
        f"{mean('clipped_fraction'):.2%}",
    )
