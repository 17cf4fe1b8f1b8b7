"""Random programs run alike on both interpreters."""

from __future__ import annotations

import dataclasses

import pytest

from plena_cosim.golden.isa import held_equal
from plena_cosim.golden.isa.fast import FastInterpreter
from plena_cosim.golden.isa.held_equal import MACHINES, first_difference
from plena_cosim.golden.isa.random_programs import random_program

PROGRAMS, STEPS, PIECES = 1000, 10, 10


@pytest.mark.parametrize("piece", range(PIECES))
def test_random_programs(piece: int) -> None:
    """A thousand programs on machines of several formats."""
    for seed in range(piece, PROGRAMS, PIECES):
        machine = MACHINES[seed // PIECES % len(MACHINES)]
        found = first_difference(random_program(machine, seed, steps=STEPS))
        assert found is None, f"random_program(…, {seed}, steps={STEPS}): {found}"


def test_what_differs_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    program = dataclasses.replace(random_program(MACHINES[0], 0, trap=0.0), nodes=(), ends=False)
    assert first_difference(program) is None  # both trap at the end
    program = random_program(MACHINES[0], 1, trap=0.0)

    class Other(FastInterpreter):
        def carry_out(self, *, most: int | None = None) -> int:
            done = super().carry_out(most=most)
            self.state.scale += self.carried == 3
            return done

    monkeypatch.setattr(held_equal, "FastInterpreter", Other)
    assert first_difference(program).startswith("instruction 2, word 2: scale: ")
    assert first_difference(program, most=2) is None
