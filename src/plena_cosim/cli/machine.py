"""The command that shows a machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table
from rich.text import Text

from .console import console
from .destination import file_to_write

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
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            callback=file_to_write,
            help="Write it as a TOML of this project, with all that programs need.",
        ),
    ] = None,
) -> None:
    """Show a machine as it is understood, and what of its file has no counterpart here.

    For example, of PLENA's own settings: plena machine plena_settings.toml --out machine.toml
    """
    from ..golden import FormatError, HardwareConfig

    config = HardwareConfig.load(file)
    programs, reason = _for_programs(file)
    if out is not None:
        _write(out, file, programs, config)
    sizes: dict[str, Any] = {}
    for op in ("mx_mm", "mx_mv", "mx_bmm"):
        try:
            sizes[op] = config.sizes(op)
        except FormatError as error:
            sizes[op] = str(error)
    if as_json:
        own = {"programs": reason} if programs is None else programs.tables()
        found = {**config.tables(), "matrix_unit": sizes, "unmapped": list(config.unmapped), **own}
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
    _show_programs(programs, reason)
    if config.unmapped:
        left = Table(title="without a counterpart here")
        left.add_column("key = value: why", overflow="fold")
        for line in config.unmapped:
            left.add_row(Text(line))
        console.print(left)


def _for_programs(file: Path) -> tuple[Any, str]:
    """Return what programs run on, or None and why there are none."""
    from ..golden import FormatError
    from ..golden.isa.machine import Machine

    try:
        return Machine.load(file), ""
    except FormatError as error:
        return None, str(error)


def _write(out: Path, file: Path, programs: Any, config: Any) -> None:
    """Write the machine's tables; those of a HardwareConfig where programs cannot have it."""
    from ..ground.write_whole import write_whole
    from ..programs.folder import toml

    tables = config.tables() if programs is None else programs.tables()
    left = "".join(f"# left out: {' '.join(line.split())}\n" for line in config.unmapped)
    write_whole(out, f"# Of {file.name}.\n{left}\n{toml(tables)}")


def _show_programs(found: Any, reason: str) -> None:
    from dataclasses import asdict

    from ..golden import Mx

    if found is None:
        console.print(Text(f"no programs: {reason}"))
        return
    types = Table("type", "of tiles", "elsewhere", title="for programs")
    rows = zip(found.types(weights=True), found.types(weights=False), strict=True)
    for number, pair in enumerate(rows):
        names = [
            f"{each.name}, blocks of {each.block_size}" if isinstance(each, Mx) else each.name
            for each in pair
        ]
        types.add_row(str(number), *map(Text, names))
    console.print(types)
    hw, sizes = found.hardware, asdict(found.memories)
    widths = {
        "vector_rows": hw.vlen * hw.vector_format.width_bits,
        "matrix_tiles": _tile_bits(found),
        "int_words": 32,
        "fp_words": hw.reduction_format.width_bits,
        "hbm_bytes": 8,
        "program_words": 32,
    }
    memories = Table("memory")
    for heading in ("size", "KiB"):
        memories.add_column(heading, justify="right")
    for name, size in sizes.items():
        kib = f"{size * widths[name] / 8192:,.1f}" if name in widths else ""
        memories.add_row(name, f"{size:,}", kib)
    for name in ("prefetch_rows", "store_rows"):
        label = {"prefetch_rows": "v_prefetch", "store_rows": "v_writeback"}[name]
        memories.add_row(label, str(getattr(found, name)), "")
    console.print(memories)
    console.print(_timing(found))


def _tile_bits(found: Any) -> float:
    """Return the bits of a tile of the widest type, with scales."""
    from ..golden import Mx
    from ..programs.cost.roofline import bits

    widest = max(bits(each) for each in found.types(weights=True) if isinstance(each, Mx))
    return float(found.hardware.mlen**2 * widest)


def _timing(found: Any) -> Table:
    from ..programs.cost.roofline import peak_macs

    timing, hw = found.timing, found.hardware
    table = Table("timing")
    table.add_column("is", justify="right")
    rows = {
        "clock_ghz": f"{timing.clock_ghz:g}",
        "hbm_gb_s": f"{timing.hbm_gb_s:g}",
        "bytes of HBM a cycle": f"{timing.bytes_per_cycle:g}",
        "macs": f"{peak_macs(found):,}",
        "lanes of the vector unit": f"{hw.vlen:,}",
        "vendor_units": str(timing.vendor_units).lower(),
    }
    rows |= {name: f"{pair[0]}, {pair[1]}" for name, pair in vars(timing.latency).items()}
    for name, value in rows.items():
        table.add_row(name, value)
    return table
