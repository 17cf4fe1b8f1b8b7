"""Things made once: content-addressed folders in the user's cache, never half-written."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from plena_cosim.ground.errors import PlenaError
from plena_cosim.ground.write_whole import scratch_of, whole


class BuildError(PlenaError, RuntimeError):
    """A build did not finish; nothing of it is left in the cache."""


def build_once(key: str, make: Callable[[Path], None], *, root: Path, what: str) -> Path:
    """Return the folder `root/key`, made by `make` if it is not there yet.

    `make` fills a fresh scratch folder, which is renamed when `make` has returned. A folder named
    `key` is therefore always whole, whatever happened: an exception, a full disk, Ctrl-C, kill -9.
    Several processes that want the same key wait for the one that makes it.

    Args:
        key: hash of everything the result depends on; a valid file name.
        make: fills the folder that it is given; raises to give up.
        root: the cache folder, created if it does not exist.
        what: words for messages, such as "plena_fp_mul (player)".

    Raises:
        BuildError: the disk is full or the folder cannot be written; names the path and the room
            that is left. What `make` raises is passed on, unless the disk is full by then.
    """
    final = root / key
    if final.is_dir():
        return final
    with explain_disk(root, what):
        locks = root / ".locks"
        locks.mkdir(parents=True, exist_ok=True)
        with _lock(locks / key):
            if final.is_dir():
                return final
            for stale in scratch_of(final):  # of a killed process: nobody else holds the lock
                shutil.rmtree(stale, ignore_errors=True)
            _sweep(root, locks)
            with whole(final) as scratch:
                scratch.mkdir()
                make(scratch)
    return final


DISK_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}


@contextlib.contextmanager
def explain_disk(path: Path, what: str) -> Iterator[None]:
    """Turn "cannot write" errors into a BuildError with the path and the free space."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_ERRNOS:
            raise
        raise disk_error(path, what, error.strerror or str(error)) from error


def disk_error(path: Path, what: str, reason: str) -> BuildError:
    """Return the error for a build that could not be written to `path`.

    Args:
        path: where it was to go.
        what: words for the build, such as "plena_fp_mul (player)".
        reason: what the system said.
    """
    return BuildError(
        f"cannot build {what}: {reason} under {path} ({free_text(path)} free); nothing "
        f"half-written was kept. Free some space or set XDG_CACHE_HOME to a folder on another disk."
    )


def free_text(path: Path) -> str:
    """Return the free space of the disk that `path` is (or would be) on, in MiB."""
    existing = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    return f"{shutil.disk_usage(existing).free / 2**20:.1f} MiB"


def _sweep(root: Path, locks: Path) -> None:
    """Remove what killed processes left of other keys: nobody holds the lock of such a key."""
    for scratch in root.glob(".*.tmp"):
        key = scratch.name.removeprefix(".").rsplit(".", 3)[0]
        with (locks / key).open("w") as handle, contextlib.suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(scratch, ignore_errors=True)


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on `path`; the kernel lets go of it when the process dies."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
