"""Programs, their image and their machine as files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..golden.isa.machine_code import machine_code
from ..ground.write_whole import whole
from .builder import Builder
from .image import Image

MACHINE, MEMORY, MANIFEST = "machine.toml", "memory.bin", "manifest.json"


def write_folder(
    folder: Path, programs: Mapping[str, Builder], image: Image, about: Mapping[str, Any]
) -> None:
    """Write programs, HBM and the machine that they are for.

    Args:
        folder: that does not exist; it is there whole, or not at all.
        programs: by the names of their files.
        image: of all of them.
        about: what else the manifest says.
    """
    manifest = {
        "schema": "plena-programs",
        "version": 1,
        **about,
        "programs": [f"{name}.hex" for name in programs],
        "tensors": [
            {
                "name": each.name,
                "base": each.base,
                "scale": each.scale,
                "rows": each.rows,
                "columns": each.columns,
                "stored_rows": each.stored_rows,
                "stored_columns": each.stored_columns,
                "type": each.number,
                "format": each.type.name,
            }
            for each in image.tensors.values()
        ],
    }
    with whole(folder) as new:
        new.mkdir()
        for name, builder in programs.items():
            (new / f"{name}.plena").write_text(builder.text, encoding="utf-8")
            (new / f"{name}.hex").write_bytes(machine_code(builder.program().words))
        (new / MEMORY).write_bytes(image.bytes().tobytes())
        (new / MACHINE).write_text(toml(image.machine.tables()), encoding="utf-8")
        (new / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def toml(tables: Mapping[str, Any]) -> str:
    """Return tables as TOML: values first, then a table each; tables within are written inline.

    >>> print(toml({"types": {"kv": {"name": "mxint4", "block_size": 16}}, "flag": True}))
    flag = true
    <BLANKLINE>
    [types]
    kv = { name = "mxint4", block_size = 16 }
    <BLANKLINE>
    """
    values: Sequence[str] = [
        f"{key} = {_value(given)}\n"
        for key, given in tables.items()
        if not isinstance(given, Mapping)
    ]
    parts = ["".join(values)] if values else []
    for name, table in tables.items():
        if isinstance(table, Mapping):
            rows = "".join(f"{key} = {_value(given)}\n" for key, given in table.items())
            parts.append(f"[{name}]\n{rows}")
    return "\n".join(parts)


def _value(given: Any) -> str:
    if isinstance(given, Mapping):
        return f"{{ {', '.join(f'{key} = {_value(each)}' for key, each in given.items())} }}"
    return json.dumps(given)
