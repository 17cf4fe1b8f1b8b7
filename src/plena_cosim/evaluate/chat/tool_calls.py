"""Calls of functions in a message of the chat API."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from plena_cosim.ground.errors import PlenaError

Call = dict[str, dict[str, Any]]
"""A function's name with its arguments by name."""

TOOL_CALL = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)


class NotCallsError(PlenaError, ValueError):
    """What a model has written is not a list of calls of functions."""


def calls_of_message(message: Mapping[str, Any], names: Mapping[str, str]) -> list[Call]:
    """Read calls of a chat message: its `tool_calls`, or <tool_call> blocks in its text.

    Args:
        message: of the assistant.
        names: the functions' own names, by those under which they were offered.

    Raises:
        NotCallsError: arguments are no JSON object, or hold half a surrogate pair: no file, name or
            message could.
    """
    found = [each["function"] for each in message.get("tool_calls") or ()]
    try:
        if not found:
            blocks = TOOL_CALL.findall(message.get("content") or "")
            found = [json.loads(block) for block in blocks]
        calls = [_json_call(each, names) for each in found]
        json.dumps(calls, ensure_ascii=False).encode()
        return calls
    except NotCallsError:
        raise
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise NotCallsError(f"not a call in JSON: {error}") from None


def _json_call(given: Mapping[str, Any], names: Mapping[str, str]) -> Call:
    for key in ("name", "arguments"):
        if key not in given:
            raise NotCallsError(f"a call without {key!r}")
    name, arguments = given["name"], given["arguments"]
    arguments = json.loads(arguments) if isinstance(arguments, str) else arguments
    if not isinstance(name, str) or not isinstance(arguments, dict):
        raise NotCallsError(f"arguments of {name} are no JSON object")
    return {names.get(name, name): arguments}
