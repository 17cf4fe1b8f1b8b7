"""What runs in the new process: it locks itself in, and becomes the program.

    python -I -S -c "… launch.main()" '{"method": …}'

The program's own three files are as the caller opened them. What goes wrong before the program
starts, and in namespaces the status of its end, is written to the file `report`, a line each.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from . import capabilities, landlock, namespaces, rules, seccomp
from .kernel import PR_SET_PDEATHSIG, prctl, syscall
from .method import Method
from .program import SCRATCH

BEGINS = "begins"
"""The line of a report after which only the program itself can fail."""

_CLOSE_RANGE = 436  # the same on every architecture

_FIRST_USER, _USERS = 61184, 4096
"""Numbers that no user of a system has for long; each program of root's gets one of them."""


def main() -> None:
    """Run what the first argument says."""
    given = json.loads(sys.argv[1])
    try:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != given["parent"]:
            os._exit(1)
        _run(given)
    except Exception as error:
        os.write(given["report"], f"error {type(error).__name__}: {error}\n".encode())
    os._exit(1)


def _run(given: dict[str, Any]) -> None:
    report = 3  # where no file of the program's can be
    os.dup2(given["report"], report, inheritable=False)
    given["report"] = report
    syscall(_CLOSE_RANGE, 4, 0x7FFFFFFF, 0)
    method = Method(given["method"])
    box = given["box"]
    user, others = None, 0
    if method is Method.NAMESPACES:
        if namespaces.leave():
            user = _FIRST_USER + os.getpid() % _USERS
        else:
            others = 2  # this process and the first of the namespace count, too
        namespaces.fork_first()
        namespaces.build_root(
            Path(given["root"]), Path(box), given["readable"], given["limits"]["scratch_bytes"]
        )
        box = namespaces.BOX
        child = os.fork()
        if child:
            _wait(child, report)
    scratch = f"{box}/{SCRATCH}"
    os.chdir(box)
    _limit(given["limits"])
    filtered = list(rules.ALWAYS)
    if method is not Method.NONE:
        capabilities.give_up(user)
    if method is Method.NAMESPACES:
        _set(resource.RLIMIT_NPROC, given["limits"]["processes"] + others)
    if method is Method.LANDLOCK:
        devices = [f"/dev/{name}" for name in namespaces.DEVICES]
        landlock.restrict([*given["readable"], *devices, box], ["/dev/null", scratch])
        filtered += rules.alone(os.getpid())
    os.umask(0o077)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    os.write(report, f"{BEGINS}\n".encode())
    if method is not Method.NONE:
        seccomp.restrict(filtered)
    os.execve(given["command"][0], given["command"], _environment(scratch))


def _wait(child: int, report: int) -> None:
    """Wait for the program as the first process of a namespace: whatever has no parent is ours."""
    while True:
        ended, status = os.wait()
        if ended == child:
            os.write(report, f"status {os.waitstatus_to_exitcode(status)}\n".encode())
            os._exit(0)


def _environment(scratch: str) -> dict[str, str]:
    return {
        "HOME": scratch,
        "TMPDIR": scratch,
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
    }


def _limit(limits: dict[str, Any]) -> None:
    """Set every limit of resources that the program cannot raise again."""
    _set(resource.RLIMIT_CPU, limits["cpu_s"], 1)
    _set(resource.RLIMIT_AS, limits["memory_bytes"])
    _set(resource.RLIMIT_FSIZE, limits["file_bytes"])
    _set(resource.RLIMIT_NOFILE, limits["open_files"])
    for nothing in (resource.RLIMIT_CORE, resource.RLIMIT_MEMLOCK, resource.RLIMIT_MSGQUEUE):
        _set(nothing, 0)


def _set(which: int, soft: int, more: int = 0) -> None:
    """Set a limit, and one that cannot be passed; a smaller one that is there stays."""
    _, hard = resource.getrlimit(which)
    there = hard if hard != resource.RLIM_INFINITY else soft + more
    resource.setrlimit(which, (min(soft, there), min(soft + more, there)))
