"""Cycles of programs as PLENA's emulator charges them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plena_cosim.golden import FormatError
from plena_cosim.golden.isa import assemble, get_revision
from plena_cosim.golden.isa.interpreter import Interpreter
from plena_cosim.golden.isa.machine import Machine
from plena_cosim.golden.timing import Latency, Timing
from plena_cosim.programs import build
from plena_cosim.programs.cost import emulator

PLENA = get_revision("plena")


def cost(text: str, **given):
    return emulator(assemble(text, PLENA).words, Machine.load("plena.toml"), **given)


@pytest.mark.parametrize(
    ("text", "vendor", "without"),
    [
        ("M_TMM 0, gp1, gp2", 64, 64),
        ("M_BMM 0, gp1, gp2", 64, 64),
        ("M_MM_WO gp1, gp0, 0", 1, 1),
        ("V_ADD_VV gp1, gp1, gp1", 1, 2),
        ("V_SUB_VF gp1, gp1, f1", 1, 2),
        ("V_MUL_VF gp1, gp1, f1", 1, 5),
        ("V_SHFT_V gp1, gp1, gp2, 0", 1, 5),
        ("V_EXP_V gp1, gp1", 1, 6),
        ("V_RECI_V gp1, gp1", 2, 7),
        ("V_RED_SUM f1, gp1", 8, 20),
        ("V_RED_MAX f1, gp1", 4, 4),
        ("V_MAX_VF gp1, gp1, f1", 4, 4),
        ("V_MIN_VF gp1, gp1, f1", 4, 4),
        ("S_ADD_INT gp1, gp1, gp1", 1, 1),
        ("S_EXP_FP f1, f1", 1, 2),
        ("S_RECI_FP f1, f1", 1, 2),
        ("S_SQRT_FP f1, f1", 1, 2),
        ("S_ADD_FP f1, f1, f1", 1, 1),
        ("S_MAP_V_FP gp1, gp1, 0", 128, 128),
        ("M_MV 0, gp1, gp2", 64, 64),
        ("S_LD_FP f1, gp1, 0", 1, 1),
        ("S_ADD_FP f0, f1, f1", 0, 0),
        ("V_RED_SUM f0, gp1", 0, 0),
        ("C_SET_SCALE_REG gp1", 1, 1),
    ],
)
def test_each_instruction(text: str, vendor: int, without: int) -> None:
    for chosen, wanted in ((True, vendor), (False, without)):
        found = cost(f"{text}\nC_BREAK", vendor=chosen)
        assert found.total == wanted + 1
    assert cost(f"{text}\nC_BREAK", overhead=10).total == vendor + 1 + 10 * (
        text.startswith("M_") and "_WO" not in text and "MV" not in text
    )


def test_what_a_machine_says_is_taken() -> None:
    latency = Latency(systolic_processing_overhead=(5, 6), vector_add=(11, 12))
    timing = Timing(vendor_units=False, hbm_gb_s=64.0, clock_ghz=2.0, latency=latency)
    machine = replace(Machine.load("plena.toml"), timing=timing)
    text = "M_TMM 0, gp1, gp2\nV_ADD_VV gp1, gp1, gp1\nH_STORE_V gp1, gp0, a0, 0, 2\nC_BREAK"
    words = assemble(text, PLENA).words
    found = emulator(words, machine)
    assert found.cycles == {"M_TMM": 70, "V_ADD_VV": 12, "C_BREAK": 1}
    assert found.units == {"matrix": 70, "vector": 12, "control": 1, "hbm": 4 * 128 // 32}
    assert found.total == sum(found.units.values())
    assert emulator(words, machine, vendor=True).cycles["M_TMM"] == 69
    assert emulator(words, machine, overhead=0).cycles["M_TMM"] == 64
    assert emulator(words, machine, bytes_per_cycle=1).transfer_cycles == 512


def test_another_revision() -> None:
    wide = get_revision("plena-wide")
    words = assemble("S_SLLI_INT gp29, gp16, 10\nC_BREAK", wide).words
    assert emulator(words, Machine.load("plena.toml"), revision=wide).total == 2


def test_loops_and_transfers() -> None:
    text = """
        C_LOOP_START gp1, 3
            C_LOOP_START gp2, 5
                H_PREFETCH_M gp3, gp0, a0, 0, 0
            C_LOOP_END gp2
            H_STORE_V gp3, gp0, a0, 0, 1
        C_LOOP_END gp1
        H_PREFETCH_V gp3, gp0, a0, 0, 2
        C_BREAK
        S_ADD_INT gp1, gp1, gp1
    """
    found = cost(text, bytes_per_cycle=100.0)
    counts = {"C_LOOP_START": 4, "C_LOOP_END": 18, "C_BREAK": 1}
    assert found.counts == {**counts, "H_PREFETCH_M": 15, "H_STORE_V": 3, "H_PREFETCH_V": 1}
    # Of 64 elements: MXINT4 with a scale a 16, MXINT8, bf16; rows of a tile, and of a transfer.
    sizes = {"H_PREFETCH_M": 64 * (32 + 4), "H_STORE_V": 4 * (64 + 4), "H_PREFETCH_V": 4 * 128}
    moved = {"H_PREFETCH_M": 15 * 64 * 36, "H_STORE_V": 3 * 4 * 68, "H_PREFETCH_V": 512}
    assert all(moved[name] == found.counts[name] * size for name, size in sizes.items())
    assert found.bytes == moved
    assert found.transfer_cycles == -(-sum(moved.values()) // 100)
    assert found.total == sum(counts.values()) + found.transfer_cycles


def test_counts_are_those_of_a_run(machine) -> None:
    built = build("attention", machine, rows=21, columns=32, block=16, kv_heads=1)
    words = built.builder.program().words
    ran = Interpreter(machine, words, hbm=built.builder.image.bytes())
    steps = [step.instruction.operation.name for step in ran.run()]
    found = emulator(words, machine)
    assert found.counts == {name: steps.count(name) for name in set(steps)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("C_LOOP_END gp1", "word 0: C_LOOP_END without its C_LOOP_START"),
        ("C_LOOP_START gp1, 2", "1 loops are not closed"),
        ("H_PREFETCH_V gp1, gp1, a0, 0, 6", "type 6; the machine has 4"),
        ("V_TOPK gp1, gp1, gp1, 0", "nobody has said what V_TOPK costs"),
        ("C_HADAMARD_TRANSFORM gp1, gp1, gp1", "nobody has said what C_HADAMARD_TRANSFORM costs"),
    ],
)
def test_what_has_no_cost(text: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        cost(text)
    with pytest.raises(FormatError, match="bandwidth of HBM 0; need a positive number"):
        cost("C_BREAK", bytes_per_cycle=0)
