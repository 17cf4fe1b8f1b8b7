"""What one bench run drives and expects, in a file that the simulator's process reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the simulator's process reads plans: it need not wait for NumPy
    from ..player.harness import CodeArray, Lanes

PLAN_VARIABLE = "PLENA_BENCH_PLAN"
"""Environment variable that tells the simulator's Python where the plan is."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Beats and results as the integers on the ports, by SystemVerilog port name."""

    label: str
    seed: int
    inputs: tuple[dict[str, int], ...]
    results: tuple[dict[str, int], ...]
    result_beats: tuple[int, ...]
    """For each result the index of its beat."""

    def write(self, path: Path) -> None:
        """Write the plan as JSON."""
        path.write_text(json.dumps(vars(self)), encoding="utf-8")

    @staticmethod
    def read(path: Path) -> Plan:
        """Read a plan that `write` wrote."""
        record = json.loads(path.read_text(encoding="utf-8"))
        return Plan(
            label=record["label"],
            seed=record["seed"],
            inputs=tuple(record["inputs"]),
            results=tuple(record["results"]),
            result_beats=tuple(record["result_beats"]),
        )


def pack_beats(
    ports: Sequence[Lanes], arrays: Mapping[str, CodeArray]
) -> tuple[dict[str, int], ...]:
    """Return one dict a beat: SystemVerilog port -> its lanes as one integer, lane 0 lowest."""
    packed = {port.sv_name: [_pack(port, row) for row in arrays[port.name]] for port in ports}
    count = len(next(iter(packed.values())))
    return tuple({name: words[beat] for name, words in packed.items()} for beat in range(count))


def _pack(port: Lanes, row: CodeArray) -> int:
    codes = row.tolist() if port.is_array else [int(row)]
    return sum(code << (lane * port.width_bits) for lane, code in enumerate(codes))
