"""The C++ that drives a block from arrays: one fixed file, and a header with the block's ports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from plena_cosim.golden.ops.registry import Op, Port

CodeArray = npt.NDArray[Any]

PLAYER_CPP = Path(__file__).resolve().parent / "player.cpp"


@dataclass(frozen=True, kw_only=True)
class SizedPort:
    """One data port in numbers: `lanes` codes of `width_bits` bits."""

    name: str
    """As in the registry and in Python; the SystemVerilog port is `sv_name`."""
    sv_name: str
    lanes: int
    width_bits: int
    is_array: bool
    """Whether arrays for this port have shape (n, lanes) instead of (n,)."""

    @property
    def dtype(self) -> npt.DTypeLike:
        """The smallest unsigned dtype that holds a code."""
        sizes = ((8, np.uint8), (16, np.uint16), (32, np.uint32), (64, np.uint64))
        return next(dtype for bits, dtype in sizes if self.width_bits <= bits)

    @property
    def total_bits(self) -> int:
        """Width of the whole port."""
        return self.lanes * self.width_bits

    def shape(self, count: int) -> tuple[int, ...]:
        """Shape of an array with `count` beats."""
        return (count, self.lanes) if self.is_array else (count,)


def input_ports(op: Op, formats: Mapping[str, Any]) -> tuple[SizedPort, ...]:
    """Return the op's input ports for these formats, in the registry's order."""
    return tuple(_sized(port, formats, "_i") for port in op.inputs)


def output_ports(op: Op, formats: Mapping[str, Any]) -> tuple[SizedPort, ...]:
    """Return the op's output ports for these formats, in the registry's order."""
    return tuple(_sized(port, formats, "_o") for port in op.outputs)


def _sized(port: Port, formats: Mapping[str, Any], suffix: str) -> SizedPort:
    return SizedPort(
        name=port.name,
        sv_name=port.name + suffix,
        lanes=port.lanes(formats),
        width_bits=port.width_bits(formats),
        is_array=port.is_array(),
    )


def player_files(
    module: str, inputs: tuple[SizedPort, ...], outputs: tuple[SizedPort, ...]
) -> dict[str, str]:
    """Return the C++ files of the player for one block, name -> text.

    Args:
        module: the RTL module.
        inputs: its input ports with their sizes.
        outputs: its output ports with their sizes.
    """
    header = "\n".join(
        [
            f'#define PLENA_MODULE "{module}"',
            _macro("PLENA_INPUTS", inputs),
            _macro("PLENA_OUTPUTS", outputs),
            "",
        ]
    )
    player = PLAYER_CPP.read_text(encoding="utf-8")
    exports = "{ global: plena_*; local: *; };\n"
    return {"ports.h": header, "player.cpp": player, "exports.map": exports}


def _macro(name: str, ports: tuple[SizedPort, ...]) -> str:
    rows = [
        f"X({index}, {port.sv_name}, {port.lanes}, {port.width_bits}, {np.dtype(port.dtype)}_t)"
        for index, port in enumerate(ports)
    ]
    return f"#define {name}(X) " + " ".join(rows)
