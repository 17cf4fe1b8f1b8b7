"""Blocks with one more register give the same bits, one cycle later."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plena_cosim.golden import get_format
from plena_cosim.golden.ops.registry import get_op
from plena_cosim.sim.bench.runner import run_bench_on
from plena_cosim.sim.cases.compare import MismatchError, compare
from plena_cosim.sim.cases.table import Case
from plena_cosim.sim.player.player import Stalls, load_op
from plena_cosim.sim.regression.report import Figures, record_figures
from plena_cosim.sim.stimuli.stimuli import sample, stimuli
from plena_cosim.sim.verilate.model import SHORT

from .test_bench import SCENARIOS

BLOCKS = ("fp_add", "fp_sub", "fp_mul")
BEATS = 4096


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every block that has the parameter Stages, if it is asked for."""
    option = metafunc.config.getoption
    block, fmt = option("sim_block", None), option("sim_fmt", None)
    rows = [
        (name, each)
        for name in BLOCKS
        for each in ("e4m3", "bf16")
        if block in (None, name) and fmt in (None, each)
    ]
    metafunc.parametrize(("name", "fmt"), rows, ids=[f"{name}-{each}" for name, each in rows])


@pytest.mark.parametrize("stages", [2])
def test_a_register_more_changes_no_bit(
    name: str,
    fmt: str,
    stages: int,
    sim_seed: int,
    sim_rtl: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """Every pair of e4m3 codes, with and without stalls; the bench in all its scenarios."""
    op, formats = get_op(name), {"fmt": get_format(fmt)}
    case = Case(op=op, formats=formats)
    parameters: dict[str, Any] = op.sv_parameters(**formats) | {"Stages": stages}
    block = load_op(op, formats, parameters, flavour=SHORT, rtl_dir=sim_rtl)
    assert block.latency == stages
    vectors = 0
    for stalls in (Stalls(), Stalls(gaps=True, stalls=True, seed=sim_seed)):
        beats = stimuli(op, formats, seed=sim_seed, budget=BEATS)
        outcome = compare(case, block, beats, seed=sim_seed, stalls=stalls)
        if outcome.first is not None:
            raise MismatchError(f"{stages} stages: {outcome.first.line()}")
        vectors += outcome.vectors
    given = sample(op, formats, seed=sim_seed, count=256)
    golden = op.run_golden(given, **formats)
    benched = run_bench_on(
        op, formats, parameters, given, golden, seed=sim_seed, label=case.id, rtl_dir=sim_rtl
    )
    assert benched.scenarios == SCENARIOS
    record_figures(
        record_property,
        Figures(
            block=name,
            fmt=fmt,
            run=f"{stages} stages",
            vectors=vectors + benched.vectors,
            mismatches=0,
            cycles_per_second=0.0,
        ),
    )
