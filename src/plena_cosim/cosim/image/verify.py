"""Reads the folder of an image back and compares it, byte by byte."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from plena_cosim.golden import HardwareConfig, get_format
from plena_cosim.ground.errors import PlenaError

from .layout import ALIGNMENT, Bytes, Layout
from .matrix import Matrix
from .write import HEX, MANIFEST, RAW, TENSORS, VERSION


class ImageError(PlenaError, AssertionError):
    """The files of a memory image are not whole, or differ from each other or from the model."""


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of an image; ImageError where there is none that this release reads."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        version = manifest["version"]
    except OSError as error:
        raise ImageError(f"no image in {folder}: {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise ImageError(f"{path} is no manifest of an image; write the image again") from None
    if version != VERSION:
        raise ImageError(f"{path} has version {version!r}, this release reads {VERSION}")
    return dict(manifest)


def verify_image(folder: Path, matrices: Iterable[Matrix] | None = None) -> dict[str, Any]:
    """Compare the three files with each other, with their checksums, and with a model's codes.

    Args:
        folder: of the image.
        matrices: what the model holds now; None: only checksums are compared.

    Returns:
        The manifest.

    Raises:
        ImageError: the first thing that differs: file, tensor, row, block and byte.
    """
    manifest = read_manifest(folder)
    entries = {entry["name"]: entry for entry in manifest["tensors"]}
    images = _images(folder, manifest)
    raw, hexes, tensors = images[RAW], images[HEX], images[TENSORS]
    for entry in entries.values():
        start = entry["address"]
        stop = start + entry["scale_offset"] + entry["scale_bytes"]
        parts = {RAW: raw[start:stop], HEX: hexes[start:stop], TENSORS: tensors[start:stop]}
        whole = [name for name, part in parts.items() if _digest(part) == entry["sha256"]]
        for name, part in parts.items():
            if name in whole:
                continue
            if not whole:
                raise ImageError(
                    f"{folder / name}: {entry['name']} has another checksum than the manifest, as "
                    "in the other files; write the image again"
                )
            raise ImageError(_difference(folder / name, entry, part, parts[whole[0]], whole[0]))
    if not np.array_equal(raw, hexes):
        at = int(np.flatnonzero(raw != hexes)[0])
        raise ImageError(f"{folder}: {RAW} and {HEX} differ at address {at:#x}, past a tensor")
    if matrices is not None:
        hw = HardwareConfig.from_tables(manifest["machine"], source=str(folder / MANIFEST))
        _against_model(folder, entries, raw, matrices, hw)
    return manifest


def _against_model(
    folder: Path,
    entries: dict[str, dict[str, Any]],
    raw: Bytes,
    matrices: Iterable[Matrix],
    hw: HardwareConfig,
) -> None:
    missing = set(entries)
    for matrix in matrices:
        entry = entries.get(matrix.name)
        if entry is None:
            raise ImageError(f"{folder}: the model has {matrix.name}, the image has not")
        missing.discard(matrix.name)
        if list(matrix.shape) != entry["shape"] or matrix.mx.name != entry["format"]["name"]:
            raise ImageError(
                f"{folder}: {matrix.name} is {matrix.mx.name} {list(matrix.shape)} in the model, "
                f"{entry['format']['name']} {entry['shape']} in the image"
            )
        layout = Layout.of(*matrix.codes.shape, mx=matrix.mx, hw=hw, where=matrix.name)
        expected = layout.laid_out(matrix.codes, matrix.scales)
        found = raw[entry["address"] : entry["address"] + expected.size]
        if not np.array_equal(found, expected):
            raise ImageError(_difference(folder / RAW, entry, found, expected, "the model"))
    if missing:
        raise ImageError(f"{folder}: the image has {min(missing)}, the model has not")


def _images(folder: Path, manifest: dict[str, Any]) -> dict[str, Bytes]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    size = manifest["bytes"]
    try:
        raw = np.fromfile(folder / RAW, np.uint8)
        text = (folder / HEX).read_bytes().split()
        lines = [np.frombuffer(bytes.fromhex(line.decode()), np.uint8)[::-1] for line in text]
        parts = load_file(folder / TENSORS)
    except OSError as error:
        raise ImageError(f"{folder}: {error}") from None
    except SafetensorError as error:
        raise ImageError(f"{folder / TENSORS} is no whole safetensors file: {error}") from None
    except ValueError as error:
        raise ImageError(f"{folder / HEX} is not hex: {error}") from None
    if any(line.size != ALIGNMENT for line in lines):
        raise ImageError(f"{folder / HEX}: a line has not {ALIGNMENT} bytes")
    hexes = np.concatenate(lines) if lines else np.zeros(0, np.uint8)
    tensors = np.zeros(size, np.uint8)
    for entry in manifest["tensors"]:
        places = (
            ("elements", 0, "element_bytes"),
            ("scales", entry["scale_offset"], "scale_bytes"),
        )
        for part, offset, length in places:
            name = f"{entry['name']}.{part}"
            if name not in parts or parts[name].size != entry[length]:
                raise ImageError(f"{folder / TENSORS}: {name} is missing or of another size")
            start = entry["address"] + offset
            tensors[start : start + entry[length]] = parts[name]
    for name, data in ((RAW, raw), (HEX, hexes)):
        if data.size != size:
            raise ImageError(f"{folder / name} has {data.size} bytes, the manifest says {size}")
    return {RAW: raw, HEX: hexes, TENSORS: tensors}


def _difference(path: Path, entry: dict[str, Any], found: Bytes, right: Bytes, whose: str) -> str:
    at = int(np.flatnonzero(found != right)[0])
    given = entry["format"]
    mx = get_format(given["name"], block_size=given["block_size"])
    layout = Layout(rows=entry["padded_rows"], cols=entry["padded_cols"], mx=mx)
    row, block, part = layout.block_of(at)
    return (
        f"{path}: {entry['name']} row {row} block {block} ({part}, address "
        f"{entry['address'] + at:#x}): {int(found[at]):#04x}, {whose} has {int(right[at]):#04x}"
    )


def _digest(data: Bytes) -> str:
    return hashlib.sha256(data.tobytes()).hexdigest()
