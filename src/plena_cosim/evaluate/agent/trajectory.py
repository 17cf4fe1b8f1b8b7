"""Trajectory: what an agent is told and has done, as a conversation of bounded length."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_RULES = (
    "You work on a task in a folder of files. Use one tool at a time, look at what it says, and "
    "end with the tool finish."
)
_WRITTEN = (
    "To use a tool, write one call and nothing else:\n"
    '<tool_call>{{"name": "NAME", "arguments": {{"PARAMETER": "VALUE"}}}}</tool_call>\n'
    "These are the tools:\n{tools}"
)


@dataclass(kw_only=True)
class Trajectory:
    """A conversation about one task.

    Attributes:
        instruction: of the task.
        tools: as the chat API describes them.
        offered: whether they are handed to the API; else they stand in the system message.
        length: steps that are kept, the latest ones; the task itself always is.
        steps: each the model's message with what the tools have said.
    """

    instruction: str
    tools: Sequence[Mapping[str, Any]]
    offered: bool
    length: int
    steps: list[list[dict[str, Any]]] = field(default_factory=list)

    def messages(self) -> list[dict[str, Any]]:
        """Return what the model is to see."""
        system = _RULES
        if not self.offered:
            lines = "\n".join(json.dumps(each["function"]) for each in self.tools)
            system = f"{system}\n{_WRITTEN.format(tools=lines)}"
        kept = self.steps[len(self.steps) - self.length :] if self.length else []
        begin = [
            {"role": "system", "content": system},
            {"role": "user", "content": self.instruction},
        ]
        left_out = len(self.steps) - len(kept)
        if left_out:
            begin[1]["content"] += f"\n({left_out} earlier steps are not shown.)"
        return [*begin, *(message for step in kept for message in step)]

    def add(self, message: Mapping[str, Any], said: Sequence[str]) -> None:
        """Add a step.

        Args:
            message: of the model.
            said: by each tool that it has used, or one word about a message without calls.
        """
        calls = message.get("tool_calls") or ()
        own = {
            "role": "assistant",
            "content": message.get("content") or "",
            **({"tool_calls": list(calls)} if calls else {}),
        }
        if calls:
            answers = [
                {"role": "tool", "tool_call_id": call.get("id", ""), "content": text}
                for call, text in zip(calls, said, strict=False)
            ]
        else:
            answers = [{"role": "user", "content": "\n".join(said)}]
        self.steps.append([own, *answers])
