"""The cocotb bench goes red for faults in the handshake, shown on the toy block."""

from __future__ import annotations

from pathlib import Path

import pytest

from plena_cosim.sim.bench.runner import BenchError, run_bench_on
from plena_cosim.sim.stimuli.stimuli import sample

from .toy import FORMATS, TOY, parameters, write_toy

SCENARIOS = ("unstalled", "input_gaps", "output_stalls", "gaps_and_stalls", "reset_in_midstream")


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
