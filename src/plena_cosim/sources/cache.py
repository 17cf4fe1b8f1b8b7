"""Where downloads live, and how something gets there whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import TextSourceError


def default_cache() -> Path:
    """Return plena-cosim's folder in the user's cache directory (XDG_CACHE_HOME or ~/.cache)."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "plena-cosim"


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """Give a scratch path beside `target`, and rename it to `target` if the block succeeds.

    An error or an interrupt leaves nothing at `target`; scratch left by a killed process is removed
    by nobody but never mistaken for the real thing.

    Raises:
        TextSourceError: the disk is full or not writable.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise TextSourceError(f"cannot write into {target.parent}: {error.strerror}") from None
    try:
        inside = scratch / target.name
        yield inside
        if not target.exists():
            inside.replace(target)
    except OSError as error:
        raise TextSourceError(f"cannot write {target}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
