"""Blocks with more registers give the same bits, as many cycles later."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plena_cosim.sim.bench.runner import run_bench_on
from plena_cosim.sim.cases.compare import MismatchError, compare
from plena_cosim.sim.cases.table import find_case, select_cases
from plena_cosim.sim.player.player import Stalls, load_op
from plena_cosim.sim.regression.report import Figures, record_figures
from plena_cosim.sim.stimuli.stimuli import sample, stimuli
from plena_cosim.sim.verilate.model import SHORT

from .test_bench import SCENARIOS

LATENCY_OF_TWO = {
    **{f"{name}-e4m3-all": 2 for name in ("fp_add", "fp_sub", "fp_mul")},
    **{f"{name}-bf16-corners+random": 2 for name in ("fp_add", "fp_sub", "fp_mul")},
    # Lanes a path, and 7: of these, 3 lanes are the fewest.
    "mx_tile-mxint8.b4-mxint4.b4-fp32-bf16-rows2-cols3-slices": 3 + 7,
    "mx_tile-mxfp8_e4m3.b8-mxfp8_e4m3.b8-q16.16-bf16-rows3-cols3-slices": 6 + 7,
    # Depth, and as a tile.
    "mx_mm-mxint8.b4-mxint4.b4-fp32-bf16-rows2-cols3-depth8-slices": 8 + 3 + 7,
    "mx_mv-mxfp4_e2m1.b4-mxfp4_e2m1.b4-bf16-e6m5-cols3-depth12-slices": 12 + 3 + 7,
    "mx_bmm-mxint8.b4-mxint4.b4-fp32-bf16-heads2-rows2-cols3-depth8-slices": 8 + 3 + 7,
}
"""Cycles of each case of the table with two stages."""
BEATS = 4096


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every block that has the parameter Stages, if it is asked for."""
    option = metafunc.config.getoption
    asked = {case.id for case in select_cases(option("sim_block", None), option("sim_fmt", None))}
    metafunc.parametrize("case_id", [each for each in LATENCY_OF_TWO if each in asked])


@pytest.mark.parametrize("stages", [2])
def test_a_register_more_changes_no_bit(
    case_id: str,
    stages: int,
    sim_seed: int,
    sim_rtl: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """Every pair of e4m3 codes, with and without stalls; the bench in all its scenarios."""
    case = find_case(case_id)
    op, formats = case.op, case.formats
    parameters: dict[str, Any] = op.sv_parameters(**formats) | {"Stages": stages}
    block = load_op(op, formats, parameters, flavour=SHORT, rtl_dir=sim_rtl)
    assert block.latency == LATENCY_OF_TWO[case_id]
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
            block=op.name,
            fmt=case.fmt_text,
            run=f"{stages} stages",
            vectors=vectors + benched.vectors,
            mismatches=0,
            cycles_per_second=0.0,
        ),
    )
