"""The filter: numbers against the kernel's headers, and its answers by a machine of our own."""

from __future__ import annotations

import errno
import re
import struct
from pathlib import Path

import pytest

from plena_cosim.sandbox import seccomp
from plena_cosim.sandbox.calls import ARCHITECTURES, CALLS, NEWEST
from plena_cosim.sandbox.errors import SandboxError
from plena_cosim.sandbox.rules import ALWAYS, Rule, alone

X86, ARM = ARCHITECTURES["x86_64"], ARCHITECTURES["aarch64"]
ALLOW, KILL, FAIL = 0x7FFF0000, 0x80000000, 0x00050000
HEADERS = {
    0: ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", r"#define __NR_(\w+)\s+(\d+)"),
    1: ("/usr/include/asm-generic/unistd.h", r"#define __NR(?:3264)?_(\w+)\s+(\d+)"),
}


@pytest.mark.parametrize("column", HEADERS)
def test_numbers_are_those_of_the_headers(column: int) -> None:
    path, pattern = HEADERS[column]
    if not Path(path).exists():
        pytest.skip(f"no {path} here")
    there = {name: int(number) for name, number in re.findall(pattern, Path(path).read_text())}
    assert {name: there.get(name) for name in CALLS} == {
        name: numbers[column] for name, numbers in CALLS.items()
    }


def answer(rules: list[Rule], number: int, *arguments: int, machine: int = X86.audit) -> int:
    """Run the filter as the kernel would, on a call with these arguments."""
    padded = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("=IIQ6Q", number & 0xFFFFFFFF, machine, 0, *padded)
    place = accumulator = 0
    instructions = seccomp.program(rules, X86)
    while True:
        code, holds, fails, k = instructions[place]
        place += 1
        match code:
            case 0x20:
                (accumulator,) = struct.unpack_from("=I", data, k)
            case 0x54:
                accumulator &= k
            case 0x15:
                place += holds if accumulator == k else fails
            case 0x25:
                place += holds if accumulator > k else fails
            case 0x06:
                return k
            case _:
                raise AssertionError(code)


def denied(rules: list[Rule], call: str, *arguments: int) -> bool:
    return answer(rules, CALLS[call][0] or 0, *arguments) == FAIL | errno.EPERM


def test_what_is_not_named_is_allowed() -> None:
    for number in (0, 1, 9, 39, 59, 202, 231):  # read, write, mmap, getpid, execve, futex, exit
        assert answer(list(ALWAYS), number) == ALLOW


def test_other_machines_newer_calls_and_x32_are_not() -> None:
    assert answer([], 1, machine=0x40000003) == KILL  # i386
    assert answer([], NEWEST) == ALLOW
    assert answer([], NEWEST + 1) == FAIL | errno.ENOSYS
    assert answer([], 0x40000000 | 1) == FAIL | errno.ENOSYS
    assert answer(list(ALWAYS), 435) == FAIL | errno.ENOSYS  # clone3


def test_calls_that_always_fail() -> None:
    rules = list(ALWAYS)
    assert all(denied(rules, rule.call, 1, 2, 3) for rule in rules if rule.argument is None
               and rule.call != "clone3")  # fmt: skip


def test_arguments_decide() -> None:
    rules = list(ALWAYS)
    assert not denied(rules, "clone", 0x01200011)
    assert all(denied(rules, "clone", 0x11 | 1 << bit) for bit in (7, 17, 25, 26, 27, 28, 29, 30))
    assert not denied(rules, "socketpair", 1, 1 | 0o2000000)
    assert denied(rules, "socketpair", 2, 1)
    assert denied(rules, "socketpair", 1, 2)
    assert not denied(rules, "sendto", 3, 4, 5, 6, 0)
    assert denied(rules, "sendto", 3, 4, 5, 6, 1)
    assert denied(rules, "sendto", 3, 4, 5, 6, 1 << 40)
    assert [denied(rules, "fcntl", 3, each) for each in (7, 8, 9, 10, 15, 1030, 1031)] == [
        False, True, False, True, True, False, True,
    ]  # fmt: skip
    assert [denied(rules, "prctl", each) for each in (0, 1, 2, 4, 15)] == [
        False, True, False, True, False,
    ]  # fmt: skip
    assert not denied(rules, "kill", 99)
    assert not denied(rules, "prlimit64", 0)
    assert denied(rules, "prlimit64", 1)


def test_a_process_that_is_alone_reaches_itself_only() -> None:
    rules = [*ALWAYS, *alone(77)]
    for call in ("kill", "tgkill", "rt_sigqueueinfo"):
        assert not denied(rules, call, 77)
        assert denied(rules, call, 78)
        assert denied(rules, call, (1 << 64) - 1)
    assert denied(rules, "fork")
    assert denied(rules, "clone", 0x01200011)
    assert not denied(rules, "clone", 0x003D0F00)  # a thread


def test_both_machines_have_all_that_they_know() -> None:
    rules = [*ALWAYS, *alone(1)]
    for machine in (X86, ARM):
        named = {machine.number(rule.call) for rule in rules} - {None}
        compared = {k for code, _, _, k in seccomp.program(rules, machine) if code == 0x15}
        assert named <= compared


def test_an_unknown_machine_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(SandboxError, match="knows the calls of x86_64, aarch64, not of riscv64"):
        seccomp.architecture()
