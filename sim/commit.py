"""Which commit of the project runs: part of every record."""

from __future__ import annotations

import subprocess
from pathlib import Path


def commit_text() -> str:
    """Return the commit, with "-dirty" after it if files differ; "unknown" outside a checkout."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"],
        cwd=Path(__file__).resolve().parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"
