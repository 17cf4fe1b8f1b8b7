"""Cases that take minutes to build are in the long run alone, and it goes red for a fault."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from plena_cosim.sim.cases.table import all_cases, find_case, large_cases
from plena_cosim.sim.formal.proofs import WRONG_TIE
from plena_cosim.sim.regression import large
from plena_cosim.sim.verilate.rtl_files import RTL_DIR


def test_large_cases_are_found_and_not_in_the_regression() -> None:
    cases = large_cases()
    assert [case.formats["block"] for case in cases] == [36, 40, 60, 92, 92]
    assert cases[-1].id == "hadamard-e3m2-lanes92-block92-inverse-vectors"
    assert find_case(cases[-1].id).modes == {"inverse": True}
    assert not {case.id for case in cases} & {case.id for case in all_cases()}
    assert large_cases("hadamard") == cases
    assert large_cases("fp_add") == []


@pytest.mark.parametrize("wrong", [False, True])
def test_a_case_is_played_with_and_without_stalls(tmp_path: Path, wrong: bool) -> None:
    rtl_dir = WRONG_TIE.write(tmp_path) if wrong else RTL_DIR
    console = Console(record=True, width=300, file=(tmp_path / "said").open("w"))
    cases = [find_case("fp_add-e2m1-all")]
    status = large.run(cases, failures=tmp_path / "bad", console=console, rtl_dir=rtl_dir)
    said = console.export_text()
    assert status == wrong
    assert "fp_add-e2m1-all: built in" in said
    assert "2,304 vectors" in said  # all 256 pairs, and 2,048 beats with stalls
    assert ("replay: make replay ID=fp_add-e2m1-all" in said) == wrong
    assert (tmp_path / "bad").is_dir() == wrong
