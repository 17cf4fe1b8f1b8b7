"""A difference between RTL and golden: one line, a record, a waveform, and a replay."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from plena_cosim.golden import FormatError
from plena_cosim.sim.cases.compare import Mismatch, compare_case
from plena_cosim.sim.cases.table import Case, find_case, select_cases
from plena_cosim.sim.formal.proofs import WRONG_TIE
from plena_cosim.sim.regression.replay import load_mismatch, replay, write_waveform


def wrong_tie(folder: Path) -> Path:
    return WRONG_TIE.write(folder)


def first_mismatch(case: Case, rtl_dir: Path) -> Mismatch:
    outcome = compare_case(case, seed=7, rtl_dir=rtl_dir, limit=5000)
    assert outcome.mismatches > 0
    assert outcome.first is not None
    return outcome.first


def test_line_names_vector_codes_values_and_both_results(tmp_path: Path) -> None:
    case = find_case("fp_mul-e4m3-all")
    outcome = compare_case(case, seed=7, rtl_dir=wrong_tie(tmp_path))
    assert outcome.vectors == 65536
    assert 0 < outcome.mismatches < 65536
    assert outcome.first is not None
    line = outcome.first.line()
    assert line.startswith(f"plena_fp_mul[e4m3] vector {outcome.first.vector}: 0x")
    assert " × 0x" in line
    assert "-> rtl 0x" in line
    assert ", golden 0x" in line
    assert "\n" not in line


def test_line_gives_the_lane_and_the_mode() -> None:
    case = find_case("mx_to_fp-mxint8.b16-e4m3-rtz-blocks")
    codes = np.arange(16, dtype=np.uint8)
    mismatch = Mismatch(
        case=case,
        seed=0,
        vector=3,
        beats={"codes": codes[None], "scale": np.array([128], np.uint8)},
        rtl={"y": codes},
        golden={"y": np.where(codes == 5, 0x38, codes).astype(np.uint8)},
    )
    assert mismatch.line() == (
        "plena_mx_to_fp[mxint8, e4m3, rtz] vector 3 y[5]: 0x05 (0.078125), scale 0x80 (2^1) "
        "-> rtl 0x05 (0.009765625), golden 0x38 (1)"
    )


def test_record_and_waveform_are_left_and_replay_sees_the_mended_rtl(tmp_path: Path) -> None:
    rtl_dir = wrong_tie(tmp_path)
    results = tmp_path / "results"
    mismatch = first_mismatch(find_case("fp_add-e4m3-all"), rtl_dir)
    mismatch.save(results)
    vcd = write_waveform(mismatch, results, rtl_dir=rtl_dir)
    assert vcd == results / f"{mismatch.id}.vcd"
    assert "y_o" in vcd.read_text()
    assert json.loads((results / f"{mismatch.id}.json").read_text())["line"] == mismatch.line()
    assert sorted(path.suffix for path in results.iterdir()) == [".json", ".vcd"]

    again = replay(mismatch.id, results, rtl_dir=rtl_dir)
    assert not again.equal
    assert again.line == mismatch.line()
    assert replay(mismatch.id, results).equal


def test_replay_of_a_stateful_block_starts_where_its_sum_starts(tmp_path: Path) -> None:
    case = find_case("mx_dot-mxint8.b8-mxint4.b8-fp32-blocks")
    rtl_dir = wrong_tie(tmp_path)
    mismatch = first_mismatch(case, rtl_dir)
    assert mismatch.beats["first"][0] == 1 or mismatch.vector < len(mismatch.beats["first"])
    assert not mismatch.beats["first"][1:].any()
    mismatch.save(tmp_path)
    loaded = load_mismatch(mismatch.id, tmp_path)
    assert all(np.array_equal(loaded.beats[k], v) for k, v in mismatch.beats.items())
    again = replay(mismatch.id, tmp_path, rtl_dir=rtl_dir)
    assert not again.equal
    assert again.line == mismatch.line()


def test_unknown_vector_lists_what_there_is(tmp_path: Path) -> None:
    (tmp_path / "fp_add-e4m3-all-s0-v17.json").write_text("{}")
    with pytest.raises(FormatError, match=r"no vector 'x' recorded.*fp_add-e4m3-all-s0-v17"):
        replay("x", tmp_path)


def test_selection_narrows_and_names_what_is_unknown() -> None:
    assert {case.op.name for case in select_cases("fp_mul")} == {"fp_mul"}
    assert [case.id for case in select_cases("fp_mul", "fp16")] == ["fp_mul-fp16-corners+random"]
    assert [case.id for case in select_cases("fp_mul", "e3m4")] == ["fp_mul-e3m4-all"]
    assert find_case("fp_mul-e3m4-all").id == "fp_mul-e3m4-all"
    with_mx4 = {case.id for case in select_cases("micro_dot", "MX4")}
    assert with_mx4 == {
        "micro_dot-mx4-mx4-fp32-blocks",
        "micro_dot-mx4.b16-mx9.b16-bf16-blocks",
    }
    with pytest.raises(FormatError, match=r"unknown op 'fp_mull'.*Did you mean 'fp_mul'"):
        select_cases("fp_mull")
    with pytest.raises(FormatError, match="unknown format 'bf61'"):
        select_cases("fp_mul", "bf61")
    with pytest.raises(FormatError, match="no case of mx_dot has the format 'e3m4'; there are"):
        select_cases("mx_dot", "e3m4")
    with pytest.raises(FormatError, match=r"no case 'fp_mul-bf16-all'.*Did you mean"):
        find_case("fp_mul-bf16-all")
