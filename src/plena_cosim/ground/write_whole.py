"""Files and folders that are there whole or not at all, whatever ends the process.

What is being written lies in a scratch folder beside its place, on the same disk, so that one
rename puts it there. A scratch folder carries the number of its process in its name
(`.<name>.<process>.<random>.tmp`): what a killed process leaves is never mistaken for the real
thing, and `remove_scratch` removes it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path

_NAME_ROOM = 100
"""Characters of the target's name in the scratch folder's: file systems take 255 in all."""


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a path to write to; what is there when the block ends becomes `path`.

    The given path has the name of `path`, in a scratch folder beside it, which is made with its
    parents. It becomes a file or a folder: a file is on the disk before it takes the place of an
    older one; a folder stays if another process has made it meanwhile. After an error or an
    interrupt nothing of it is left, and what was at `path` stays.

    Args:
        path: where it goes.

    Raises:
        OSError: the disk is full or not writable; callers say it in their own words.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{path.name[:_NAME_ROOM]}.{os.getpid()}."
    scratch = Path(tempfile.mkdtemp(prefix=prefix, suffix=".tmp", dir=path.parent))
    try:
        inside = scratch / path.name
        yield inside
        if not inside.is_dir():
            with inside.open("rb") as file:
                os.fsync(file.fileno())
            inside.replace(path)
        elif not path.exists():
            inside.rename(path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file; see `whole`.

    Args:
        path: of the file; its folder is made where there is none.
        content: text is written as UTF-8.

    Raises:
        OSError: the disk is full or not writable.
    """
    with whole(path) as scratch:
        scratch.write_bytes(content.encode() if isinstance(content, str) else content)


SCRATCH = ".*.tmp"
"""What scratch folders are called, as a pattern."""


def scratch_of(path: Path) -> list[Path]:
    """Return the scratch folders of `path`, of any process, also of those that are no more."""
    return list(path.parent.glob(f".{escape(path.name[:_NAME_ROOM])}.*.tmp"))


def remove_scratch(folder: Path) -> None:
    """Remove what processes that are no more were writing into a folder when they were killed."""
    for path in folder.glob(SCRATCH):
        owner = path.name.split(".")[-3]
        if owner.isdigit() and not runs(int(owner)):
            shutil.rmtree(path, ignore_errors=True)


def runs(process: int) -> bool:
    """Say whether there is a process of this number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
