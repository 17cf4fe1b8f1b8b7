"""Program and Outcome: what is run, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path, PurePosixPath

from .errors import SandboxError

SCRATCH = "scratch"
"""The folder beside the files of a program that it may write to: its HOME, and for TMPDIR."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """A Python program.

    Attributes:
        arguments: of Python: the name of a file and what the program is given.
        files: contents by relative name. The program starts in their folder, and cannot change it.
        stdin: what it reads.
        readable: other files and folders that it is shown.
    """

    arguments: Sequence[str]
    files: Mapping[str, bytes] = field(default_factory=dict)
    stdin: bytes = b""
    readable: Sequence[Path] = ()

    def __post_init__(self) -> None:
        """Refuse files that would lie elsewhere.

        Raises:
            SandboxError: a name is not of a file in the folder of the program.
        """
        for name in self.files:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or path.parts[:1] in ((), (SCRATCH,)):
                raise SandboxError(
                    f"file {name!r} is not one of the program's folder; give a relative name, "
                    f"without .., and not in {SCRATCH}/"
                )


class Ended(Enum):
    """How a program ended."""

    EXIT = "exit"
    SIGNAL = "signal"
    WALL = "wall time"
    CPU = "CPU time"
    MEMORY = "memory"
    OUTPUT = "output"
    DISK = "disk"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a program.

    Attributes:
        ended: how.
        status: of its exit; minus the number of the signal where one has ended it.
        stdout, stderr: what it wrote, as far as it was allowed to.
        seconds: from its start to its end.
    """

    ended: Ended
    status: int
    stdout: bytes
    stderr: bytes
    seconds: float

    @property
    def succeeded(self) -> bool:
        """Whether it came to its end by itself, with status 0."""
        return self.ended is Ended.EXIT and self.status == 0
