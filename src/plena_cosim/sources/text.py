"""Texts by name: a file, or the demo's."""

from __future__ import annotations

import hashlib
from pathlib import Path

from plena_cosim.ground.cache import cache_root

from .demo_text import demo_text
from .errors import TextSourceError


def load_text(name: str, *, cache: Path | None = None) -> str:
    """Return a text file's content, or the demo text for "demo".

    Raises:
        TextSourceError: there is no such file, or it is not UTF-8.
    """
    if name == "demo":
        return demo_text(cache or cache_root())
    try:
        return Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise TextSourceError(
            f"cannot read text {name!r}: {error.strerror}; give a UTF-8 file or 'demo'"
        ) from None
    except UnicodeDecodeError as error:
        raise TextSourceError(f"text {name!r} is not UTF-8: {error}") from None


def text_digest(text: str) -> str:
    """Return the sha256 of a text, for records."""
    return hashlib.sha256(text.encode()).hexdigest()
