"""namespaces: a world of its own for a process, in which nothing else is.

Source: Linux, `namespaces(7)`, `user_namespaces(7)`, `pivot_root(2)`, `mount_setattr(2)`.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import struct
from collections.abc import Iterable
from pathlib import Path

from .calls import CALLS
from .kernel import PR_SET_PDEATHSIG, libc, prctl, syscall
from .program import SCRATCH
from .seccomp import architecture

BOX = "/box"
"""The folder of the program, as it sees it."""

_NEW = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x20000000 | 0x40000000
"""Files, cgroups, host name, shared memory, processes, network."""
_NEW_USER = 0x10000000
_INSIDE = 1000
_BIND, _REC, _PRIVATE = 4096, 16384, 1 << 18
_NOSUID, _NODEV, _NOEXEC = 2, 4, 8
_DETACH = 2
_MOUNT_SETATTR = 442  # the same on every architecture
_HERE, _RECURSIVE = -100, 0x8000
_RDONLY_ATTR, _NOSUID_ATTR, _NODEV_ATTR = 1, 2, 4
DEVICES = ("null", "zero", "full", "random", "urandom")


def leave() -> bool:
    """Leave the system's namespaces; what is forked next is the first process of the new ones.

    Returns:
        Whether this process is root's, which needs no namespace of users; the program must become
        another user then.

    Raises:
        OSError: the kernel does not allow it.
    """
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        libc("unshare", _NEW)
        return True
    libc("unshare", _NEW | _NEW_USER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{_INSIDE} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{_INSIDE} {group} 1")
    return False


def fork_first() -> None:
    """Fork the first process of the new namespaces, which goes on; with it all of them end.

    The process that was there waits for it, and ends; if that is killed, the first one is, too.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(reader)
        os.waitpid(child, 0)
        os._exit(0)
    os.close(writer)
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if select.select([reader], [], [], 0)[0]:  # it was killed before
        os._exit(1)
    os.close(reader)


def build_root(place: Path, box: Path, readable: Iterable[str], scratch_bytes: int) -> None:
    """Make a root that shows a few things, none to be changed, and go there.

    Args:
        place: an empty folder, for the new root.
        box: the files of the program, with a folder for its scratch files.
        readable: files and folders that are shown under their own names; links stay links.
        scratch_bytes: of all scratch files.

    Raises:
        OSError: the kernel refused.
    """
    _mount(None, "/", _REC | _PRIVATE)
    _tmpfs(place, "size=1m,mode=755", _NOSUID)
    done: set[Path] = set()
    for name in sorted(readable):
        _show(Path(name), place, done)
    for name in DEVICES:
        _bind(Path("/dev") / name, place / "dev" / name)
    _bind(box, place / BOX.lstrip("/"))
    _protect(place / BOX.lstrip("/"))
    options = f"size={scratch_bytes},nr_inodes={max(16, scratch_bytes // 4096)},mode=1777"
    _tmpfs(place / BOX.lstrip("/") / SCRATCH, options, _NOSUID | _NODEV | _NOEXEC)
    os.chdir(place)
    syscall(CALLS["pivot_root"][architecture().column] or 0, b".", b".")
    libc("umount2", b".", _DETACH)
    os.chdir("/")
    _set_attributes("/", _RDONLY_ATTR | _NOSUID_ATTR, 0)


def _show(source: Path, place: Path, done: set[Path]) -> None:
    """Show a file or folder under its own name, and the links on the way to it."""
    if done.intersection((source, *source.parents)):
        return
    for above in (*reversed(source.parents[:-1]), source):
        if not above.is_symlink():
            continue
        link = place / above.relative_to("/")
        if not link.is_symlink():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(above.readlink())
        leads = Path(os.path.normpath(above.parent / above.readlink()))
        _show(leads / source.relative_to(above), place, done)
        return
    target = place / source.relative_to("/")
    _bind(source, target)
    _protect(target)
    done.add(source)


def _bind(source: Path, target: Path) -> None:
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    _mount(str(source), str(target), _BIND | _REC)


def _protect(target: Path) -> None:
    """Let nothing be written to what is mounted there, and below."""
    _set_attributes(str(target), _RDONLY_ATTR | _NOSUID_ATTR | _NODEV_ATTR, _RECURSIVE)


def _set_attributes(target: str, attributes: int, flags: int) -> None:
    given = ctypes.create_string_buffer(struct.pack("=4Q", attributes, 0, 0, 0), 32)
    syscall(_MOUNT_SETATTR, _HERE, target.encode(), flags, ctypes.byref(given), 32)


def _mount(source: str | None, target: str, flags: int) -> None:
    given = None if source is None else os.fsencode(source)
    libc("mount", given, os.fsencode(target), None, flags, None)


def _tmpfs(target: Path, options: str, flags: int) -> None:
    libc("mount", b"plena", os.fsencode(target), b"tmpfs", flags, options.encode())
