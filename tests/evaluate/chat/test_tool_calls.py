"""Calls as the chat API has them, and as models write them."""

from __future__ import annotations

import pytest

from plena_cosim.evaluate.chat.tool_calls import NotCallsError, calls_of_message


def test_messages_of_the_chat_api() -> None:
    tool = {"type": "function", "function": {"name": "m_f", "arguments": '{"a": [1]}'}}
    assert calls_of_message({"tool_calls": [tool], "content": None}, {"m_f": "m.f"}) == [
        {"m.f": {"a": [1]}}
    ]
    text = 'Well. <tool_call>{"name": "g", "arguments": {}}</tool_call> <tool_call>\n{}</tool_call>'
    with pytest.raises(NotCallsError, match="a call without 'name'"):
        calls_of_message({"content": text}, {})
    assert calls_of_message({"content": text[:65]}, {}) == [{"g": {}}]
    assert calls_of_message({"content": "No."}, {}) == []
    tool["function"]["arguments"] = "[1]"  # type: ignore[index]
    with pytest.raises(NotCallsError, match="m_f are no JSON object"):
        calls_of_message({"tool_calls": [tool]}, {})


def test_half_a_surrogate_pair_is_no_text() -> None:
    """A UnicodeEncodeError once, where a file of that name was packed or listed."""
    block = r'<tool_call>{"name": "f", "arguments": {"path": "\ud800"}}</tool_call>'
    with pytest.raises(NotCallsError, match="surrogates not allowed"):
        calls_of_message({"content": block}, {})
