"""run: a program in a sandbox, from its start to the end of everything that it started."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from plena_cosim.ground.scratch_folder import scratch_folder

from .at_hand import best
from .errors import SandboxError
from .launch import BEGINS
from .limits import Limits
from .method import Method
from .program import SCRATCH, Ended, Outcome, Program
from .python_files import interpreter, shown
from .usage import memory_used, scratch_used

_SOURCES = Path(__file__).resolve().parents[2]
_BEGIN = (
    "import sys; sys.path.append(sys.argv.pop(1)); "
    "from plena_cosim.sandbox.launch import main; main()"
)
_LOOK_S = 0.02


def run(program: Program, *, limits: Limits | None = None, method: Method | None = None) -> Outcome:
    """Run a program that nobody has read, and wait until nothing is left of it.

    It has no network and no access to other processes; it sees Python, its own files and what
    `program.readable` names, and writes to its scratch folder alone, which is gone afterwards. Of
    the environment it gets nothing. It ends at the latest with this process.

    Args:
        program: what is run.
        limits: what it may use; the defaults of `Limits`.
        method: what isolates it; None: the best that works here. `Method.NONE` isolates nothing.

    Returns:
        How it ended, and what it wrote.

    Raises:
        SandboxError: nothing here isolates programs, or this one could not be started.
    """
    limits, method = limits or Limits(), method or best()
    with scratch_folder("sandbox") as folder, tempfile.TemporaryFile() as stdin:
        root, box = folder / "root", folder / "box"
        _lay_out(program, root, box)
        stdin.write(program.stdin)
        stdin.seek(0)
        reader, writer = os.pipe()
        with os.fdopen(reader, "rb") as report:
            given = {
                "method": method.value,
                "parent": os.getpid(),
                "report": writer,
                "root": str(root),
                "box": str(box),
                "readable": [*shown(), *map(str, program.readable)],
                "limits": asdict(limits),
                "command": [interpreter(), *program.arguments],
            }
            try:
                process = subprocess.Popen(
                    [interpreter(), "-I", "-S", "-c", _BEGIN, str(_SOURCES),
                     json.dumps(given)],
                    stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                    pass_fds=[writer], start_new_session=True, cwd="/", env={},
                )  # fmt: skip
            finally:
                os.close(writer)
            with _ended(process):
                watched = _Watched(process, limits, method, box / SCRATCH)
                watched.until_end()
            return watched.outcome(report.read().decode(errors="replace"))


def _lay_out(program: Program, root: Path, box: Path) -> None:
    """Write the files of a program, which any user may read: it may run as another one."""
    for folder in (root, box, box / SCRATCH):
        folder.mkdir()
        folder.chmod(0o755)
    for name, content in program.files.items():
        path = box / name
        for above in reversed(path.relative_to(box).parents[:-1]):
            (box / above).mkdir(exist_ok=True)
            (box / above).chmod(0o755)
        path.write_bytes(content)
        path.chmod(0o644)


@contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """End a process, and all that belongs to it, with the block."""
    try:
        yield
    finally:
        _kill(process)
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the group; the first process of a namespace is in it, and takes all others along."""
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)


class _Watched:
    """A program that runs."""

    def __init__(
        self, process: subprocess.Popen[bytes], limits: Limits, method: Method, scratch: Path
    ) -> None:
        self._process, self._limits = process, limits
        self._method, self._scratch = method, scratch
        self._started = time.monotonic()
        self._seconds = 0.0
        self._over: Ended | None = None
        self._out: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}

    def until_end(self) -> None:
        """Read what it writes, until it has ended or is to be ended."""
        with selectors.DefaultSelector() as selector:
            for name in self._out:
                stream = getattr(self._process, name)
                os.set_blocking(stream.fileno(), False)
                selector.register(stream, selectors.EVENT_READ, name)
            while self._over is None and self._process.poll() is None:
                self._read(selector, _LOOK_S)
                if self._over is None:
                    self._over = self._passed()
            self._seconds = time.monotonic() - self._started
            self._read(selector, 0)

    def _read(self, selector: selectors.BaseSelector, wait: float) -> None:
        """Read what is there, up to the limit."""
        if not selector.get_map():
            time.sleep(wait)
        ready = selector.select(wait)
        while ready and self._over is not Ended.OUTPUT:
            for key, _ in ready:
                stream: Any = key.fileobj
                part = stream.read(1 << 16)
                if not part:
                    selector.unregister(stream)
                    continue
                kept = self._out[key.data]
                kept += part[: self._limits.output_bytes - len(kept)]
                if len(part) and len(kept) == self._limits.output_bytes:
                    self._over = Ended.OUTPUT
            ready = selector.select(0) if selector.get_map() else []

    def _passed(self) -> Ended | None:
        """Return the limit that is passed."""
        if time.monotonic() - self._started > self._limits.wall_s:
            return Ended.WALL
        if self._method is Method.NAMESPACES:
            if memory_used(self._process.pid) > self._limits.memory_bytes:
                return Ended.MEMORY
        elif scratch_used(self._scratch, self._process.pid) > self._limits.scratch_bytes:
            return Ended.DISK
        return None

    def outcome(self, report: str) -> Outcome:
        """Return what came of it.

        Args:
            report: what the launched process has written, a line each.

        Raises:
            SandboxError: the program has not begun.
        """
        words = [line.partition(" ") for line in report.splitlines()]
        kinds = [kind for kind, _, _ in words]
        if "error" in kinds or (BEGINS not in kinds and self._over is None):
            said = words[-1][2] if words else "it ended before the program began"
            raise SandboxError(
                f"the program cannot be started by {self._method.value}: {said}; "
                "plena doctor says what isolates programs here"
            )
        status = self._process.returncode
        if self._method is Method.NAMESPACES:
            found = [int(said) for kind, _, said in words if kind == "status"]
            status = found[0] if found else -signal.SIGKILL
        ended = self._over
        if ended is None:
            ended = Ended.EXIT if status >= 0 else Ended.SIGNAL
            if status == -signal.SIGXCPU:
                ended = Ended.CPU
        return Outcome(
            ended=ended,
            status=status,
            stdout=bytes(self._out["stdout"]),
            stderr=bytes(self._out["stderr"]),
            seconds=self._seconds,
        )
