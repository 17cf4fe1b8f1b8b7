"""The user's cache: builds, synthesised costs, downloads."""

from __future__ import annotations

import os
from pathlib import Path


def cache_root() -> Path:
    """Return our folder in the user's cache directory (XDG_CACHE_HOME or ~/.cache)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "plena-cosim"
