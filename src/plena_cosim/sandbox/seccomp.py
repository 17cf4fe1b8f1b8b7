"""seccomp: a filter of the kernel's calls, as a program of the classic BPF machine.

Source: Linux, `Documentation/userspace-api/seccomp_filter.rst`, `include/uapi/linux/filter.h`.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from collections.abc import Iterable, Sequence

from .calls import ARCHITECTURES, NEWEST, Architecture
from .errors import SandboxError
from .kernel import PR_SET_SECCOMP, prctl
from .rules import WORD, Rule

Instruction = tuple[int, int, int, int]
"""Code, how many instructions to skip where a comparison holds and where not, and a number."""

LOAD, AND, EQUAL, GREATER, ANSWER = 0x20, 0x54, 0x15, 0x25, 0x06
KILL, FAIL, ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
NUMBER_AT, ARCHITECTURE_AT, ARGUMENTS_AT = 0, 4, 16
_FILTER = 2


def architecture() -> Architecture:
    """Return the machine's architecture.

    Raises:
        SandboxError: its calls are not known.
    """
    name = platform.machine()
    if name not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise SandboxError(f"the sandbox knows the calls of {known}, not of {name}")
    return ARCHITECTURES[name]


def program(rules: Iterable[Rule], machine: Architecture) -> list[Instruction]:
    """Return the filter: a call that no rule names is allowed.

    Args:
        rules: several of one call add up.
        machine: whose numbers are asked for; calls by another one's end the process.
    """
    by_number: dict[int, list[Rule]] = {}
    for rule in rules:
        number = machine.number(rule.call)
        if number is not None:
            by_number.setdefault(number, []).append(rule)
    made: list[Instruction] = [
        (LOAD, 0, 0, ARCHITECTURE_AT),
        (EQUAL, 1, 0, machine.audit),
        (ANSWER, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER_AT),
        (GREATER, 0, 1, NEWEST),
        (ANSWER, 0, 0, FAIL | errno.ENOSYS),
    ]
    for number, those in by_number.items():
        answers = [part for rule in those for part in _answer(rule)]
        answers.append((ANSWER, 0, 0, ALLOW))
        made += [(EQUAL, 0, len(answers), number), *answers]
    return [*made, (ANSWER, 0, 0, ALLOW)]


def _answer(rule: Rule) -> list[Instruction]:
    """Return the instructions that fail a call; those of an argument go on where it may pass."""
    fail = (ANSWER, 0, 0, FAIL | rule.error)
    if rule.argument is None:
        return [fail]
    made: list[Instruction] = [
        (LOAD, 0, 0, ARGUMENTS_AT + 8 * rule.argument + 4 * rule.high),
        *([(AND, 0, 0, rule.mask)] if rule.mask != WORD else []),
    ]
    last = len(rule.values) - 1
    for place, value in enumerate(rule.values):
        if rule.allowed:  # past the answer
            made.append((EQUAL, last - place + 1, 0, value))
        else:  # to the answer; the last one past it
            made.append((EQUAL, last - place, int(place == last), value))
    return [*made, fail]


def restrict(rules: Iterable[Rule]) -> None:
    """Put a filter on this process, for good; it needs no_new_privs, or root.

    Args:
        rules: what it denies.

    Raises:
        OSError: the kernel takes no filters.
    """
    instructions: Sequence[Instruction] = program(rules, architecture())
    packed = b"".join(struct.pack("=HBBI", *each) for each in instructions)
    buffer = ctypes.create_string_buffer(packed, len(packed))

    class Filter(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))

    made = Filter(len(instructions), ctypes.cast(buffer, ctypes.c_void_p))
    prctl(PR_SET_SECCOMP, _FILTER, ctypes.byref(made))
