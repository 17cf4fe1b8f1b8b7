"""Tasks of agents: what is to be done, with which files, and when it is done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from plena_cosim.golden import FormatError
from plena_cosim.sources import TextSourceError


class Check(BaseModel):
    """When a task is done: all that is given has to hold.

    Attributes:
        files: what files hold, by name; white space at both ends does not count.
        absent: files that are gone.
        answer: the last word of the agent; case and white space at both ends do not count.
        python: a program that succeeds in the folder of the task.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: dict[str, str] = Field(default_factory=dict)
    absent: tuple[str, ...] = ()
    answer: str | None = None
    python: str | None = None


class AgentTask(BaseModel):
    """A task.

    Attributes:
        id: its name, unique in its file.
        instruction: what the agent is told.
        files: that are there at the beginning, by relative name.
        check: when it is done.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    instruction: str
    files: dict[str, str] = Field(default_factory=dict)
    check: Check

    @field_validator("files")
    @classmethod
    def _inside(cls, files: dict[str, str]) -> dict[str, str]:
        for name in files:
            require_inside(name)
        return files


def require_inside(name: str) -> str:
    """Return the name of a file of a task's folder in its plain form.

    Raises:
        FormatError: it would lie elsewhere.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name:
        raise FormatError(f"{name!r} is not a file of this folder; give a relative name without ..")
    return str(path)


def read_tasks(path: Path) -> list[AgentTask]:
    """Read a file of tasks, JSON, one a line.

    Raises:
        TextSourceError: it cannot be read, or a line is no task; with the number of the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TextSourceError(f"cannot read tasks from {path}: {error}") from None
    found: dict[str, AgentTask] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            task = AgentTask.model_validate(json.loads(line))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "the whole"
            raise TextSourceError(f"{where}: {place}: {first['msg']}") from None
        except (ValueError, RecursionError) as error:
            raise TextSourceError(f"{where}: {error}") from None
        if task.id in found:
            raise TextSourceError(f"{where}: there is another task {task.id!r}")
        found[task.id] = task
    if not found:
        raise TextSourceError(f"{path} has no tasks")
    return list(found.values())


def texts(files: Mapping[str, str]) -> dict[str, bytes]:
    """Return files as bytes by their plain names."""
    return {require_inside(name): text.encode() for name, text in files.items()}
