"""judge: whether a program does what its test wants, tried in the sandbox."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from plena_cosim.sandbox.limits import Limits
from plena_cosim.sandbox.method import Method
from plena_cosim.sandbox.program import Ended, Program
from plena_cosim.sandbox.run import run

# What the program prints goes nowhere, and its exit status says nothing: it may leave before its
# test. It is right if the word that it is not shown is written after its end.
_JUDGE = """
import os, sys
word = sys.stdin.readline()
said = os.dup(1)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
source = open("program.py", encoding="utf-8").read()
try:
    exec(compile(source, "program.py", "exec"), {"__name__": "program"})
except BaseException as error:
    print(type(error).__name__, str(error)[:200], file=sys.stderr)
    os._exit(1)
os.write(said, word.encode())
os._exit(0)
"""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What came of a program.

    Attributes:
        right: whether it came to the end of its test.
        why: what was raised, or which limit was passed; empty for a right one.
        seconds: of the program.
    """

    right: bool
    why: str
    seconds: float


def judge(source: str, *, limits: Limits, method: Method) -> Verdict:
    """Return what came of a program and its test.

    Args:
        source: both.
        limits: what it may use.
        method: what isolates it.

    Raises:
        SandboxError: it could not be started.
    """
    word = secrets.token_hex(16)
    outcome = run(
        Program(
            arguments=("judge.py",),
            files={
                "judge.py": _JUDGE.encode(),
                "program.py": source.encode("utf-8", errors="replace"),
            },
            stdin=f"{word}\n".encode(),
        ),
        limits=limits,
        method=method,
    )
    right = outcome.succeeded and outcome.stdout == f"{word}\n".encode()
    why = outcome.ended.value
    if outcome.ended is Ended.EXIT:
        said = outcome.stderr.decode(errors="replace").strip().splitlines()
        why = said[-1] if said else f"left with status {outcome.status}"
    return Verdict(right=right, why="" if right else why, seconds=outcome.seconds)
