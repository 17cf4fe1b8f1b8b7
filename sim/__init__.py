"""Run the RTL: Verilator builds, the vector player, the cocotb bench, the regression."""

from __future__ import annotations

from .cache import BuildError
from .player import Block, ProtocolError, Stalls, load_block
from .toolchain import Toolchain, ToolchainError, find_toolchain

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
