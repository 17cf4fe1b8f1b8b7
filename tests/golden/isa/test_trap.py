"""What a trap says."""

from __future__ import annotations

from plena_cosim.golden.isa.trap import Cause, TrapError


def test_a_trap_says_where_and_why() -> None:
    plain = TrapError(Cause.LOOP, "a loop of 0 passes")
    assert (str(plain), plain.pc) == ("a loop of 0 passes (loop)", -1)
    placed = TrapError(plain.cause, plain.reason, pc=3, instruction="C_LOOP_START gp1, 0")
    assert str(placed) == "word 3: C_LOOP_START gp1, 0: a loop of 0 passes (loop)"
    assert (placed.cause, placed.pc) == (Cause.LOOP, 3)


def test_causes_are_those_of_the_core() -> None:
    assert [cause.value for cause in Cause] == list(range(1, 9))
