"""alone: one process at a time in a folder of results."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from plena_cosim.sources import TextSourceError


@contextmanager
def alone(folder: Path, *, command: str) -> Iterator[None]:
    """Make a folder and keep other processes out of it while the block runs.

    Args:
        folder: of the results.
        command: what the message calls the others, such as "plena ladder".

    Raises:
        TextSourceError: another process is at work there, or the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise TextSourceError(f"cannot write into {folder}: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise TextSourceError(
                f"another {command} is writing into {folder}; wait for it, or give another --out"
            ) from None
        yield
