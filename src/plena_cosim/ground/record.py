"""Where a result came from: what every result file records beside its figures."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .write_whole import write_whole


def commit() -> str:
    """Return the checkout's commit, with "-dirty" where files differ; "unknown" outside of one."""
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False
        )
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Return Python's version and those of packages; "not installed" for what is missing."""
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def environment(packages: Sequence[str]) -> dict[str, Any]:
    """Return commit, versions, command, machine and time: the head of a record.

    Args:
        packages: those that compute, by their names on PyPI.

    Returns:
        Values fit for JSON; `time` is UTC, and `command` the words of the command line.
    """
    return {
        "commit": commit(),
        "versions": versions(packages),
        "command": sys.argv,
        "machine": platform.machine(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a result file as JSON, whole or not at all.

    Args:
        path: of the file; its folder is made where there is none.
        record: values fit for JSON.

    Raises:
        OSError: the disk is full or not writable.
    """
    write_whole(path, json.dumps(record, indent=1, ensure_ascii=False))
