"""The builder's registers, numbers, loops and constants."""

from __future__ import annotations

import pytest

from plena_cosim.golden import FormatError, decode, encode
from plena_cosim.golden.isa.interpreter import Interpreter
from plena_cosim.programs import Builder
from plena_cosim.programs.builder import ZERO


def state(b: Builder):
    made = Interpreter(b.machine, b.program().words, hbm=b.image.bytes())
    for _ in made.run(most=10_000):
        pass
    return made.state


def test_registers_come_back(machine) -> None:
    b = Builder(machine)
    with b.gp() as first, b.gp(2) as more:
        assert [first.number, *(r.number for r in more)] == [1, 2, 3]
    with b.gp() as again, b.f() as f:
        assert (str(again), str(f)) == ("gp1", "f1")
    with pytest.raises(FormatError, match="needs more gp registers than there are"), b.gp(16):
        pass


@pytest.mark.parametrize("value", [0, 1, 2**18 - 1, 2**18, 2**20, 2**31 + 5, 2**32 - 1])
def test_numbers(machine, value: int) -> None:
    b = Builder(machine)
    with b.gp(2) as (r, s):
        b.set(r, value, note="a number")
        b.set(s, 1)
        b.step(s, value)
    gp = state(b).gp
    assert (gp[1], gp[2]) == (value, (value + 1) % 2**32)


def test_loops(machine) -> None:
    b = Builder(machine)
    with b.gp() as r:
        with b.loop(1):
            b.step(r, 100)
        with b.loop(3, note="three"), b.loop(2):
            b.step(r, 1)
    assert state(b).gp[1] == 106
    assert b.text.splitlines()[1:4] == [
        f"{'C_LOOP_START gp2, 3':<44}; three",
        "  C_LOOP_START gp3, 2",
        "    S_ADDI_INT gp1, gp1, 1",
    ]


def test_constants_are_rounded_to_v(machine) -> None:
    b, v = Builder(machine), machine.hardware.vector_format
    with b.f(3) as registers:
        for register, value in zip(registers, (0.1, -3.0, 0.1), strict=True):
            b.constant(register, value)
    found = state(b).f[1:4]
    wanted = [decode(encode(value, v), v) for value in (0.1, -3.0, 0.1)]
    assert [decode(code, machine.hardware.reduction_format) for code in found] == wanted
    assert len(b.image.tensors) == 2


def test_instructions_are_those_of_the_table(machine) -> None:
    b = Builder(machine)
    with pytest.raises(AttributeError):
        b.V_ADD_V(ZERO)
    with pytest.raises(FormatError, match="C_LOOP_END with 2 operands; need C_LOOP_END rd:gp"):
        b.C_LOOP_END(ZERO, 1)


def test_memory_that_is_not_there(machine) -> None:
    b = Builder(machine)
    assert (b.rows(255), b.rows(1)) == (0, 255 * 16)
    with pytest.raises(FormatError, match="needs 257 rows of vector memory"):
        b.rows(1)
