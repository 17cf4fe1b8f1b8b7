"""Random programs: what they do, and the least of them that fails."""

from __future__ import annotations

from collections import Counter

import pytest

from plena_cosim.golden.isa import decode, get_revision
from plena_cosim.golden.isa.held_equal import MACHINES
from plena_cosim.golden.isa.interpreter import Interpreter
from plena_cosim.golden.isa.random_programs import Loop, random_program, shortest
from plena_cosim.golden.isa.trap import Cause, TrapError


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


def test_the_same_seed_is_the_same_program() -> None:
    one, other = (random_program(MACHINES[1], 5) for _ in range(2))
    assert one.words == other.words
    assert (one.hbm == other.hbm).all()
    assert random_program(MACHINES[1], 6).words != one.words


@pytest.mark.parametrize("seed", range(20))
def test_without_traps_programs_end(seed: int) -> None:
    """Steps set what they take: a program of legal steps ends, or has one loop too many."""
    machine = MACHINES[seed % 3]  # the heads of the fourth are no whole blocks: M_B… traps there
    program = random_program(machine, seed, steps=16, trap=0.0)
    it = Interpreter(machine, program.words, hbm=program.hbm)
    try:
        for _ in it.run(most=5000):
            pass
        cause = None
    except TrapError as trap:
        cause = trap.cause
    assert it.state.halted or cause in (Cause.END, Cause.LOOP)


def test_the_shortest_that_fails() -> None:
    """What fails where a row is multiplied is left with that instruction alone."""
    revision = get_revision("plena")

    def fails(program) -> bool:
        names = [decode(revision, word).operation.name for word in program.words]
        return "V_MUL_VV" in names

    programs = (random_program(MACHINES[0], seed, trap=0.0) for seed in range(100))
    found = next(program for program in programs if fails(program))
    least = shortest(found, fails)
    assert len(found.words) > 40
    assert not any(isinstance(node, Loop) for node in least.nodes)
    assert len(least.nodes) == 1
    assert fails(least)
