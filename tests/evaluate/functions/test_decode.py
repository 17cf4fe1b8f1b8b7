"""Answers of models, as calls; nothing of them is executed."""

from __future__ import annotations

from typing import Any

import pytest

from plena_cosim.evaluate.chat.tool_calls import NotCallsError
from plena_cosim.evaluate.functions.decode import LONGEST, calls_of_text


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("[f(a=1)]", [{"f": {"a": 1}}]),
        ("f(a=1), g.h.i(b='x')", [{"f": {"a": 1}}, {"g.h.i": {"b": "x"}}]),
        ("```\n[f()]\n```", [{"f": {}}]),
        ("[]", []),
        ("", []),
        ("f(a=-1.5, b=+2, c=True, d=None)", [{"f": {"a": -1.5, "b": 2, "c": True, "d": None}}]),
        ("f(a=[1, (2, 3)], b={'k': [4]})", [{"f": {"a": [1, (2, 3)], "b": {"k": [4]}}}]),
        ("f(a=2 * 3 + 1, b='x' + 'y')", [{"f": {"a": 7, "b": "xy"}}]),
        ("f(a=name, b=g(), c=g(d=1), e=x[0])",
         [{"f": {"a": "name", "b": "g()", "c": {"g": {"d": 1}}, "e": "x[0]"}}]),
        ("f(1, 2, a=3)", [{"f": {"a": 3}}]),
        ("f(**x, a=b'x', b=2j)", [{"f": {"**": "x", "a": "b'x'", "b": "2j"}}]),
        ("f(a=not 1, b=~5, c=(x + y)[0])", [{"f": {"a": False, "b": -6, "c": "x + y[0]"}}]),
        ("3.5(), [].a.b(c=1), f()()", [{"": {}}, {"a.b": {"c": 1}}, {"": {}}]),
    ],
)  # fmt: skip
def test_python_s_notation(text: str, calls: list[Any]) -> None:
    assert calls_of_text(text) == calls


@pytest.mark.parametrize(
    "text",
    [
        "I cannot do that.",
        "f(a=1",
        "[1, 2]",
        "[f(a=1)][0]",
        "f(a=lambda: 1)",
        "f(a=9**9**9)",
        "f(a=1/0)",
        "f(a='x' * 10**10)",
        "f(a=2.0**1e9)",
        "f(a=x.y)",
        "f(a={**x})",
        "f(a=-'x')",
        "f(a=999**999 * 999**999)",
        f"f(a=0x{'f' * 5000})",
        "[" * 5000,
        "f(a=" + "(" * 5000,
        "f(a=1)\x00",
        "x" * (LONGEST + 1),
    ],
)
def test_what_is_no_list_of_calls(text: str) -> None:
    with pytest.raises(NotCallsError):
        calls_of_text(text)
