"""Every block in every format of the regression equals golden in every bit, also when stalled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from plena_cosim.sim.cases.compare import MismatchError, Outcome, compare_case
from plena_cosim.sim.cases.table import Case, select_cases
from plena_cosim.sim.coverage.collect import Coverage
from plena_cosim.sim.coverage.report import FOLDER
from plena_cosim.sim.player.player import Stalls
from plena_cosim.sim.regression.replay import write_waveform
from plena_cosim.sim.regression.report import Figures, record_figures

STALLED_BUDGET = 2048
STALL_PATTERNS = {
    "gaps": Stalls(gaps=True),
    "stalls": Stalls(stalls=True),
    "both": Stalls(gaps=True, stalls=True),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test id a simulation."""
    if "case" in metafunc.fixturenames:
        option = metafunc.config.getoption
        cases = select_cases(option("sim_block", None), option("sim_fmt", None))
        metafunc.parametrize("case", [pytest.param(case, id=case.id) for case in cases])


def _judge(
    case: Case,
    outcome: Outcome,
    *,
    run: str,
    rtl_dir: Path,
    results: Path,
    record_property: Callable[[str, object], None],
) -> None:
    record_figures(
        record_property,
        Figures(
            block=case.op.name,
            fmt=case.fmt_text,
            run=run,
            vectors=outcome.vectors,
            mismatches=outcome.mismatches,
            cycles_per_second=outcome.cycles_per_second,
        ),
    )
    if outcome.first is None:
        return
    outcome.first.save(results)
    write_waveform(outcome.first, results, rtl_dir=rtl_dir)
    raise MismatchError(
        f"{outcome.first.line()}; replay: make replay ID={outcome.first.id} "
        f"({outcome.mismatches:,} of {outcome.vectors:,} vectors differ)"
    )


def test_equals_golden(
    case: Case,
    sim_seed: int,
    sim_rtl: Path,
    sim_results: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """Unstalled, one result a cycle, with every stimulus; what was seen counts as coverage."""
    coverage = Coverage(case=case, whole=True)
    outcome = compare_case(case, seed=sim_seed, rtl_dir=sim_rtl, seen=coverage.add)
    coverage.save(sim_results / FOLDER, seed=sim_seed)
    run = case.id.rpartition("-")[2]
    _judge(
        case,
        outcome,
        run=run,
        rtl_dir=sim_rtl,
        results=sim_results,
        record_property=record_property,
    )


@pytest.mark.parametrize("pattern", STALL_PATTERNS)
def test_equals_golden_when_stalled(
    case: Case,
    pattern: str,
    sim_seed: int,
    sim_rtl: Path,
    sim_results: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """With gaps, stalls and both; the player checks the protocol on the way."""
    chosen = STALL_PATTERNS[pattern]
    stalls = Stalls(gaps=chosen.gaps, stalls=chosen.stalls, seed=sim_seed)
    limit = STALLED_BUDGET // case.weight
    outcome = compare_case(case, seed=sim_seed, rtl_dir=sim_rtl, stalls=stalls, limit=limit)
    _judge(
        case,
        outcome,
        run=pattern,
        rtl_dir=sim_rtl,
        results=sim_results,
        record_property=record_property,
    )
