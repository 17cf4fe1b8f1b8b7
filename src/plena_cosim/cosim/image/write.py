"""Writes the folder of an image: raw bytes, hex, safetensors and manifest, whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from plena_cosim.golden import FormatError, HardwareConfig
from plena_cosim.golden.formats import sv_mx
from plena_cosim.ground.destination import DestinationError
from plena_cosim.ground.write_whole import remove_scratch, whole

from .layout import ALIGNMENT, Bytes, Layout, aligned
from .matrix import Matrix

VERSION = 1
RAW, HEX, TENSORS, MANIFEST = "hbm.bin", "hbm.hex", "hbm.safetensors", "manifest.json"


def write_image(
    out: Path,
    matrices: Iterable[Matrix],
    *,
    hw: HardwareConfig,
    about: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write tensors one behind the other from address 0, and the manifest that finds them.

    Args:
        out: the folder, which must not be there.
        matrices: in the order of addresses.
        hw: the machine.
        about: what else the manifest is to say: model, recipe …

    Returns:
        The manifest.

    Raises:
        FormatError: no tensors, two of one name, or a format without this layout.
        DestinationError: `out` is there, or cannot be written.
    """
    from safetensors.numpy import save_file

    if out.exists() or out.is_symlink():
        raise DestinationError(f"{out} exists; give another --out, or remove it")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        remove_scratch(out.parent)
        with whole(out) as folder:
            folder.mkdir()
            entries: list[dict[str, Any]] = []
            parts: dict[str, Bytes] = {}
            address = 0
            with (folder / RAW).open("wb") as raw, (folder / HEX).open("w") as hexes:
                for matrix in matrices:
                    entry, data = _entry(matrix, address, hw)
                    if f"{matrix.name}.elements" in parts:
                        raise FormatError(f"two tensors are called {matrix.name}")
                    padded = np.zeros(aligned(data.size), np.uint8)
                    padded[: data.size] = data
                    raw.write(padded.tobytes())
                    hexes.writelines(hex_lines(padded))
                    end = entry["element_bytes"]
                    parts[f"{matrix.name}.elements"] = data[:end].copy()
                    parts[f"{matrix.name}.scales"] = data[entry["scale_offset"] :].copy()
                    entries.append(entry)
                    address += padded.size
            if not entries:
                raise FormatError(
                    "nothing for an image: no weight, activation or KV that was chosen has an MX "
                    "format; look at the recipe and at --layers"
                )
            save_file(parts, folder / TENSORS)
            manifest = {
                "version": VERSION,
                **(about or {}),
                "machine": hw.tables(),
                "layout": "elements, then scales at scale_offset; both row-major, least bit first",
                "word_bytes": ALIGNMENT,
                "bytes": address,
                "files": {name: file_digest(folder / name) for name in (RAW, HEX, TENSORS)},
                "tensors": entries,
            }
            text = json.dumps(manifest, indent=2, ensure_ascii=False)
            (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise DestinationError(f"cannot write {out}: {error.strerror or error}") from None
    return manifest


def hex_lines(data: Bytes) -> list[str]:
    """Return the lines of `$readmemh`, a word each, its first byte at the right."""
    words = data.reshape(-1, ALIGNMENT)
    return [f"{word[::-1].tobytes().hex()}\n" for word in words]


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _entry(matrix: Matrix, address: int, hw: HardwareConfig) -> tuple[dict[str, Any], Bytes]:
    rows, cols = matrix.codes.shape
    layout = Layout.of(rows, cols, mx=matrix.mx, hw=hw, where=matrix.name)
    data = layout.laid_out(matrix.codes, matrix.scales)
    entry = {
        "name": matrix.name,
        "kind": matrix.kind,
        "format": format_fields(matrix),
        "shape": list(matrix.shape),
        "axis": matrix.axis,
        "rows": rows,
        "cols": cols,
        "padded_rows": layout.rows,
        "padded_cols": layout.cols,
        "address": address,
        "element_bytes": layout.element_bytes,
        "row_bytes": layout.row_blocks * layout.block_bytes,
        "scale_offset": layout.scale_offset,
        "scale_bytes": layout.scale_bytes,
        "sha256": hashlib.sha256(data.tobytes()).hexdigest(),
    }
    return entry, data


def format_fields(matrix: Matrix) -> dict[str, Any]:
    """Return what a reader needs of a format, and its number as an RTL parameter."""
    mx = matrix.mx
    element = {
        key: getattr(value, "value", value)
        for key, value in asdict(mx.element).items()
        if key != "name"
    }
    return {
        "name": mx.name,
        "block_size": mx.block_size,
        "scale_bits": mx.scale_bits,
        "scale_rule": getattr(mx.scale_rule, "value", mx.scale_rule),
        "element_bits": mx.element.width_bits,
        "element": element,
        **({} if str(getattr(mx.rounding, "value", "")) == "stochastic" else {"sv": sv_mx(mx)}),
    }
