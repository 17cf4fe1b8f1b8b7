"""Which blocks of the RTL a change touches, and the simulations of them that cost least."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from plena_cosim.golden.ops.registry import OPS
from plena_cosim.sim.cases.table import Case, all_cases
from plena_cosim.sim.verilate.rtl_files import RTL_DIR, needed_sources

_WORD = re.compile(r"\bplena_\w+")
ROUNDS = ("test_equals_golden[{}]", "test_equals_golden_when_stalled[{}-both]")


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """One test of the regression.

    Attributes:
        target: its pytest node id.
        block: the op.
        turn: 0 for the cheapest case of a block, 1 for its bench, 2 … for further formats.
    """

    target: str
    block: str
    turn: int


def touched_by_rtl(files: Iterable[str], rtl_dir: Path = RTL_DIR) -> dict[str, int]:
    """Return how many files lie between each block that needs a changed one and it.

    Args:
        files: names of changed .sv files without folder, e.g. plena_fp_add_core.sv.
        rtl_dir: where the RTL is.
    """
    changed = {Path(file).stem for file in files}
    uses = {
        path.stem: set(_WORD.findall(path.read_text(encoding="utf-8"))) - {path.stem}
        for path in rtl_dir.rglob("plena_*.sv")
    }
    found: dict[str, int] = {}
    for name, op in OPS.items():
        needed = {path.stem for path in needed_sources(op.module, rtl_dir)}
        if not changed & needed:
            continue
        front, steps, seen = {op.module}, 0, {op.module}
        while not changed & front:
            front = {used for module in front for used in uses[module]} & needed - seen
            seen |= front
            steps += 1
            if not front:  # it is named in a way that this search does not follow
                break
        found[name] = steps
    return found


def touched_by_golden(distances: Mapping[str, int]) -> dict[str, int]:
    """Return the blocks whose own definition has changed; their gates are one step from it."""
    return {name: 1 for name, op in OPS.items() if distances.get(op.golden.__module__) == 0}


def first_blocks(count: int) -> list[str]:
    """Return the first blocks of the registry, which are cheap."""
    return list(OPS)[:count]


def simulations(block: str) -> list[Simulation]:
    """Return the simulations of a block, the cheapest first, and its bench after that."""
    cases = sorted((case for case in _all_cases() if case.op.name == block), key=_cost)
    found = []
    for turn, case in enumerate(cases):
        later = 0 if turn == 0 else turn + 1
        for template in ROUNDS:
            test = template.format(case.id)
            found.append(_simulation(f"test_vectors.py::{test}", block, later))
    bench = next((case for case in cases if case.bench), None)
    if bench is not None:
        found.append(_simulation(f"test_bench.py::test_bench_is_green[{bench.id}]", block, 1))
    return sorted(found, key=lambda simulation: simulation.turn)


@cache
def _all_cases() -> tuple[Case, ...]:
    return tuple(all_cases())


def _simulation(test: str, block: str, turn: int) -> Simulation:
    return Simulation(target=f"tests/regression/{test}", block=block, turn=turn)


def _cost(case: Case) -> tuple[int, int]:
    """Order cases by sizes (which cost build time), then beats."""
    lanes = 1
    for given in case.formats.values():
        lanes *= given if isinstance(given, int) else getattr(given, "block_size", 1)
    return lanes, case.beats
