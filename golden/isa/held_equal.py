"""Two interpreters side by side: the quick one is held equal to the golden one."""

from __future__ import annotations

from dataclasses import replace

from ..formats import get_format
from ..hardware import HardwareConfig
from .fast import FastInterpreter
from .interpreter import Interpreter
from .machine import Machine, Memories
from .random_programs import RandomProgram
from .state import difference
from .trap import TrapError

_MOST = 2000
"""Instructions of one program."""


def _machine(*, hlen: int = 8, own: tuple[str, ...], **formats: str) -> Machine:
    types = {key: formats.pop(key) for key in ("weight", "activation", "kv")}
    hardware = HardwareConfig(mlen=16, vlen=16, blen=4, hlen=hlen)
    hardware = replace(
        hardware, **{f"{key}_format": get_format(name) for key, name in formats.items()}
    )
    memories = Memories(
        vector_rows=32, matrix_tiles=4, int_words=64, fp_words=64, hbm_bytes=1 << 14
    )
    chosen = {key: get_format(name, block_size=8) for key, name in types.items()}
    others = [
        get_format(name, block_size=8) if name.startswith("mx") else get_format(name)
        for name in own
    ]
    return Machine(hardware=hardware, own=tuple(others), memories=memories, **chosen)


MACHINES = (
    _machine(
        weight="mxint4",
        activation="mxint8",
        kv="mxfp8_e4m3",
        own=("mxint16", "mxfp4_e2m1", "fp12"),
        vector="bf16",
    ),
    _machine(
        weight="mxfp8_e5m2",
        activation="mxfp8_e4m3",
        kv="mxint8",
        own=("e5m6", "mxfp6_e2m3", "fp16"),
        vector="fp16",
        hlen=16,
    ),
    _machine(
        weight="mxint8",
        activation="mxint16",
        kv="mxint4",
        own=("mxfp6_e3m2",),
        vector="e4m7",
        accumulator="bf16",
        reduction="fp16",
    ),
    _machine(
        weight="mxint4",
        activation="mxint4",
        kv="mxint4",
        own=(),
        vector="e4m3",
        accumulator="q16.16",
        reduction="e4m3",
        hlen=4,
    ),
)
"""Small ones, of several formats."""


def first_difference(program: RandomProgram, *, most: int = _MOST) -> str | None:
    """Run a program on both, and compare the state after every instruction.

    Args:
        program: what runs.
        most: instructions.

    Returns:
        Where the two part, in words; None where they do not.
    """
    words = program.words
    one = Interpreter(program.machine, words, hbm=program.hbm)
    other = FastInterpreter(program.machine, words, hbm=program.hbm)
    for number in range(most):
        if one.state.halted:
            return None
        word = one.state.pc
        traps: list[str | None] = [None, None]
        try:
            one.step()
        except TrapError as trap:
            traps[0] = str(trap)
        try:
            other.carry_out(most=1)
        except TrapError as trap:
            traps[1] = str(trap)
        where = f"instruction {number}, word {word}"
        if traps[0] != traps[1]:
            return f"{where}: {traps[0]} and {traps[1]}"
        found = difference(one.state, other.state)
        if found is not None:
            return f"{where}: {found}"
        if traps[0]:
            return None
    return None
