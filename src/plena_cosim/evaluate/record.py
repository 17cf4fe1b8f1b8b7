"""What was run: the record beside every result."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from plena_cosim.ground.record import environment
from plena_cosim.passes import ModuleInfo
from plena_cosim.passes.modules.hadamard import rotation_path
from plena_cosim.sources.written import written

_PACKAGES = ("plena-cosim", "torch", "transformers", "numpy")
_BUTTERFLIES = "golden's butterflies"


def describe_run(*, seed: int, config_sha256: str | None) -> dict[str, Any]:
    """Return commit, versions, config hash, seed, command, threads and time."""
    return {
        **environment(_PACKAGES),
        "config_sha256": config_sha256,
        "seed": seed,
        "threads": torch.get_num_threads(),
    }


def rotation_of(model: nn.Module, info: Mapping[str, ModuleInfo], numerics: str) -> str | None:
    """Say what computes the online rotations of a quantised model.

    Args:
        model: where it runs.
        info: what became of its modules.
        numerics: "fake" or "exact".

    Returns:
        A few words for a record; None where nothing is rotated online.
    """
    if not any(entry.rotation or entry.rotated_inside for entry in info.values()):
        return None
    if numerics == "exact":
        return _BUTTERFLIES
    return rotation_path(next(model.parameters()).device)


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Write a record whole or not at all; an infinite number becomes the string "inf"."""
    with written(path) as scratch:
        text = json.dumps(plain(record), indent=2, allow_nan=False) + "\n"
        scratch.write_text(text, encoding="utf-8")


def plain(value: Any) -> Any:
    """Return a value fit for JSON in UTF-8.

    Keys are texts, infinite floats and NaN are words; half a surrogate pair, which a model may
    write as an escape, is its escape.
    """
    if isinstance(value, dict):
        return {plain(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return value
