"""What programs leave in HBM is golden's result, on every code."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from plena_cosim import golden
from plena_cosim.golden import FormatError
from plena_cosim.golden.isa import assemble, get_revision
from plena_cosim.golden.isa.lint import lint
from plena_cosim.golden.isa.machine import Machine
from plena_cosim.programs import PROGRAMS, build, check

LAYERS = ("attention", "flash_attention", "decoder_layer")
SIZES = [(4, 16, 16), (9, 48, 32), (5, 40, 21), (3, 80, 33)]
"""Rows, columns, outputs: whole, several blocks, ragged, more tiles than are held."""


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize(("rows", "columns", "outputs"), SIZES)
def test_programs_are_golden(machine, name: str, rows: int, columns: int, outputs: int) -> None:
    built = build(name, machine, rows=rows, columns=columns, outputs=outputs, seed=rows)
    found = check(built)
    assert found.differing == 0
    wide = outputs if name.startswith(("linear", "lm_head")) else columns
    if "attention" in name:
        wide = built.result.columns  # heads in whole vectors
    assert found.codes == rows * wide
    assert found.steps == built.builder.carried_out
    assert np.unique(built.wanted).size > found.codes // 8  # golden's result says something


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_have_nothing_that_looks_wrong(machine, name: str) -> None:
    words = build(name, machine, rows=5, columns=40).builder.program().words
    assert lint(words, get_revision("plena"), machine) == []


@pytest.mark.parametrize("name", PROGRAMS)
def test_loops_are_loops(machine, name: str) -> None:
    few = build(name, machine, rows=4, columns=48).builder.program().words
    rows = 64 if name in LAYERS else 400
    many = build(name, machine, rows=rows, columns=48).builder.program().words
    more = 5  # a loop's two instructions, and longer numbers
    if name in LAYERS:
        more = 4 * 200 * 3  # four loops for blocks that see more keys, of three heads
    if name == "embedding":
        more = 16 * rows  # tokens are part of the program
    assert len(many) <= len(few) + more


@pytest.mark.parametrize(
    ("vector", "reduction", "accumulator"),
    [("fp16", "fp32", "fp32"), ("bf16", "bf16", "bf16"), ("e5m2", "fp16", "q16.16")],
)
@pytest.mark.parametrize("name", ["linear", "rms_norm", "softmax", "swiglu"])
def test_other_formats(machine, name: str, vector: str, reduction: str, accumulator: str) -> None:
    hardware = golden.HardwareConfig(
        mlen=16,
        vlen=16,
        blen=4,
        hlen=8,
        vector_format=golden.get_format(vector),
        reduction_format=golden.get_format(reduction),
        accumulator_format=golden.get_format(accumulator),
    )
    other = dataclasses.replace(machine, hardware=hardware)
    assert check(build(name, other, rows=5, columns=40)).differing == 0


def test_the_shipped_machine() -> None:
    machine = Machine.load("plena.toml")
    for name in ("linear", "softmax"):
        assert check(build(name, machine, rows=4, columns=100)).differing == 0


def test_a_wrong_program_is_found(machine) -> None:
    built = build("silu", machine, rows=4, columns=16)
    text = built.builder.text.replace("V_RECI_V", "V_EXP_V")
    table = get_revision("plena")
    words = assemble(text, table).words
    assert words != built.builder.program().words
    built.builder._lines = [
        (depth, code.replace("V_RECI_V", "V_EXP_V"), note)
        for depth, code, note in built.builder._lines
    ]
    assert check(built).differing > 0


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("gelu", {}, "no program 'gelu'; there are linear, linear_bias"),
        ("silu", {"rows": 0}, "sizes must be positive"),
        ("rope", {"block": 6}, "rope: heads of 6; need a power of two"),
        ("attention", {"block": 8, "kv_heads": 3}, "heads of 8 elements, 3 of them with keys, do"),
        ("attention", {"operand": 2}, "type 2 of the machine is no MX format for attention"),
        ("attention", {"rows": 640}, "rows of vector memory; the machine has 256"),
        ("hadamard", {"block": 32}, "hadamard: blocks of 32; need a power of two up to VLEN"),
        ("hadamard", {"columns": 40, "block": 16}, "that divides the 40 columns"),
        ("rms_norm", {"columns": 16_000}, "rows of vector memory; the machine has 256"),
        ("silu", {"rows": 100_000}, "of HBM, which has 1048576"),
    ],
)
def test_what_cannot_be_built(machine, name: str, given, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        build(name, machine, **{"rows": 4, "columns": 16, **given})


def test_machines_whose_transfers_do_not_fit(machine) -> None:
    other = dataclasses.replace(machine, v_writeback=2)
    with pytest.raises(FormatError, match="need v_prefetch = v_writeback; the machine has 4 and 2"):
        build("silu", other, rows=4, columns=16)
    with pytest.raises(FormatError, match="programs need v_prefetch = v_writeback = BLEN = 4"):
        build("linear", other, rows=4, columns=16)
    whole = dataclasses.replace(machine, v_writeback=8, v_prefetch=8)
    assert check(build("layer_norm", whole, rows=9, columns=40)).differing == 0
