"""The cocotb bench is green for every block: stalls, reset in mid-stream, counts and latency."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from plena_cosim.sim.bench.runner import run_bench
from plena_cosim.sim.cases.table import Case, select_cases
from plena_cosim.sim.regression.report import Figures, record_figures

SCENARIOS = ("unstalled", "input_gaps", "output_stalls", "gaps_and_stalls", "reset_in_midstream")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test id a simulation."""
    if "case" in metafunc.fixturenames:
        option = metafunc.config.getoption
        cases = select_cases(option("sim_block", None), option("sim_fmt", None))
        metafunc.parametrize("case", [pytest.param(c, id=c.id) for c in cases if c.bench])


def test_bench_is_green(
    case: Case,
    sim_seed: int,
    sim_rtl: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """All five scenarios in one simulation."""
    outcome = run_bench(case, seed=sim_seed, rtl_dir=sim_rtl)
    assert outcome.scenarios == SCENARIOS
    record_figures(
        record_property,
        Figures(
            block=case.op.name,
            fmt=case.fmt_text,
            run="cocotb",
            vectors=outcome.vectors,
            mismatches=0,
            cycles_per_second=0.0,
        ),
    )
