"""Loops over rows in vector memory."""

from __future__ import annotations

import pytest

from plena_cosim.golden.isa.interpreter import Interpreter
from plena_cosim.programs import Builder
from plena_cosim.programs.builder import ZERO
from plena_cosim.programs.rows import each_chunk


@pytest.mark.parametrize("far", [0, 48, (1 << 18) - 1, 1 << 18, 3 << 20])
def test_chunks_begin_as_far_behind_a_register_as_it_takes(machine, far: int) -> None:
    b = Builder(machine)
    with b.gp() as start:
        b.set(start, 32)
        each_chunk(b, [(start, 16, far)], 3, lambda at: b.S_ST_INT(at[0], ZERO, 7))
    ran = Interpreter(machine, b.program().words)
    for _ in ran.run():
        pass
    assert ran.state.ints[7] == 32 + far + 2 * 16
