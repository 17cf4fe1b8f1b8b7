"""A program's file run to its end: what `plena run` does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from plena_cosim.ground.write_whole import whole

from ..formats import FormatError
from .assembler import assemble
from .debugger import Debugger
from .dump import dumped
from .fast import FastInterpreter
from .interpreter import Interpreter
from .machine import Machine
from .machine_code import LAYOUTS, read_assembly, read_machine_code
from .revision import Revision, get_revision
from .state import Array
from .trace import Trace, first_difference
from .trap import TrapError

DIFFERS, TRAPPED = 1, 3
"""Exit codes."""
_PIECE = 1 << 20


def run_program(
    program: Path,
    *,
    machine: Path,
    hbm: Path | None = None,
    dump: Sequence[str] = (),
    trace: Path | None = None,
    against: Path | None = None,
    most: int | None = None,
    revision: str = "plena",
    upstream: bool = False,
    commands: Iterator[str] | None = None,
    golden: bool = False,
    hbm_out: Path | None = None,
    show: Callable[[str], object] = print,
) -> int:
    """Run a program and show what was asked for.

    Args:
        program: assembly, or machine code by its name's ending.
        machine: its file.
        hbm: bytes from address 0 on.
        dump: parts to show at the end, see `dumped`.
        trace: file for a line of JSON an instruction.
        against: another run's trace.
        most: instructions; None: no limit.
        revision: the instruction set.
        upstream: operands lie where the public assembler puts them.
        commands: of the debugger, which then decides what is carried out; None: it is not asked.
        golden: by the golden interpreter, also where no trace asks for it.
        hbm_out: file for HBM at the end, up to its last byte that is not 0.
        show: takes a line of text.

    Returns:
        0; 1 where the run differs from `against`; 3 at a trap, which is shown.

    Raises:
        FormatError: a file cannot be read or written, or a part is not there.
        AssemblyError: the program has mistakes.
    """
    model = Machine.load(machine)
    table = get_revision(revision)
    words, lines_of = read_program(program, table, upstream=upstream)
    traced = trace is not None or against is not None
    kind = Interpreter if traced or golden or commands is not None else FastInterpreter
    made = kind(model, words, revision=table, hbm=_memory(hbm, model))
    for part in dump:  # that it is there is known before the run
        next(dumped(part, made.state, model), None)
    if commands is not None:
        source = read_assembly(program).split("\n") if lines_of else []
        texts = {word: source[line - 1].strip() for word, line in enumerate(lines_of)}
        debugger = Debugger(made, lines=texts, show=show)
        debugger.talk(commands)
        return TRAPPED if debugger.trapped else 0
    lines: list[str] = []
    writer, steps, status = Trace(made), 0, 0
    try:
        if isinstance(made, FastInterpreter):
            made.carry_out(most=most)
        while not isinstance(made, FastInterpreter) and not made.state.halted and steps != most:
            if traced:
                lines.append(writer.step())
            else:
                made.step()
            steps += 1
    except TrapError as trap:
        show(f"trap: {trap}")
        status = TRAPPED
    steps = made.carried if isinstance(made, FastInterpreter) else steps
    show(f"{steps} instructions{'' if made.state.halted or status else '; not at its end'}")
    if hbm_out is not None:
        with whole(hbm_out) as path:
            made.state.hbm[: _used(made.state.hbm)].tofile(path)
    if trace is not None:
        with whole(trace) as path:
            path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    if against is not None:
        found = first_difference(lines, _text(against).splitlines())
        show("the traces are equal" if found is None else f"the traces differ: {found}")
        status = status or (DIFFERS if found else 0)
    for part in dump:
        for line in dumped(part, made.state, model):
            show(line)
    return status


def read_program(
    path: Path, revision: Revision, *, upstream: bool = False
) -> tuple[Sequence[int], Sequence[int]]:
    """Return the words of a program's file, and the line of each; no lines of machine code.

    Args:
        path: assembly, or machine code by its name's ending.
        revision: the instruction set.
        upstream: operands lie where the public assembler puts them.

    Raises:
        FormatError: the file cannot be read.
        AssemblyError: the program has mistakes.
    """
    if path.suffix not in LAYOUTS.values():
        made = assemble(read_assembly(path), revision, source=str(path))
        return made.words, made.lines
    if upstream:
        raise FormatError(
            "machine code with upstream's operands: disassemble it with --upstream-compat, "
            "and run the assembly"
        )
    return read_machine_code(path), ()


def _memory(path: Path | None, machine: Machine) -> Array | None:
    if path is None:
        return None
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise FormatError(f"memory image {path} cannot be read: {error.strerror}") from None
    if data.size > machine.memories.hbm_bytes:
        raise FormatError(
            f"memory image {path} has {data.size} bytes; the machine has "
            f"{machine.memories.hbm_bytes} ([memory] hbm_bytes)"
        )
    return data


def _used(memory: Array) -> int:
    """Return the bytes up to the last that is not 0."""
    for start in range((memory.size - 1) // _PIECE * _PIECE, -1, -_PIECE):
        found = np.flatnonzero(memory[start : start + _PIECE])
        if found.size:
            return start + int(found[-1]) + 1
    return 0


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise FormatError(f"trace {path} cannot be read: {error.strerror}") from None
