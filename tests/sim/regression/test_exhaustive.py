"""The long run on a small format: whole, broken off, resumed, and red for a mutant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from plena_cosim.golden import FormatError
from plena_cosim.sim.formal.proofs import WRONG_TIE
from plena_cosim.sim.regression import exhaustive as long
from plena_cosim.sim.stimuli.stimuli import every_input
from plena_cosim.sim.verilate.rtl_files import RTL_DIR


def run(tmp_path: Path, **options: Any) -> tuple[int, str]:
    console = Console(record=True, width=200, quiet=False, file=(tmp_path / "said").open("a"))
    status = long.run(
        ["fp_mul"],
        "e2m1",
        **{"chunks": None, "jobs": 1, "chunk_bits": 5, **options},
        folder=tmp_path / "long",
        failures=tmp_path / "failures",
        console=console,
    )
    return status, console.export_text()


def ledger(tmp_path: Path, *, rtl_dir: Path = RTL_DIR, chunk_bits: int = 5) -> long.Ledger:
    case = long.long_case("fp_mul", "e2m1")
    return long.Ledger.open(case, tmp_path / "long", chunk_bits=chunk_bits, rtl_dir=rtl_dir)


def test_chunks_are_all_inputs_once() -> None:
    case = long.long_case("fp_mul", "e2m1")
    pairs = [
        (int(a), int(b))
        for index in range(8)
        for beats in every_input(case.op, case.formats, begin=index << 5, end=(index + 1) << 5)
        for a, b in zip(beats["a"], beats["b"], strict=True)
    ]
    assert pairs == [(a, b) for a in range(16) for b in range(16)]


def test_stops_after_some_chunks_and_goes_on_with_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, said = run(tmp_path, chunks=3)
    assert status == 0
    assert "3 of 8 chunks, 96 inputs, 0 mismatches" in said
    assert sorted(ledger(tmp_path).done) == [0, 1, 2]
    ran: list[int] = []
    real = long.run_chunk

    def spy(case_id: str, index: int, **options: Any) -> long.Chunk:
        ran.append(index)
        if index == 6 and len(ran) == 4:
            raise KeyboardInterrupt
        return real(case_id, index, **options)

    monkeypatch.setattr(long, "run_chunk", spy)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    assert sorted(ledger(tmp_path).done) == [0, 1, 2, 3, 4, 5]
    status, said = run(tmp_path)
    assert ran == [3, 4, 5, 6, 6, 7]
    assert "6 of 8 chunks done before" in said
    assert "8 of 8 chunks, 256 inputs, 0 mismatches" in said
    assert [path.suffix for path in (tmp_path / "long").iterdir()] == [".json"]


def test_other_sources_or_chunks_start_anew(tmp_path: Path) -> None:
    run(tmp_path, chunks=2)
    assert len(ledger(tmp_path).done) == 2
    assert ledger(tmp_path, chunk_bits=4).done == {}
    rtl = WRONG_TIE.write(tmp_path)
    assert ledger(tmp_path, rtl_dir=rtl).done == {}


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_mutant_is_found_and_its_first_vector_saved(tmp_path: Path, jobs: int) -> None:
    rtl = WRONG_TIE.write(tmp_path)
    status, said = run(tmp_path, rtl_dir=rtl, jobs=jobs)
    assert status == 1
    assert "MismatchError: plena_fp_mul[e2m1] vector " in said
    found = ledger(tmp_path, rtl_dir=rtl)
    assert found.mismatches > 0
    assert np.sum([chunk.vectors for chunk in found.done.values()]) == 256
    saved = sorted((tmp_path / "failures").glob("*.json"))
    assert saved
    vector = int(saved[0].stem.rpartition("-v")[2])
    assert f"vector {vector}" in said


def test_wide_formats_are_refused() -> None:
    with pytest.raises(FormatError, match="has 64 bits of input"):
        long.long_case("fp_mul", "fp32")
