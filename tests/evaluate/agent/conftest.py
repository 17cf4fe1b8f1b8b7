"""A model that says what a test has written down, and keeps what it was told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from plena_cosim.evaluate.chat.client import Asking, Reply


class Scripted:
    """Answers one after the other, the last one again and again."""

    def __init__(self, *texts: str | Sequence[tuple[str, dict[str, Any]]]) -> None:
        self.texts = list(texts)
        self.seen: list[list[dict[str, Any]]] = []
        self.tools: list[Any] = []

    def ask(self, messages: Any, asking: Asking, *, tools: Any = ()) -> Reply:
        self.seen.append(list(messages))
        self.tools.append(tools)
        said = self.texts.pop(0) if len(self.texts) > 1 else self.texts[0]
        if isinstance(said, str):
            return Reply(message={"content": said}, finish_reason="stop", tokens=1)
        calls = [
            {
                "id": f"call_{number}",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(arguments)},
            }
            for number, (name, arguments) in enumerate(said)
        ]
        return Reply(message={"tool_calls": calls}, finish_reason="tool_calls", tokens=1)


def call(name: str, **arguments: Any) -> str:
    """A call as a model writes it into its text."""
    return f"<tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"
