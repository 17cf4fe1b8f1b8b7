"""What was run: the record beside every result."""

from __future__ import annotations

import importlib.metadata
import json
import math
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from plena_cosim.sources.cache import whole

_PACKAGES = ("plena-cosim", "torch", "transformers", "numpy")


def describe_run(*, seed: int, config_sha256: str | None) -> dict[str, Any]:
    """Return commit, versions, config hash, seed, command, threads and time."""
    return {
        "commit": commit(),
        "versions": {"python": platform.python_version()} | _versions(),
        "config_sha256": config_sha256,
        "seed": seed,
        "command": sys.argv,
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def commit() -> str | None:
    """Return the checkout's commit, with "-dirty" where files differ; None outside a checkout."""
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return done.stdout.strip() or None


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Write a record whole or not at all; an infinite number becomes the string "inf"."""
    text = json.dumps(_plain(record), indent=2, allow_nan=False) + "\n"
    fresh = path.with_name(f".{path.name}.new")  # beside it: an old record stays until then
    fresh.unlink(missing_ok=True)
    with whole(fresh) as scratch:
        scratch.write_text(text, encoding="utf-8")
    fresh.replace(path)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found
