"""Beats of a real model's first layer (tiles/, by `plena cosim capture`) give golden's results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plena_cosim.cosim.difference import find_block, load
from plena_cosim.cosim.machine_blocks import BlockRun
from plena_cosim.golden.ops.registry import get_op
from plena_cosim.sim.bench.runner import run_bench_on
from plena_cosim.sim.cases.compare import MismatchError
from plena_cosim.sim.cases.table import select_cases
from plena_cosim.sim.player.player import Stalls, load_block
from plena_cosim.sim.regression.report import Figures, record_figures
from plena_cosim.sim.verilate.model import SHORT

from .test_bench import SCENARIOS

TILES = sorted((Path(__file__).parent / "tiles").glob("*.npz"))


def _chosen(path: Path, block: str | None, fmt: str | None) -> bool:
    wanted = load(path).wanted
    if block is not None and wanted.name not in {case.op.name for case in select_cases(block)}:
        return False
    return fmt is None or fmt in {getattr(given, "name", None) for _, given in wanted.arguments}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test id a file of tiles."""
    option = metafunc.config.getoption
    block, fmt = option("sim_block", None), option("sim_fmt", None)
    chosen = [path for path in TILES if _chosen(path, block, fmt)]
    metafunc.parametrize("tiles", [pytest.param(path, id=path.stem) for path in chosen])


def _record(
    record_property: Callable[[str, object], None], run: BlockRun, kind: str, vectors: int
) -> None:
    record_figures(
        record_property,
        Figures(
            block=run.wanted.name,
            fmt=run.wanted.label.partition("[")[2].rstrip("]"),
            run=kind,
            vectors=vectors,
            mismatches=0,
            cycles_per_second=0.0,
        ),
    )


def test_tiles_equal_golden(
    tiles: Path, sim_seed: int, sim_rtl: Path, record_property: Callable[[str, object], None]
) -> None:
    """With every beat at once, and with gaps and stalls."""
    given = load(tiles)
    arguments: dict[str, Any] = dict(given.wanted.arguments)
    block = load_block(given.wanted.name, rtl_dir=sim_rtl, flavour=SHORT, **arguments)
    for stalls in (Stalls(), Stalls(gaps=True, stalls=True, seed=sim_seed)):
        outputs = block.play(given.inputs, stalls=stalls).outputs
        found = find_block([BlockRun(wanted=given.wanted, inputs=given.inputs, outputs=outputs)])
        if found is not None:
            raise MismatchError(f"{found.line()}; replay: plena cosim replay {tiles}")
    beats = len(next(iter(given.inputs.values())))
    _record(record_property, given, "tiles", 2 * beats)


def test_the_bench_is_green_on_tiles(
    tiles: Path, sim_seed: int, sim_rtl: Path, record_property: Callable[[str, object], None]
) -> None:
    """Under cocotb, in all five scenarios."""
    given = load(tiles)
    arguments: dict[str, Any] = dict(given.wanted.arguments)
    op = get_op(given.wanted.name)
    outcome = run_bench_on(
        op,
        arguments,
        op.sv_parameters(**arguments),
        given.inputs,
        op.run_golden(given.inputs, **arguments),
        seed=sim_seed,
        label=tiles.stem,
        rtl_dir=sim_rtl,
    )
    assert outcome.scenarios == SCENARIOS
    _record(record_property, given, "tiles, cocotb", outcome.vectors)
