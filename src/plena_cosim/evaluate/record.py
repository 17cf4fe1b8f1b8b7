"""What was run: the record beside every result."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch

from plena_cosim.ground.record import environment
from plena_cosim.sources.written import written

_PACKAGES = ("plena-cosim", "torch", "transformers", "numpy")


def describe_run(*, seed: int, config_sha256: str | None) -> dict[str, Any]:
    """Return commit, versions, config hash, seed, command, threads and time."""
    return {
        **environment(_PACKAGES),
        "config_sha256": config_sha256,
        "seed": seed,
        "threads": torch.get_num_threads(),
    }


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Write a record whole or not at all; an infinite number becomes the string "inf"."""
    with written(path) as scratch:
        text = json.dumps(_plain(record), indent=2, allow_nan=False) + "\n"
        scratch.write_text(text, encoding="utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
