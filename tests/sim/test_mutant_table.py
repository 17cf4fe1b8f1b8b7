"""The table of mutants: every block has one, and each text stands exactly once in the RTL."""

from __future__ import annotations

from pathlib import Path

import pytest

from plena_cosim.golden.ops.registry import OPS
from plena_cosim.sim.bench.runner import BenchError, run_bench
from plena_cosim.sim.cases.table import find_case
from plena_cosim.sim.verilate.rtl_files import RTL_DIR

from ..regression.mutants import MUTANTS, STREAM, Mutant


def test_every_block_has_a_mutant() -> None:
    """A new block needs one too."""
    assert {mutant.case.split("-")[0] for mutant in MUTANTS} == set(OPS)


def test_bench_finds_what_a_missing_reset_leaves(tmp_path: Path) -> None:
    """The cocotb bench goes red for a register that reset does not clear."""
    mutant = Mutant(
        name="valid survives reset",
        case="fp_mul-e4m3-all",
        file=STREAM,
        old="valid_q <= 1'b0;",
        new="valid_q <= valid_q;",
    )
    with pytest.raises(BenchError, match="reset"):
        run_bench(find_case(mutant.case), seed=0, rtl_dir=mutant.write(tmp_path))


def test_mutant_text_must_stand_exactly_once(tmp_path: Path) -> None:
    """A mutant whose text is gone or ambiguous is an error, not a survivor."""
    for old, count in (("no such text", 0), ("valid", None)):
        mutant = Mutant(name="bad", case="", file=STREAM, old=old, new="")
        words = f"stands {count} times" if count == 0 else "stands [1-9][0-9]* times"
        with pytest.raises(AssertionError, match=words):
            mutant.write(tmp_path / str(count))
    assert RTL_DIR.is_dir()
