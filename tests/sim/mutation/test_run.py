"""The search for survivors, on a toy: verdicts, resuming, the list of equivalents."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from plena_cosim.golden import FormatError
from plena_cosim.sim.cases.compare import Outcome
from plena_cosim.sim.cases.table import Case, find_case
from plena_cosim.sim.mutation import run as mutate
from plena_cosim.sim.mutation.operators import mutants_of
from plena_cosim.sim.mutation.run import (
    CHEAP_CASES,
    FIRST_CASES,
    STAGED_CASES,
    Verdict,
    choose,
    read_equivalents,
)
from plena_cosim.sim.verilate.rtl_files import RTL_DIR

from ..toy import FORMATS, SOURCE, TOY, write_source

TOY_CASE = Case(op=TOY, formats=FORMATS)
FILE = "plena_toy.sv"
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the search on the toy, on mutants whose changed line contains one of some words."""
    rtl = write_source(tmp_path, SOURCE)
    monkeypatch.setattr(type(TOY), "sv_parameters", lambda self, **formats: {"W": 8, "Lanes": 2})

    def run(*words: str, listed: str = "") -> tuple[int, str]:
        equivalents = tmp_path / "equivalent.toml"
        equivalents.write_text(listed, encoding="utf-8")
        everything = mutate.generate([TOY_CASE], rtl)
        wanted = [m for m in everything if any(word in m.after for word in words)]
        monkeypatch.setattr(mutate, "generate", lambda cases, rtl_dir: wanted)
        console = Console(record=True, width=120, file=(tmp_path / "out").open("w"))
        status = mutate.run(
            count=None,
            console=console,
            results=tmp_path / "results",
            cases=[TOY_CASE],
            rtl_dir=rtl,
            equivalents=equivalents,
        )
        monkeypatch.undo()
        monkeypatch.setattr(type(TOY), "sv_parameters", lambda self, **f: {"W": 8, "Lanes": 2})
        return status, console.export_text()

    return run


def entry(old: str, new: str) -> str:
    """Return an entry of the list."""
    return f"[[mutant]]\nfile = '{FILE}'\nold = \"{old}\"\nnew = \"{new}\"\nreason = 'a test'\n"


def test_a_fault_that_shows_is_killed_and_recorded(toy: Run, tmp_path: Path) -> None:
    status, text = toy("a_i[lane] + b_i", "= valid_q || out_ready_i")
    assert status == 0, text
    record = json.loads((tmp_path / "results" / "mutants.json").read_text(encoding="utf-8"))
    assert {entry["verdict"] for entry in record["mutants"].values()} == {Verdict.KILLED.value}
    assert "SURVIVED" not in text


def test_what_does_not_build_is_rejected_not_killed(toy: Run, tmp_path: Path) -> None:
    status, text = toy("in_ready_o = !valid_q;")  # out_ready_i is used no more
    record = json.loads((tmp_path / "results" / "mutants.json").read_text(encoding="utf-8"))
    (found,) = record["mutants"].values()
    assert (status, found["verdict"]) == (0, Verdict.REJECTED.value), text
    assert "UNUSEDSIGNAL" in found["by"]


def test_what_no_case_finds_a_proof_may(tmp_path: Path) -> None:
    file = "common/plena_stream_reg.sv"
    original = (RTL_DIR / file).read_text(encoding="utf-8")
    (mutant,) = [
        mutant
        for mutant in mutants_of(original, file)
        if mutant.kind == "dropped assignment" and mutant.before == "valid_q <= 1'b0;"
    ]
    rtl = tmp_path / "rtl"
    shutil.copytree(RTL_DIR, rtl)
    (rtl / file).write_text(mutant.apply(original), encoding="utf-8")
    tried = mutate.try_mutant(mutant, [], rtl, tmp_path / "cache")
    assert tried.verdict is Verdict.KILLED
    assert tried.by.startswith("proof stream-reg: 1 bits: ")


def test_a_survivor_fails_unless_it_is_listed(toy: Run) -> None:
    # Nobody looks at the payload before the first result.
    status, text = toy("y_q <= '1;")
    assert status == 1
    assert f"SURVIVED {FILE}:" in text
    status, text = toy("y_q <= '1;", listed=entry("y_q <= '0;", "y_q <= '1;"))
    assert status == 0
    assert "1 tried before" in text


def test_a_listed_mutant_that_is_killed_is_stale(toy: Run) -> None:
    old = "for (int unsigned lane = 0; lane < Lanes; lane++) y_q[lane] <= a_i[lane] * b_i;"
    new = old.replace("*", "+")
    status, text = toy("a_i[lane] + b_i", listed=entry(old, new))
    assert status == 1
    assert "STALE: listed as equivalent, but killed by toy-" in text


def test_an_entry_that_means_no_mutant_is_stale(toy: Run) -> None:
    status, text = toy("a_i[lane] + b_i", listed=entry("no such line", "nor this"))
    assert status == 1
    assert f"STALE: no mutant is {FILE}: no such line  =>  nor this" in text


def test_other_rtl_is_tried_again(toy: Run, tmp_path: Path) -> None:
    toy("a_i[lane] + b_i")
    path = tmp_path / "rtl" / FILE
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert "0 tried before" in toy("a_i[lane] + b_i")[1]


def test_the_choice_is_spread_and_grows_without_changing() -> None:
    mutants = [m for file in ("a.sv", "b.sv") for m in mutants_of("assign y = a + b + c;", file)]
    assert {m.file for m in choose(mutants, 2, 0)} == {"a.sv", "b.sv"}
    assert choose(mutants, 3, 1) == choose(mutants, 5, 1)[:3]
    names = [f"{number:02}.sv" for number in range(40)]
    many = [m for file in names for m in mutants_of("assign y = a + b;", file)]
    assert len({m.file for m in choose(many, 40, 0)}) == 40
    few = {m.file for m in choose(many, 5, 0)}  # fewer than files: not the first ones
    assert len(few) == 5
    assert few != set(names[:5])
    assert few != {m.file for m in choose(many, 5, 1)}
    assert len(choose(mutants, 99, 0)) == len(mutants)


def test_an_entry_needs_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "list.toml"
    path.write_text("[[mutant]]\nfile = 'a'\nold = 'b'\nnew = 'c'\n", encoding="utf-8")
    with pytest.raises(FormatError, match="an entry needs file, new, old, reason"):
        read_equivalents(path)


def test_the_projects_list_has_no_stale_entry() -> None:
    mutants = mutate.generate(mutate.cheap_cases())
    for listed in read_equivalents():
        assert any(listed.is_of(mutant) for mutant in mutants), listed


@pytest.mark.parametrize("name", [*CHEAP_CASES, *FIRST_CASES])
def test_the_cheap_cases_are_in_the_regression(name: str) -> None:
    for case in (CHEAP_CASES | FIRST_CASES)[name]:
        assert find_case(case).id == case


def test_an_unknown_file_is_refused() -> None:
    with pytest.raises(FormatError, match="no file with mutants has 'nothing' in its path"):
        mutate.run(file="nothing", console=Console(quiet=True))


@pytest.mark.parametrize("name", sorted(STAGED_CASES))
def test_lines_of_two_stages_are_compared_too(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages: list[int | None] = []
    equal = Outcome(vectors=1, mismatches=0, cycles=1, rtl_seconds=0.0, first=None)

    def built(*given: Any, **_: Any) -> None:
        stages.append(given[2].get("Stages"))

    monkeypatch.setattr(mutate, "load_op", built)
    monkeypatch.setattr(mutate, "compare", lambda *_, **__: equal)
    assert name in CHEAP_CASES["mx_tile"]
    assert mutate._find(find_case(name), RTL_DIR, tmp_path, clocked=False) is None
    assert stages == [None, 2]
