"""Folders for temporary files, which do not outlive their process for long, however that ends."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .write_whole import runs


@contextmanager
def scratch_folder(what: str, parent: Path | None = None) -> Iterator[Path]:
    """Give an empty folder that is gone when the block ends.

    Its name tells the process that made it: what killed processes have left of the same kind is
    removed first.

    Args:
        what: the kind, a word in its name.
        parent: where it is made; None: where the system has temporary files.
    """
    root = parent or Path(tempfile.gettempdir())
    start = f"plena-{what}-"
    for left in root.glob(f"{start}[0-9]*-*"):
        owner = left.name.removeprefix(start).partition("-")[0]
        if owner.isdigit() and not runs(int(owner)):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{start}{os.getpid()}-", dir=root) as folder:
        yield Path(folder)
