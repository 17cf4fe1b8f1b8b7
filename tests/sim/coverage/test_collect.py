"""Counting and merging: what was not driven is named, what was driven twice counts twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from plena_cosim.cli import main as cli
from plena_cosim.golden import get_format
from plena_cosim.golden.ops.registry import OPS, get_op
from plena_cosim.sim.cases.table import Case, find_case, select_cases
from plena_cosim.sim.coverage import report
from plena_cosim.sim.coverage.collect import THINNED_CODES, Coverage
from plena_cosim.sim.coverage.report import FOLDER, judge, missed_lines, total_line
from plena_cosim.sim.stimuli.stimuli import sample

from ..toy import FORMATS, TOY

CASE = "fp_mul-e2m1-all"
E2M1 = get_format("e2m1")


def drive(a: list[int], b: list[int], *, whole: bool = False) -> Coverage:
    case = find_case(CASE)
    coverage = Coverage(case=case, whole=whole)
    beats = {"a": np.array(a, dtype=np.uint8), "b": np.array(b, dtype=np.uint8)}
    coverage.add(beats, case.op.run_golden(beats, fmt=E2M1))
    return coverage


def test_a_kind_that_was_never_driven_is_named() -> None:
    every = [code for code in range(16) if code != 0x8]  # all but -0
    coverage = drive([a for a in every for _ in every], every * len(every))
    missed = judge(coverage).missed
    assert "a: -zero" in missed
    assert "a × b: -zero × +zero" in missed
    assert "a: +zero" not in missed
    assert any("a: -zero" in line for line in missed_lines([judge(coverage)], every=True))
    assert "`plena coverage` names them" in total_line([judge(coverage)])


def test_all_inputs_prove_what_cannot_be_reached() -> None:
    codes = [code for code in range(16) for _ in range(16)]
    verdict = judge(drive(codes, list(range(16)) * 16, whole=True))
    assert verdict.missed == ()
    assert "y rounding: up to the smallest normal" in verdict.hit
    assert verdict.proven  # e.g. a product of E2M1 is never above half in the top binade
    assert not judge(drive(codes, list(range(16)) * 16)).proven  # a sample proves nothing


def test_toy_block_counts_lanes_rows_and_scales() -> None:
    coverage = Coverage(case=Case(op=TOY, formats=FORMATS))
    beats = {"a": np.array([[0, 0], [1, 0x81]], np.uint8), "b": np.array([255, 127], np.uint8)}
    coverage.add(beats, TOY.run_golden(beats, **FORMATS))
    groups = coverage.record()["groups"]
    assert groups["a"]["+zero"] == 2
    assert groups["a"]["+one unit"] == 1
    assert groups["a rows"]["all zero"] == groups["a rows"]["all nonzero"] == 1
    assert (groups["b"]["NaN"], groups["b"]["2^0"], groups["b"]["smallest"]) == (1, 1, 0)
    assert "b: smallest" in judge(coverage).missed


@pytest.mark.parametrize("name", OPS)
def test_every_block_of_the_table_can_be_counted(name: str) -> None:
    """Whatever ports an op has, and also where an output is called like an input."""
    for case in select_cases(name):
        coverage = Coverage(case=case)
        beats = sample(case.op, case.formats, seed=0, count=64)
        coverage.add(beats, case.op.run_golden(beats, **case.formats, **case.modes))
        names = [group.name for group in coverage.groups]
        assert len(names) == len(set(names))
        assert len(names) >= len(case.op.inputs) + len(case.op.outputs)
        assert judge(coverage).contradicted == ()


def test_merging_adds(tmp_path: Path) -> None:
    coverage = drive([1, 2], [1, 15])
    for seed in (0, 1):
        coverage.save(tmp_path, seed=seed)
    coverage.save(tmp_path, seed=1)  # the same run again replaces its own record
    (merged,) = report.load(tmp_path)
    once, twice = coverage.record(), merged.record()
    assert twice["vectors"] == 2 * once["vectors"]
    for group, bins in once["groups"].items():
        assert twice["groups"][group] == {name: 2 * count for name, count in bins.items()}
    (single,) = report.load(tmp_path, seed=0)
    assert single.record()["vectors"] == once["vectors"]
    assert report.load(tmp_path, only=["fp_add-e2m1-all"]) == []


def test_records_of_bins_and_cases_that_are_gone_are_left_out(tmp_path: Path) -> None:
    path = drive([1], [1]).save(tmp_path, seed=0)
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    record["groups"]["a"]["of yesterday"] = 7
    path.write_text(json.dumps(record), encoding="utf-8")
    gone = {**record, "case": "fp_mul-nothing-all"}
    (tmp_path / "gone.json").write_text(json.dumps(gone), encoding="utf-8")
    (merged,) = report.load(tmp_path)
    assert "of yesterday" not in merged.record()["groups"]["a"]


def test_thinning_starts_only_when_a_group_has_nothing_left_to_find() -> None:
    case = Case(op=get_op("fp_mul"), formats={"fmt": get_format("e4m3")})
    coverage = Coverage(case=case, whole=True)
    pairs = np.arange(1 << 16)
    beats = {"a": (pairs >> 8).astype(np.uint8), "b": (pairs & 255).astype(np.uint8)}
    beats = {name: np.tile(codes, 2) for name, codes in beats.items()}
    assert beats["a"].size > THINNED_CODES
    results = case.op.run_golden(beats, **case.formats)
    coverage.add(beats, results)
    first = int(coverage.counts["a"].sum())
    assert first == beats["a"].size
    coverage.add(beats, results)
    assert first < coverage.counts["a"].sum() < 2 * first
    rare = {name: np.zeros_like(codes) for name, codes in beats.items()}
    rare["a"][17] = 0x7F  # not a multiple of the thinning: a complete group does not need it
    fresh = Coverage(case=case, whole=True)
    fresh.add(rare, case.op.run_golden(rare, **case.formats))
    assert "a: +NaN" in judge(fresh).hit


def test_command_names_what_was_never_hit(tmp_path: Path) -> None:
    drive([1, 2], [1, 15]).save(tmp_path / FOLDER, seed=0)
    arguments = ["coverage", "--block", "fp_mul", "--fmt", "e2m1", "--results", str(tmp_path)]
    result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == 1
    assert f"{CASE} never hit: a: +zero" in result.output
    assert "more (--all)" in result.output
    assert (tmp_path / "coverage.json").is_file()


def test_nothing_recorded_is_an_error_that_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="run `plena sim`"):
        report.summarise(tmp_path)
