"""Run the RTL: Verilator builds, the vector player, the cocotb bench, the regression."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .player.player import Block, ProtocolError, Stalls, load_block
    from .verilate.cache import BuildError
    from .verilate.toolchain import Toolchain, ToolchainError, find_toolchain

__all__ = [
    "Block",
    "BuildError",
    "ProtocolError",
    "Stalls",
    "Toolchain",
    "ToolchainError",
    "find_toolchain",
    "load_block",
]

_HOMES = {
    "verilate.cache": ("BuildError",),
    "player.player": ("Block", "ProtocolError", "Stalls", "load_block"),
    "verilate.toolchain": ("Toolchain", "ToolchainError", "find_toolchain"),
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: a bench's own process needs none."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f".{home}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
