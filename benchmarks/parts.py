"""Every part of the suite, in the order in which it runs and is shown."""

from __future__ import annotations

import importlib

from .part import Part

NAMES = (
    "quantize",
    "matmul",
    "ops",
    "hadamard",
    "gptq",
    "forward",
    "decode",
    "player",
    "matrix_unit",
    "programs",
    "imports",
    "memory",
    "growth",
)


def load(name: str) -> Part:
    """Return a part; its module, which imports much, is imported only now."""
    part: Part = importlib.import_module(f".{name}", __package__).PART
    return part
