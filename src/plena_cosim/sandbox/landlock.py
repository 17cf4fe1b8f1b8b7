"""landlock: which files a process may reach, from now on.

Source: Linux, `Documentation/userspace-api/landlock.rst`, `include/uapi/linux/landlock.h`.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable

from .kernel import syscall

OLDEST = 3
"""The version that also knows truncation (Linux 6.2): before it, what is written to can leak."""

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same on every architecture
_VERSION = 1
_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << bit for bit in range(6))
MAKE_CHAR, MAKE_DIR, MAKE_REG, MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK = (1 << bit for bit in range(6, 12))
MAKE_SYM, REFER, TRUNCATE, IOCTL_DEV = (1 << bit for bit in range(12, 16))
_OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV

READ = EXECUTE | READ_FILE | READ_DIR
WRITE = (
    READ_FILE | READ_DIR | WRITE_FILE | TRUNCATE | REFER
    | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_SYM
)  # fmt: skip


def version() -> int:
    """Return the version of the kernel's Landlock; 0 where it has none."""
    try:
        return syscall(_CREATE, None, 0, _VERSION)
    except OSError:
        return 0


def restrict(read: Iterable[str], write: Iterable[str]) -> None:
    """Take every file but some out of this process's reach, for good; it needs no_new_privs.

    TCP and, as far as the kernel's version goes, signals and sockets without a file are denied too.

    Args:
        read: files and folders that it may read, and run, with all in them.
        write: those that it may write, too.

    Raises:
        OSError: the kernel has no Landlock, or a file is not there.
    """
    known = version()
    files = (1 << 16) - 1 if known >= 5 else (1 << 15) - 1
    attributes = struct.pack("=Q", files)
    if known >= 4:
        attributes += struct.pack("=Q", 0b11)  # bind and connect of TCP
    if known >= 6:
        attributes += struct.pack("=Q", 0b11)  # abstract sockets, signals
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    rules = syscall(_CREATE, ctypes.byref(buffer), len(attributes), 0)
    for path in read:
        _allow(rules, path, READ)
    for path in write:
        _allow(rules, path, WRITE)
    syscall(_RESTRICT, rules, 0)
    os.close(rules)


def _allow(rules: int, path: str, rights: int) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    if not stat.S_ISDIR(os.fstat(place).st_mode):
        rights &= _OF_FILES
    beneath = ctypes.create_string_buffer(struct.pack("=Qi", rights, place), 12)
    syscall(_ADD, rules, _BENEATH, ctypes.byref(beneath), 0)
    os.close(place)
