"""A decoder layer's program is golden's composition of operations."""

from __future__ import annotations

import dataclasses

import pytest

from plena_cosim.golden.isa import get_revision
from plena_cosim.golden.isa.lint import lint
from plena_cosim.golden.isa.machine import Memories
from plena_cosim.programs import build, check


@pytest.mark.parametrize(
    ("rows", "block", "kv_heads", "operand", "tiles"),
    [(5, 16, 2, 1, 8), (21, 8, 2, 3, 3), (9, 32, 1, 3, 64)],
)
def test_a_layer_is_golden(
    machine, rows: int, block: int, kv_heads: int, operand: int, tiles: int
) -> None:
    memories = Memories(vector_rows=512, matrix_tiles=tiles, hbm_bytes=1 << 20)
    other = dataclasses.replace(machine, memories=memories)
    built = build(
        "decoder_layer",
        other,
        rows=rows,
        columns=64,
        outputs=96,
        block=block,
        kv_heads=kv_heads,
        operand=operand,
    )
    found = check(built)
    assert found.differing == 0
    assert found.steps == built.builder.carried_out
    words = built.builder.program().words
    assert lint(words, get_revision("plena"), other) == []
    assert len(words) < 2500
