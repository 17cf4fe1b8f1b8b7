"""The regression goes red for every deliberate fault: each mutant of the RTL is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from plena_cosim.sim.cases.compare import compare_case
from plena_cosim.sim.cases.table import find_case, select_cases
from plena_cosim.sim.player.player import UNSTALLED, ProtocolError, Stalls
from plena_cosim.sim.regression.report import MUTANT, Figures, record_figures

from .mutants import MUTANTS, Mutant

STALLED = Stalls(gaps=True, stalls=True)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test id a mutant; those of the selected blocks only."""
    if "mutant" not in metafunc.fixturenames:
        return
    option = metafunc.config.getoption
    chosen = select_cases(option("sim_block", None), option("sim_fmt", None))
    ids = {case.id for case in chosen}
    metafunc.parametrize("mutant", [pytest.param(m, id=m.name) for m in MUTANTS if m.case in ids])


def test_mutant_is_killed(
    mutant: Mutant,
    tmp_path: Path,
    sim_seed: int,
    record_property: Callable[[str, object], None],
) -> None:
    """The case's own comparison finds mismatches, or the player a broken protocol."""
    case = find_case(mutant.case)
    stalls = STALLED if mutant.stalled else UNSTALLED
    limit = 4096 if mutant.stalled else None
    try:
        outcome = compare_case(
            case, seed=sim_seed, rtl_dir=mutant.fault.write(tmp_path), stalls=stalls, limit=limit
        )
        vectors, mismatches = outcome.vectors, outcome.mismatches
    except ProtocolError:
        vectors = mismatches = 1
    record_figures(
        record_property,
        Figures(
            block=case.op.name,
            fmt=case.fmt_text,
            run=MUTANT,
            vectors=vectors,
            mismatches=mismatches,
            cycles_per_second=0.0,
        ),
    )
    assert mismatches, f"the mutant '{mutant.name}' survived {vectors:,} vectors of {case.id}"
