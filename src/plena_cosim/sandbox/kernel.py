"""Calls of the kernel that Python 3.11 has no function for."""

from __future__ import annotations

import ctypes
import os
from typing import Any

_LIBC = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 22, 24, 38


def libc(name: str, *arguments: Any) -> int:
    """Call a function of the C library.

    Args:
        name: such as "mount".
        *arguments: integers, bytes, None, or what ctypes knows.

    Returns:
        What it returns.

    Raises:
        OSError: it returned -1; with the name.
    """
    given = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    function = getattr(_LIBC, name)
    function.restype = ctypes.c_long if name == "syscall" else ctypes.c_int
    result: int = function(*given)
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def prctl(option: int, *arguments: Any) -> int:
    """Call prctl; missing arguments are 0."""
    padded = [*arguments, 0, 0, 0, 0][:4]
    return libc("prctl", option, *padded)


def syscall(number: int, *arguments: Any) -> int:
    """Make a call of the kernel by its number.

    Raises:
        OSError: it failed.
    """
    return libc("syscall", number, *arguments)
