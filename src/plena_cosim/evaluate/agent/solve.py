"""solve: a model at work on one task, until it ends it or has no steps left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..chat.client import Asking, Reply
from ..chat.tool_calls import NotCallsError, calls_of_message
from .box import FINISH, Box
from .task import AgentTask, require_inside, texts
from .trajectory import Trajectory


class Asks(Protocol):
    """Who answers; `ChatClient` does."""

    def ask(self, messages: Any, asking: Asking, *, tools: Any = ()) -> Reply:
        """Return the answer to a conversation.

        Args:
            messages: as the chat API has them.
            asking: how to write.
            tools: functions that may be called.
        """


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How far a task may go.

    Attributes:
        max_steps: answers of the model.
        trajectory: steps that it is shown, the latest.
        offered: whether tools are handed to the API; else they stand in the system message.
        wall_s: seconds that a program may take.
    """

    max_steps: int = 15
    trajectory: int = 8
    offered: bool = False
    wall_s: float = 20.0


@dataclass(frozen=True, kw_only=True)
class Solved:
    """What came of a task.

    Attributes:
        success: whether the check of the task holds.
        ended: "finished", "max steps" or "cut off": an answer reached the most tokens.
        answer: the last word of the agent; None where it has not ended the task.
        why: what of the check does not hold; None where all does.
        steps: messages of each step.
        tokens: that the model has written.
        files: names and sizes in the end.
    """

    success: bool
    ended: str
    answer: str | None
    why: str | None
    steps: list[list[dict[str, Any]]]
    tokens: int
    files: Mapping[str, int]


def solve(task: AgentTask, client: Asks, asking: Asking, bounds: Bounds) -> Solved:
    """Let a model work on a task.

    Args:
        task: what is to be done.
        client: of the model.
        asking: how it writes.
        bounds: how far it may go.

    Returns:
        What came of it.

    Raises:
        TextSourceError: the server is gone.
        SandboxError: nothing here isolates programs.
    """
    box = Box(texts(task.files), wall_s=bounds.wall_s)
    trajectory = Trajectory(
        instruction=task.instruction,
        tools=box.tools,
        offered=bounds.offered,
        length=bounds.trajectory,
    )
    tokens, answer, ended = 0, None, "max steps"
    for _ in range(bounds.max_steps):
        tools = box.tools if bounds.offered else ()
        reply = client.ask(trajectory.messages(), asking, tools=tools)
        tokens += reply.tokens
        said, answer = _step(reply, box)
        trajectory.add(reply.message, said)
        if answer is not None:
            ended = "finished"
            break
    why = fault_of(task, box, answer)
    return Solved(
        success=why is None,
        ended=ended,
        answer=answer,
        why=why,
        steps=trajectory.steps,
        tokens=tokens,
        files={name: len(content) for name, content in sorted(box.files.items())},
    )


def _step(reply: Reply, box: Box) -> tuple[list[str], str | None]:
    """Do what a message asks for; return what the tools say, and the answer if it was the last."""
    try:
        calls = calls_of_message(reply.message, {})
    except NotCallsError as error:
        return [f"error: {error}"], None
    if not calls:
        more = ": it was cut off" if reply.finish_reason == "length" else ""
        return [f"error: no tool was called{more}"], None
    said: list[str] = []
    for call in calls:
        [(name, arguments)] = call.items()
        if name == FINISH:
            return [*said, "finished"], str(arguments.get("answer", ""))
        said.append(box.use(name, arguments))
    return said, None


def fault_of(task: AgentTask, box: Box, answer: str | None) -> str | None:
    """Return what of a task's check does not hold; None: all does.

    Args:
        task: with its check.
        box: with the files.
        answer: of the agent; None: it has given none.
    """
    check = task.check
    for name, wanted in check.files.items():
        found = box.files.get(require_inside(name))
        if found is None:
            return f"there is no {name}"
        if found.decode(errors="replace").strip() != wanted.strip():
            return f"{name} holds something else"
    for name in check.absent:
        if require_inside(name) in box.files:
            return f"{name} is still there"
    if check.answer is not None:
        given = "" if answer is None else answer
        if given.strip().casefold() != check.answer.strip().casefold():
            return f"the answer is {given[:100]!r}"
    if check.python is not None and not box.succeeds(check.python):
        return "the program of the check fails"
    return None
