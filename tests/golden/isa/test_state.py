"""A state after a reset, and writes to it."""

from __future__ import annotations

import numpy as np

from plena_cosim.golden.isa.machine import Machine
from plena_cosim.golden.isa.state import Loop, State, Write


def test_everything_begins_as_zero(machine: Machine) -> None:
    state = State.reset(machine, registers=(16, 8, 8))
    assert (state.gp, state.f, state.a) == ([0] * 16, [0] * 8, [0] * 8)
    assert (state.pc, state.scale, state.stride, state.v_mask) == (0, 0, 0, 0)
    assert (state.loops, state.sums, state.tiles, state.halted) == ([], [None, None], {}, False)
    for array, size in (
        (state.vector, 64 * 16),
        (state.ints, 32),
        (state.fps, 64),
        (state.hbm, 1 << 16),
    ):
        assert array.size == size
        assert not array.any()
    assert state.vector.dtype == np.uint16


def test_an_image_lies_at_address_0(machine: Machine) -> None:
    state = State.reset(machine, registers=(16, 8, 8), hbm=np.arange(1, 5, dtype=np.uint8))
    assert state.hbm[:6].tolist() == [1, 2, 3, 4, 0, 0]


def test_writes(machine: Machine) -> None:
    state = State.reset(machine, registers=(16, 8, 8))
    row, data = np.arange(16), np.array([7, 8], np.uint8)
    loop = Loop(register=1, left=2, start=3)
    for write in (
        Write("gp", 0, 5),
        Write("gp", 3, 5),
        Write("f", 0, 5),
        Write("f", 3, 6),
        Write("a", 0, 7),
        Write("vector", 2, row),
        Write("int", 3, 8),
        Write("fp", 4, 9),
        Write("hbm", 100, data),
        Write("loops", 0, (loop,)),
        Write("sums", 1, row),
        Write("scale", 0, 11),
        Write("pc", 0, 12),
    ):
        state.apply(write)
    assert state.gp == [0, 0, 0, 5] + [0] * 12
    assert state.f == [0, 0, 0, 6] + [0] * 4
    assert state.a == [7] + [0] * 7
    assert (state.vector[2] == row).all()
    assert (int(state.ints[3]), int(state.fps[4])) == (8, 9)
    assert state.hbm[99:103].tolist() == [0, 7, 8, 0]
    assert state.loops == [loop]
    assert state.sums[0] is None
    assert state.sums[1] is row
    assert (state.scale, state.pc) == (11, 12)
