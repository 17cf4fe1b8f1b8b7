"""Files that a long run leaves behind for the next one, trusted only where all in them is right.

A run's folder is called after its fingerprint, so that no run spoils what another has done.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from plena_cosim.golden import FormatError
from plena_cosim.ground.write_whole import remove_scratch, whole, write_whole

from .fingerprint import Fingerprint, digest


def begin_folder(root: Path, fingerprint: Fingerprint, *, table: str) -> tuple[Path, list[str]]:
    """Return the folder of a fingerprint, made where there is none, and what to say of it.

    Args:
        root: `checkpoint_dir`.
        fingerprint: of the run; written to `manifest.json`.
        table: of the recipe, for messages.

    Raises:
        FormatError: it cannot be written.
    """
    folder, notes = root / fingerprint.key[:16], list[str]()
    try:
        others = sorted(root.glob("*/manifest.json"), key=lambda path: path.stat().st_mtime)
        fresh = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        remove_scratch(folder)
        if fresh and others:
            notes.append(_changed(others[-1], fingerprint))
        text = json.dumps(dict(fingerprint.parts), indent=2, ensure_ascii=False)
        write_whole(folder / "manifest.json", text)
    except OSError as error:
        raise FormatError(
            f"[{table}] checkpoint_dir {str(root)!r} cannot be written: {error.strerror}; give "
            "another folder or leave the key away"
        ) from None
    return folder, notes


def require_folder(folder: Path, key: str) -> None:
    """Make a folder that a long run will write into, before it begins.

    Args:
        folder: to be made with those above it.
        key: of the recipe, for the message.

    Raises:
        FormatError: it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        reason = "" if os.access(folder, os.W_OK) else "it is read-only"
    except OSError as error:
        reason = str(error.strerror)
    if reason:
        raise FormatError(
            f"{key} {str(folder)!r} cannot be written: {reason}; give another folder or leave the "
            "key away"
        )


def read_tensors(
    path: Path, key: str, notes: list[str], again: str
) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Return the tensors of a file and what `write_tensors` was told besides.

    Args:
        path: of the file; it exists.
        key: of the run's fingerprint.
        notes: told why a file cannot be used; the result is None then.
        again: what happens in that case, for the note.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get("plena", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        notes.append(f"{again}: {path.name} is broken ({error})")
        return None
    if about.get("key") != key:
        notes.append(f"{again}: {path.name} belongs to another run")
        return None
    if about.get("sha256") != _digest(tensors):
        notes.append(f"{again}: {path.name} was damaged (its sha256 differs)")
        return None
    return tensors, about


def write_tensors(
    path: Path, key: str, tensors: Mapping[str, Tensor], about: Mapping[str, Any]
) -> None:
    """Write a file for `read_tensors`: the whole file, or none of it.

    Args:
        path: of the file.
        key: of the run's fingerprint.
        tensors: contiguous, on the CPU.
        about: what else to keep, fit for JSON.

    Raises:
        FormatError: it cannot be written.
    """
    metadata = json.dumps({"key": key, "sha256": _digest(tensors), **about})
    try:
        with whole(path) as scratch:
            save_file(dict(tensors), scratch, metadata={"plena": metadata})
    except (OSError, SafetensorError) as error:
        raise FormatError(f"cannot write checkpoint {path}: {error}") from None


def _digest(tensors: Mapping[str, Tensor]) -> str:
    found = hashlib.sha256()
    for name in sorted(tensors):
        found.update(f"{name} {digest(tensors[name])}\n".encode())
    return found.hexdigest()


def _changed(manifest: Path, fingerprint: Fingerprint) -> str:
    try:
        before = json.loads(manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return f"{manifest} is broken; nothing of that run is used"
    names = ", ".join(fingerprint.differences(before))
    return f"running anew: {names} differ from those of {manifest.parent}, which stays"
