"""The quick interpreter is the golden one, after every instruction."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from plena_cosim import golden
from plena_cosim.golden.isa import fast
from plena_cosim.golden.isa.fast import FastInterpreter
from plena_cosim.golden.isa.held_equal import MACHINES, first_difference
from plena_cosim.golden.isa.machine import Machine
from plena_cosim.golden.isa.random_programs import random_program, shortest
from plena_cosim.golden.isa.state import difference
from plena_cosim.golden.isa.trap import TrapError


@pytest.mark.parametrize(
    "name", ["_single_sums", "_single_reductions", "stamps", "isfinite", "column", "passes"]
)
def test_faults_are_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random programs find what would be wrong, and the shortest of them is short."""
    machine = MACHINES[0]
    if name.startswith("_single"):
        narrow = dataclasses.replace(
            machine.hardware,
            accumulator_format=golden.get_format("bf16"),
            reduction_format=golden.get_format("bf16"),
        )
        machine = dataclasses.replace(machine, hardware=narrow)
        monkeypatch.setattr(
            FastInterpreter,
            "__setattr__",
            lambda self, key, value: object.__setattr__(self, key, key == name or value),
        )
    elif name == "stamps":
        monkeypatch.setattr(FastInterpreter, "_touch", lambda self, row: None)
    elif name == "isfinite":
        monkeypatch.setattr(np, "isfinite", lambda x: np.ones(1, bool))
    elif name == "column":
        broken = FastInterpreter._partials
        monkeypatch.setattr(
            FastInterpreter,
            "_partials",
            lambda self, *given: None if (p := broken(self, *given)) is None else p[..., ::-1],
        )
    else:
        monkeypatch.setitem(fast._MAKERS, "C_LOOP_END", lambda m, op, pc: lambda: pc + 1)

    def fails(program) -> bool:
        try:
            return first_difference(program) is not None
        except Exception:
            return True

    programs = (random_program(machine, seed, steps=24) for seed in range(60))
    found = next(program for program in programs if fails(program))
    assert len(shortest(found, fails).words) <= 40


def test_it_stops_where_it_is_asked_to(machine: Machine) -> None:
    program = random_program(machine, 3, trap=0.0)
    one, other = (FastInterpreter(machine, program.words, hbm=program.hbm) for _ in range(2))
    whole = one.carry_out()
    pieces = []
    while not other.state.halted:
        pieces.append(other.carry_out(most=7))
    assert sum(pieces) == whole == one.carried == other.carried
    assert difference(one.state, other.state) is None
    assert one.carry_out() == 0


def test_a_trap_changes_nothing(machine: Machine) -> None:
    program = random_program(machine, 8, trap=0.0)
    it = FastInterpreter(machine, [*program.words[:-1], 0x3F], hbm=program.hbm)
    with pytest.raises(TrapError, match="opcode 0x3f"):
        it.carry_out()
    assert it.state.pc == len(program.words) - 1
    assert it.carried > 10
    with pytest.raises(TrapError, match="opcode 0x3f"):
        it.carry_out()
