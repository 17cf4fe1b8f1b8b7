"""The quick interpreter is the golden one, after every instruction."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest

from plena_cosim import golden
from plena_cosim.golden.isa import fast
from plena_cosim.golden.isa.fast import FastInterpreter
from plena_cosim.golden.isa.held_equal import MACHINES, first_difference
from plena_cosim.golden.isa.interpreter import Interpreter
from plena_cosim.golden.isa.machine import Machine
from plena_cosim.golden.isa.random_programs import random_program, shortest
from plena_cosim.golden.isa.state import difference
from plena_cosim.golden.isa.trap import Cause, TrapError

PROGRAMS, STEPS, PIECES = 1000, 10, 10


@pytest.mark.parametrize("piece", range(PIECES))
def test_random_programs(piece: int) -> None:
    """A thousand programs on machines of several formats."""
    for seed in range(piece, PROGRAMS, PIECES):
        machine = MACHINES[seed // PIECES % len(MACHINES)]
        found = first_difference(random_program(machine, seed, steps=STEPS))
        assert found is None, f"random_program(…, {seed}, steps={STEPS}): {found}"


def test_programs_do_everything() -> None:
    """Every instruction of tiers 1 and 2 is carried out, and every cause of a trap met."""
    seen: Counter[str] = Counter()
    for seed in range(400):
        program = random_program(MACHINES[0], seed, steps=16, trap=0.02)
        it = Interpreter(MACHINES[0], program.words, hbm=program.hbm)
        try:
            for step in it.run(most=600):
                seen[step.instruction.operation.name] += 1
        except TrapError as trap:
            seen[trap.cause.name] += 1
    executed = [row.name for row in it.revision.operations.values() if row.tier < 3]
    assert [name for name in executed if not seen[name]] == []
    assert [cause.name for cause in Cause if not seen[cause.name]] == []


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
