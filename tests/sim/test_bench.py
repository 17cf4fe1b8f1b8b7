"""The cocotb bench is green for every block: stalls, reset in mid-stream, counts and latency."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from plena_cosim.sim.bench.runner import BenchError, run_bench, run_bench_on
from plena_cosim.sim.cases import Case, select_cases
from plena_cosim.sim.report import Figures, record_figures
from plena_cosim.sim.stimuli import sample

from .toy import FORMATS, TOY, parameters, write_toy

SCENARIOS = ("unstalled", "input_gaps", "output_stalls", "gaps_and_stalls", "reset_in_midstream")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test id a simulation."""
    if "case" in metafunc.fixturenames:
        option = metafunc.config.getoption
        cases = select_cases(option("sim_block", None), option("sim_fmt", None))
        metafunc.parametrize("case", [pytest.param(c, id=c.id) for c in cases if c.bench])


def test_bench_is_green(
    case: Case, sim_seed: int, record_property: Callable[[str, object], None]
) -> None:
    """All five scenarios in one simulation."""
    outcome = run_bench(case, seed=sim_seed)
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


FAULTS = {
    "wrong latency": ("Latency = 1", "Latency = 2", "localparam Latency is 2"),
    "payload not held": (
        "else if (in_ready_o) begin\n      valid_q <= in_valid_i;",
        "else begin\n      if (in_ready_o) valid_q <= in_valid_i;",
        "output_stalls",
    ),
    "drops a beat when stalled": (
        "in_ready_o = !valid_q || out_ready_i",
        "in_ready_o = 1'b1 || out_ready_i",
        "out",
    ),
    "valid survives reset": ("valid_q <= 1'b0;", "", "reset"),
    "takes data without valid": ("valid_q <= in_valid_i;", "valid_q <= 1'b1;", "results"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_bench_goes_red(fault: str, tmp_path: Path) -> None:
    """Each fault in the toy's handshake is found, and the message says where."""
    old, new, words = FAULTS[fault]
    rtl_dir = write_toy(tmp_path, **{old: new})
    beats = sample(TOY, FORMATS, seed=1, count=100)
    golden = TOY.run_golden(beats, **FORMATS)
    with pytest.raises(BenchError, match=words):
        run_bench_on(
            TOY, FORMATS, parameters(8, 2), beats, golden, seed=1, label=fault, rtl_dir=rtl_dir
        )


def test_bench_is_green_on_the_toy(tmp_path: Path) -> None:
    """Without a fault the same bench is green."""
    beats = sample(TOY, FORMATS, seed=1, count=100)
    golden = TOY.run_golden(beats, **FORMATS)
    outcome = run_bench_on(
        TOY,
        FORMATS,
        parameters(8, 2),
        beats,
        golden,
        seed=1,
        label="toy",
        rtl_dir=write_toy(tmp_path),
    )
    assert outcome.scenarios == SCENARIOS
    assert outcome.vectors == 5 * 100
