"""What a running program uses, as far as no limit of the kernel counts it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_UNKNOWN = 1 << 62
"""Where something is hidden from us: more than any limit."""


def memory_used(pid: int) -> int:
    """Return the bytes that a process and its descendants hold in memory for themselves.

    Args:
        pid: of the process.
    """
    total = 0
    for each in _descendants(pid):
        try:
            words = Path(f"/proc/{each}/statm").read_text().split()
        except OSError:  # it has ended
            continue
        total += (int(words[1]) - int(words[2])) * _PAGE
    return total


def _descendants(pid: int) -> Iterator[int]:
    yield pid
    try:
        tasks = Path(f"/proc/{pid}/task").iterdir()
        children = [(task / "children").read_text() for task in tasks]
    except OSError:
        return
    for child in " ".join(children).split():
        yield from _descendants(int(child))


def scratch_used(folder: Path, pid: int) -> int:
    """Return the bytes of all files in a folder, and of those that a process holds without a name.

    Args:
        folder: of scratch files; a folder in it that cannot be read counts as too much.
        pid: of the one process that writes there.
    """
    return _below(folder) + _nameless(pid)


def _below(folder: Path) -> int:
    total = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                total += 512 * status.st_blocks + _PAGE
                if entry.is_dir(follow_symlinks=False):
                    total += _below(Path(entry.path))
    except FileNotFoundError:
        return total
    except OSError:
        return _UNKNOWN
    return total


def _nameless(pid: int) -> int:
    total = 0
    try:
        for name in Path(f"/proc/{pid}/fd").iterdir():
            status = name.stat()
            if stat.S_ISREG(status.st_mode) and status.st_nlink == 0:
                total += 512 * status.st_blocks
    except OSError:  # closed, or ended, meanwhile
        return total
    return total
