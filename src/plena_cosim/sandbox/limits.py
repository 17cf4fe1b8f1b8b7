"""Limits: what a program may use before it is ended."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from .errors import SandboxError

MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a program may use; all of it is gone when the program is.

    Attributes:
        wall_s: seconds from its start to its end.
        cpu_s: seconds of the processor, of each process.
        memory_bytes: of each process's addresses, and of all that they hold in memory together.
        file_bytes: of one file.
        scratch_bytes: of all files in its scratch folder.
        output_bytes: of standard output, and of standard error.
        open_files: file descriptors of a process.
        processes: processes and threads at once, where more than one process is allowed at all.
    """

    wall_s: float = 5.0
    cpu_s: int = 5
    memory_bytes: int = 512 * MIB
    file_bytes: int = 16 * MIB
    scratch_bytes: int = 32 * MIB
    output_bytes: int = 1 * MIB
    open_files: int = 64
    processes: int = 16

    def __post_init__(self) -> None:
        """Refuse what would let nothing run.

        Raises:
            SandboxError: a limit is not positive.
        """
        for name, value in asdict(self).items():
            if not value > 0:
                raise SandboxError(f"limit {name} is {value!r}; give a number above 0")
