"""The table of mutants: every block has one, and each text stands exactly once in the RTL."""

from __future__ import annotations

from pathlib import Path

import pytest

from plena_cosim.golden.ops.registry import OPS
from plena_cosim.sim.bench.runner import BenchError, run_bench
from plena_cosim.sim.cases.table import find_case
from plena_cosim.sim.formal.proofs import STREAM
from plena_cosim.sim.verilate.fault import Fault
from plena_cosim.sim.verilate.rtl_files import RTL_DIR

from ..regression.mutants import MUTANTS, Mutant


def test_every_block_has_a_mutant() -> None:
    """A new block needs one too."""
    assert {mutant.case.split("-")[0] for mutant in MUTANTS} == set(OPS)


def test_bench_finds_what_a_missing_reset_leaves(tmp_path: Path) -> None:
    """The cocotb bench goes red for a register that reset does not clear."""
    fault = Fault(STREAM, "valid_q <= 1'b0;", "valid_q <= valid_q;")
    with pytest.raises(BenchError, match="reset"):
        run_bench(find_case("fp_mul-e4m3-all"), seed=0, rtl_dir=fault.write(tmp_path))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_text_stands_once(mutant: Mutant) -> None:
    """A mutant whose text is gone or ambiguous is an error, not a survivor."""
    text = (RTL_DIR / mutant.fault.file).read_text(encoding="utf-8")
    assert mutant.fault.apply(text) != text
