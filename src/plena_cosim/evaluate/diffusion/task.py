"""Tasks of diffusion models: a prompt, and what is to be written behind it."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from plena_cosim.sources import TextSourceError


class TextTask(BaseModel):
    """A task.

    Attributes:
        id: its name; the number of its line where it has none.
        prompt: what the model reads.
        answer: what it is to write; None: the text is kept and not judged.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    prompt: str
    answer: str | None = None

    def score(self, text: str) -> int | None:
        """Return 1 where a text begins with the answer, white space at both ends aside."""
        if self.answer is None:
            return None
        return int(text.strip().startswith(self.answer.strip()))


def read_text_tasks(path: Path) -> list[TextTask]:
    """Read a file of tasks, JSON, one a line.

    Raises:
        TextSourceError: it cannot be read, or a line is no task; with the number of the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TextSourceError(f"cannot read tasks from {path}: {error}") from None
    found: dict[str, TextTask] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            given = json.loads(line)
            if isinstance(given, dict):
                given.setdefault("id", f"line {number}")
            task = TextTask.model_validate(given)
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
