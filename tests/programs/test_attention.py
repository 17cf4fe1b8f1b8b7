"""Attention in both orders: heads of all sizes, shared keys, tiles that are held or not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from plena_cosim import golden
from plena_cosim.golden import FormatError
from plena_cosim.golden.isa import get_revision
from plena_cosim.golden.isa.lint import lint
from plena_cosim.golden.isa.machine import Memories
from plena_cosim.programs import Builder, build, check
from plena_cosim.programs.attention import causal, mask_of

SIZES = [
    # rows, columns, a head, heads of keys, type of operands
    (5, 32, 16, 1, 1),
    (21, 32, 8, 2, 3),
    (40, 64, 32, 1, 3),  # heads of two vectors
    (70, 16, 16, 1, 1),  # five tiles of keys
]


@pytest.mark.parametrize("tiles", [2, 64])
@pytest.mark.parametrize("name", ["attention", "flash_attention"])
@pytest.mark.parametrize(("rows", "columns", "block", "kv_heads", "operand"), SIZES)
def test_attention_is_golden(
    machine, name: str, tiles: int, rows: int, columns: int, block: int, kv_heads: int, operand: int
) -> None:
    memories = Memories(vector_rows=512, matrix_tiles=tiles, hbm_bytes=1 << 20)
    other = dataclasses.replace(machine, memories=memories)
    sizes = {"rows": rows, "columns": columns, "block": block, "kv_heads": kv_heads}
    built = build(name, other, **sizes, operand=operand)
    assert check(built).differing == 0
    assert lint(built.builder.program().words, get_revision("plena"), other) == []
    assert len(built.builder.program().words) < 1300


@pytest.mark.parametrize("name", ["attention", "flash_attention", "decoder_layer"])
@pytest.mark.parametrize(
    ("vector", "reduction", "accumulator"),
    [("fp16", "fp32", "fp32"), ("bf16", "bf16", "bf16"), ("e4m3", "fp16", "fp32")],
)
def test_other_formats(machine, name: str, vector: str, reduction: str, accumulator: str) -> None:
    hardware = dataclasses.replace(
        machine.hardware,
        vector_format=golden.get_format(vector),
        reduction_format=golden.get_format(reduction),
        accumulator_format=golden.get_format(accumulator),
    )
    assert hardware.vector_format.has_inf == (vector != "e4m3")
    memories = Memories(vector_rows=512, hbm_bytes=1 << 20)
    other = dataclasses.replace(machine, hardware=hardware, memories=memories)
    built = build(name, other, rows=21, columns=32, block=16, kv_heads=1)
    assert check(built).differing == 0


def test_the_orders_differ(machine) -> None:
    sizes = {"rows": 40, "columns": 16, "block": 16}
    three, flash = (build(name, machine, **sizes) for name in ("attention", "flash_attention"))
    assert (three.wanted != flash.wanted).any()


def test_a_wrong_scale_is_found(machine) -> None:
    built = build("attention", machine, rows=21, columns=16, block=16)
    lines = built.builder._lines
    assert any(code.startswith("V_MUL_VF") for _, code, _ in lines)
    built.builder._lines = [
        (depth, "V_ADD_VF" + code[8:] if code.startswith("V_MUL_VF") else code, note)
        for depth, code, note in lines
    ]
    assert check(built).differing > 0


def test_masks(machine) -> None:
    b = Builder(machine)
    mask = mask_of(b, "mask", causal(3, 20))
    assert (mask.low.rows, mask.low.columns, mask.keep) == (4, 32, None)
    assert mask.keys == (18, 19, 20, 1)
    values = golden.decode(b.image.read(mask.low, b.image.bytes()), machine.hardware.vector_format)
    assert (values[0, :18] == 0).all()
    assert (values[0, 18:] == -np.inf).all()
    with pytest.raises(FormatError, match="attention: query 1 sees no key"):
        mask_of(b, "other", np.array([[True, False], [False, False]]))
