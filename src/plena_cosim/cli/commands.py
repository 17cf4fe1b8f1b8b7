"""Commands whose module is imported when one of them is called, or when all are listed."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

from typer.main import get_group

MODULES = {
    "project": ("doctor", "formats", "ops", "rooms", "demo"),
    "rtl": (
        "sim",
        "sim-long",
        "replay",
        "prove",
        "mutate",
        "synth",
        "fpga",
        "waves",
        "coverage",
        "cores",
    ),
    "isa": ("asm", "disasm", "lint", "run", "build-program", "latency", "isa"),
    "programs": ("build-model",),
    "cosim": ("cosim",),
    "models": ("inspect", "quantize", "ladder", "families", "eval", "calib", "search"),
    "serve": ("serve",),
    "recipe": ("recipe",),
    "machine": ("machine",),
    "report": ("report",),
}
"""Modules of this package and the commands and groups of their `app`, in the order of the help."""


class Commands(Mapping[str, Any]):
    """Every command by its name: names are known at once, a command costs its own module."""

    def __init__(self) -> None:
        self._homes = {name: module for module, names in MODULES.items() for name in names}
        self._found: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        home = self._homes[name]
        if name not in self._found:
            app = importlib.import_module(f".{home}", __package__).app
            self._found.update(get_group(app).commands)
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._homes)

    def __len__(self) -> int:
        return len(self._homes)
