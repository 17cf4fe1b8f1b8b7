"""Box: the files of a task, and the tools that work on them."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from plena_cosim.golden import FormatError
from plena_cosim.sandbox.at_hand import best
from plena_cosim.sandbox.limits import MIB, Limits
from plena_cosim.sandbox.method import Method
from plena_cosim.sandbox.program import Ended, Program
from plena_cosim.sandbox.run import run

from .task import require_inside

_DRIVER = Path(__file__).with_name("in_the_box.py")
_SHELL = tuple(path for path in map(Path, ("/bin", "/usr/bin", "/lib", "/lib64", "/usr/lib")))
LONGEST = 4000
"""Characters of what a tool says."""
_STATE_BYTES = 16 * MIB


def _tool(name: str, description: str, **parameters: str) -> dict[str, Any]:
    properties = {key: {"type": "string", "description": text} for key, text in parameters.items()}
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": description,
            "parameters": {
                "type": "object",
                "properties": properties,
                "required": list(parameters),
            },
        },
    }


FINISH = "finish"
_TOOLS = (
    _tool("list_files", "List all files with their sizes in bytes."),
    _tool("read_file", "Read a text file.", path="relative name"),
    _tool("write_file", "Write a text file, in place of what is there.",
          path="relative name", content="the whole text"),
    _tool("python", "Run a Python program in the folder; no network.", code="the program"),
    _tool("shell", "Run a command of the shell in the folder; no network.", command="the command"),
    _tool(FINISH, "End the task.", answer="the answer where one is asked for, or a word"),
)  # fmt: skip


class Box:
    """The files of a task. They live here; a program gets a copy, and its changes come back."""

    def __init__(
        self, files: Mapping[str, bytes], *, method: Method | None = None, wall_s: float = 20.0
    ) -> None:
        """Make a box.

        Args:
            files: contents by plain relative name.
            method: what isolates programs; None: the best that works here.
            wall_s: seconds that a program may take.

        Raises:
            SandboxError: nothing here isolates programs.
        """
        method = method or best()
        self.files = dict(files)
        self._method = method
        self._limits = Limits(
            wall_s=wall_s,
            cpu_s=max(1, int(wall_s)),
            output_bytes=2 * _STATE_BYTES,
            scratch_bytes=2 * _STATE_BYTES,
        )
        self._act: dict[str, Callable[..., str]] = {
            "list_files": self._list,
            "read_file": self._read,
            "write_file": self._write,
            "python": self._python,
        }
        if method is not Method.LANDLOCK:  # which leaves one process
            self._act["shell"] = self._shell

    @property
    def tools(self) -> list[dict[str, Any]]:
        """The tools as the chat API describes them; `finish` is the caller's."""
        known = {*self._act, FINISH}
        return [each for each in _TOOLS if each["function"]["name"] in known]

    def use(self, name: str, arguments: Mapping[str, Any]) -> str:
        """Use a tool.

        Args:
            name: of the tool.
            arguments: by name; anything a model may have written.

        Returns:
            What the tool says, also of what cannot be done.
        """
        described = {each["function"]["name"]: each["function"] for each in self.tools}
        if name not in self._act:
            return f"error: there is no tool {name!r}; there are {', '.join(described)}"
        wanted = described[name]["parameters"]["required"]
        if sorted(arguments) != sorted(wanted) or not all(
            isinstance(each, str) for each in arguments.values()
        ):
            return f"error: {name} takes {', '.join(wanted) or 'nothing'}, as text"
        try:
            said = self._act[name](**arguments)
        except FormatError as error:
            said = f"error: {error}"
        return (
            said if len(said) <= LONGEST else f"{said[:LONGEST]}\n(cut off: {len(said)} characters)"
        )

    def _list(self) -> str:
        sizes = [f"{len(content):>8} {name}" for name, content in sorted(self.files.items())]
        return "\n".join(sizes) or "(no files)"

    def _read(self, path: str) -> str:
        content = self.files.get(require_inside(path))
        if content is None:
            raise FormatError(f"there is no file {path!r}")
        return content.decode(errors="replace")

    def _write(self, path: str, content: str) -> str:
        name, new = require_inside(path), content.encode(errors="replace")
        others = sum(len(each) for key, each in self.files.items() if key != name)
        if others + len(new) > _STATE_BYTES:
            raise FormatError(f"files of more than {_STATE_BYTES >> 20} MiB")
        self.files[name] = new
        return f"wrote {len(new)} bytes"

    def _python(self, code: str) -> str:
        return self._run({"python": code})[1]

    def _shell(self, command: str) -> str:
        return self._run({"shell": command})[1]

    def succeeds(self, code: str) -> bool:
        """Return whether a Python program ends with status 0; it changes no file."""
        before = dict(self.files)
        status, _ = self._run({"python": code})
        self.files = before
        return status == 0

    def _run(self, command: dict[str, Any]) -> tuple[int | None, str]:
        """Run a command on the files; they are afterwards what it has made of them."""
        done = run(
            Program(
                arguments=["in_the_box.py"],
                files={
                    "in_the_box.py": _DRIVER.read_bytes(),
                    "command.json": json.dumps({**command, "longest": 2 * LONGEST}).encode(),
                    "state.tar": _packed(self.files),
                },
                readable=_SHELL if "shell" in command else (),
            ),
            limits=self._limits,
            method=self._method,
        )
        head, _, tar = done.stdout.partition(b"\n")
        if not done.succeeded or not head:
            why = done.ended.value if done.ended is not Ended.EXIT else f"status {done.status}"
            return None, f"error: the program was ended ({why}); files are as they were"
        try:
            report = json.loads(head)
            self.files = _unpacked(tar)
        except (ValueError, tarfile.TarError, FormatError) as error:
            return None, f"error: {error}; files are as they were"
        said = report["said"].rstrip("\n")
        status = int(report["status"])
        return status, f"{said}\n(status {status})" if status or not said else said


def _packed(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _unpacked(tar: bytes) -> dict[str, bytes]:
    """Return the files of a tar that nobody may trust: names are checked, links are left out."""
    found: dict[str, bytes] = {}
    left = _STATE_BYTES
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        for entry in archive:
            if not entry.isreg():
                continue
            left -= entry.size
            if left < 0:
                raise FormatError(f"files of more than {_STATE_BYTES >> 20} MiB")
            reader = archive.extractfile(entry)
            found[require_inside(entry.name)] = b"" if reader is None else reader.read()
    return found
