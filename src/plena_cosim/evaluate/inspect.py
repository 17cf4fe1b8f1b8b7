"""plena inspect: what a recipe makes of every module of a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from plena_cosim.golden import FormatError, HardwareConfig
from plena_cosim.passes import ModuleInfo, load_quant_config, quantize_module_transform_pass

from .load import load_model, require_original
from .record import describe_run, write_json


def run_inspect(
    *,
    model: str,
    quant_config: Path,
    numerics: str = "fake",
    hardware: Path | None = None,
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
        every: a line for each module; else modules of one selector share a line.
        json_path: where the record of all modules goes.
        cache: where demo downloads live; the user's cache directory when None.
        console: where the table goes.

    Raises:
        FormatError, EvaluationError: with one clear message each. The recipe is checked first.
    """
    console = console or Console()
    recipe = load_quant_config(quant_config)
    machine = HardwareConfig.load(hardware) if hardware is not None else None
    network, _ = load_model(model, cache=cache)
    require_original(network, model)
    network, info = quantize_module_transform_pass(network, recipe, numerics=numerics, hw=machine)
    if not info:
        raise FormatError(f"{recipe.source}: the recipe leaves every module as it is")
    groups = {name: [entry] for name, entry in info.items()} if every else _grouped(info)
    table = Table(title=f"{model} under {recipe.source} ({numerics})")
    table.add_column("module" if every else "selector", overflow="fold", ratio=3)
    table.add_column("becomes", ratio=2)
    for header in ("modules", "bits", "MSE", "clipped"):
        table.add_column(header, justify="right", no_wrap=True)
    for name, entries in groups.items():
        table.add_row(name, f"[b]{entries[0].kind}[/b]\n{_formats(entries[0])}", *_figures(entries))
    console.print(table)
    weights = sum(entry.parameters for entry in info.values())
    bits = sum(entry.parameters * entry.bits_per_weight for entry in info.values())
    console.print(
        f"{len(info)} modules; {weights:,} weights in {bits / 8e6:,.1f} MB"
        + (f", {bits / weights:.2f} bits each" if weights else "")
    )
    record = {
        "model": model,
        "quant_config": recipe.source,
        "numerics": numerics,
        "run": describe_run(seed=0, config_sha256=recipe.sha256),
        "modules": {name: entry.as_dict() for name, entry in info.items()},
    }
    if json_path is not None:
        write_json(json_path, record)
        console.print(f"record: {json_path}")
    return record


def _grouped(info: dict[str, ModuleInfo]) -> dict[str, list[ModuleInfo]]:
    """Return the entries by selector, and by kind where one selector takes several kinds."""
    groups: dict[tuple[str, str, str], list[ModuleInfo]] = {}
    for entry in info.values():
        key = (entry.selector, entry.kind, _formats(entry))
        groups.setdefault(key, []).append(entry)
    named: dict[str, list[ModuleInfo]] = {}
    for (selector, kind, _), entries in groups.items():
        name = selector if selector not in named else f"{selector} ({kind})"
        while name in named:
            name += " "
        named[name] = entries
    return named


def _formats(entry: ModuleInfo) -> str:
    roles = {role: getattr(entry, role) for role in ("weight", "data_in", "bias")}
    parts = [f"{role} {name}" for role, name in roles.items() if name is not None]
    parts += [f"{operation} {name}" for operation, name in (entry.inside or {}).items()]
    if entry.block_size:
        parts.append(f"blocks of {entry.block_size}")
    if entry.rotation:
        parts.append(f"rotated by {entry.rotation}")
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
