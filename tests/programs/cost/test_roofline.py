"""The roofline: its sums by hand, and that nothing is quicker."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plena_cosim.golden import FormatError
from plena_cosim.golden.isa.machine import Machine
from plena_cosim.golden.timing import Timing
from plena_cosim.programs.cost import ModelShape, analytic, model_shape, roofline
from plena_cosim.programs.cost.roofline import SPILLS, peak_macs

SMALL = ModelShape(
    hidden=128,
    heads=4,
    kv_heads=2,
    head_dim=32,
    intermediate=256,
    layers=3,
    vocabulary=1000,
)


@pytest.fixture
def machine() -> Machine:
    return Machine.load("plena.toml")


def test_by_hand(machine) -> None:
    """Two sequences of five tokens, one byte a cycle, one multiply-accumulate a cycle."""
    given = {"batch": 2, "read": 5, "written": 1, "bandwidth_gb_s": 1.0, "macs": 1}
    found = roofline(SMALL, machine, **given)
    weight = (4 + 8 / 16) / 8  # bytes of MXINT4 with a scale of 8 bits a 16
    matrices = 128 * 128 + 2 * 128 * 64 + 128 * 128
    projections = found.prefill["projections"]
    assert projections.macs == 3 * 10 * matrices
    assert projections.hbm == 3 * matrices * weight
    assert found.decode["projections"].macs == 3 * 2 * matrices
    assert found.decode["projections"].hbm == projections.hbm
    pairs = 2 * (1 + 2 + 3 + 4 + 5)
    assert found.prefill["attention"].macs == 3 * 2 * pairs * 4 * 32
    assert found.decode["attention"].macs == 3 * 2 * (2 * 6) * 4 * 32
    cache = 2 * 2 * 64 * (8 + 8 / 16) / 8
    assert found.prefill["attention"].hbm == 3 * cache * 5
    assert found.decode["attention"].hbm == 3 * cache * 6
    assert found.prefill["mlp"].macs == 3 * 10 * 3 * 128 * 256
    assert found.prefill["head"].macs == 2 * 128 * 1000
    assert found.prefill["head"].hbm == 128 * 1000 * weight
    assert found.prefill["norms"].lanes == 3 * 10 * 2 * 8
    assert found.prefill["embedding"].hbm == 10 * 128 * 2
    cycles = sum(work.cycles for work in found.prefill.values())
    assert found.first_token_ms == pytest.approx(cycles / 1e6)


def test_what_the_vector_memory_does_not_hold(machine) -> None:
    """Four tokens of 128 are eight vectors of 64; rows by rows fewer of them fit."""
    given = {"batch": 4, "read": 1, "written": 1, "bandwidth_gb_s": 1.0}
    matrices = 3 * (2 * 128 * 128 + 2 * 128 * 64 + 3 * 128 * 256) * 4.5 / 8

    def spilled(rows: int) -> float:
        memories = replace(machine.memories, vector_rows=rows)
        found = roofline(SMALL, replace(machine, memories=memories), **given)
        assert found.prefill[SPILLS] == found.decode[SPILLS]
        return found.prefill[SPILLS].hbm

    assert (spilled(9), spilled(8)) == (0, 0)
    assert spilled(5) == 2 * 3 * (8 - 5) * 128
    tight = {"batch": 4, "read": 800, "written": 1, "bandwidth_gb_s": 1.0}
    memories = replace(machine.memories, vector_rows=3000)
    found = roofline(SMALL, replace(machine, memories=memories), **tight)
    assert found.prefill[SPILLS].hbm == 2 * matrices  # in three groups of tokens


def test_a_machine_says_clock_bandwidth_and_macs(machine) -> None:
    sizes = {"batch": 1, "read": 64, "written": 4}
    timing = Timing(clock_ghz=0.5, hbm_gb_s=7.0, macs=3)
    said = roofline(SMALL, replace(machine, timing=timing), **sizes)
    asked = {"clock_ghz": 0.5, "bandwidth_gb_s": 7.0, "macs": 3}
    assert said == roofline(SMALL, machine, **sizes, **asked)
    assert peak_macs(machine) == 64 * 4


def test_the_scarcest_decides(machine) -> None:
    one = {"batch": 1, "read": 64, "written": 4}
    slow = roofline(SMALL, machine, **one, bandwidth_gb_s=0.001)
    assert {work.scarcest for name, work in slow.prefill.items() if work.hbm} == {"HBM"}
    assert slow.prefill["norms"].scarcest == "vector memory"
    quick = roofline(SMALL, machine, **one, bandwidth_gb_s=1e9, macs=1)
    assert quick.decode["mlp"].scarcest == "matrix unit"
    assert quick.decode[SPILLS].scarcest == ""
    assert quick.decode["mlp"].cycles == quick.decode["mlp"].macs
    assert roofline(SMALL, machine, **one, clock_ghz=2.0).first_token_ms < (
        roofline(SMALL, machine, **one).first_token_ms
    )


@pytest.mark.parametrize("model", ["llama-3.1-8b", "llama-3.2-1b", "llama-3.1-70b"])
def test_reading_is_quicker_than_the_published_formulas(model: str) -> None:
    machine, sizes = Machine.load("plena-2048.toml"), {"batch": 4, "read": 2048, "written": 2}
    shape = model_shape(model)
    formulas = analytic(shape, machine, **sizes)
    limits = roofline(shape, machine, **sizes)
    for name in ("norms", "attention", "mlp"):
        assert limits.prefill[name].cycles <= formulas.prefill[name]
    assert limits.prefill["projections"].cycles > formulas.prefill["projections"]  # that lack one


@pytest.mark.parametrize("what", ["batch", "read", "written", "macs", "bandwidth_gb_s"])
def test_what_has_no_roofline(machine, what: str) -> None:
    sizes = {"batch": 1, "read": 1, "written": 1, what: 0}
    with pytest.raises(FormatError, match=r"roofline: .* = 0; need a positive number"):
        roofline(SMALL, machine, **sizes)
