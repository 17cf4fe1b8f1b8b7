"""Nothing that an instruction does not read changes what it writes."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from plena_cosim.golden.isa.interpreter import Interpreter
from plena_cosim.golden.isa.random_programs import random_program
from plena_cosim.golden.isa.reads import reads
from plena_cosim.golden.isa.trap import TrapError


def _changed(it: Interpreter, read: list, draw: np.random.Generator) -> None:
    """Give everything that is not read another value."""
    state = it.state
    places = {
        (space, at + more) for space, at, n in read for more in range(n if _many(space) else 1)
    }
    for space, low in (("gp", 1), ("f", 1), ("a", 0)):
        registers = getattr(state, space)
        for number in range(low, len(registers)):
            if (space, number) not in places:
                registers[number] = int(draw.integers(1 << 30))
    for space, array in (("vector", state.vector), ("int", state.ints), ("fp", state.fps)):
        kept = [at for name, at in places if name == space and at < len(array)]
        other = draw.integers(0, 256, array.shape).astype(array.dtype)
        other[kept] = array[kept]
        array[...] = other
    for name in ("scale", "stride", "v_mask"):
        if (name, 0) not in places:
            setattr(state, name, int(draw.integers(1 << 20)))


def _many(space: str) -> bool:
    return space in ("vector", "fp", "hbm")


@pytest.mark.parametrize("seed", range(40))
def test_random_steps(machine, seed: int) -> None:
    program = random_program(machine, seed, steps=12, trap=0.0)
    it, draw = Interpreter(machine, program.words, hbm=program.hbm), np.random.default_rng(seed)
    while (instruction := it.following()) is not None and not it.state.halted:
        if instruction.operation.name.endswith("_WO"):  # the rest of a row stays
            it.step()
            continue
        read = [each if each[2] is not None else (*each[:2], 1) for each in reads(it, instruction)]
        if any(name == "fp" and not isinstance(n, int) for name, _, n in read):
            read = [(*each[:2], 1) for each in read]
        one = [
            (s, at, 1 if s == "fp" and instruction.operation.name == "S_LD_FP" else n)
            for s, at, n in read
        ]
        other = copy.deepcopy(it)
        _changed(other, one, draw)
        wanted, found = it.step().writes, other.step().writes
        assert [w[:2] for w in wanted] == [w[:2] for w in found], instruction
        for ours, theirs in zip(wanted, found, strict=True):
            if ours.space not in ("sums", "tile"):
                assert np.array_equal(ours.data, theirs.data), (instruction, ours, theirs)


def test_a_trap_reads_nothing(machine) -> None:
    it = Interpreter(machine, [0x3F])
    assert it.following() is None
    with pytest.raises(TrapError):
        it.step()
