"""What BFCL's checker says of these calls; its own answers stand in docs/evaluation.md."""

from __future__ import annotations

from typing import Any

import pytest

from plena_cosim.evaluate.functions.decode import calls_of_text
from plena_cosim.evaluate.functions.questions import Question
from plena_cosim.evaluate.functions.rules import fault_of

from .conftest import function

LIST = {"type": "array", "items": {"type": "integer"}}
DICTS = {"type": "array", "items": {"type": "dict"}}
F = function(
    "f",
    ["a"],
    a="integer",
    b="string",
    c="float",
    d=LIST,
    e="dict",
    g=DICTS,
    h="boolean",
    t={"type": "tuple", "items": {"type": "float"}},
)


def question(category: str = "simple_python", *answers: Any, functions: Any = (F,)) -> Question:
    return Question(name="q", category=category, messages=[], functions=functions, answers=answers)


def fault(text: str, **right: list[Any]) -> str | None:
    values = {"a": [1]} | right
    return fault_of(question("simple_python", {"f": values}), calls_of_text(text))


@pytest.mark.parametrize(
    ("text", "right", "said"),
    [
        ("f(a=1)", {}, None),
        ("f(a=2)", {}, "a is 2, none of [1]"),
        ("f(a='1')", {}, "a is '1', not of the type integer"),
        ("f(a=1.0)", {}, "a is 1.0, not of the type integer"),
        ("f(a=True)", {}, "not of the type integer"),
        ("f(a=x)", {"a": ["x"]}, None),
        ("f()", {}, "a is required"),
        ("g(a=1)", {}, "f is not called"),
        ("f(a=1), f(a=1)", {}, "2 calls, 1 asked for"),
        ("f(a=1, z=1)", {}, "z is no parameter"),
        ("f(a=1, b='x')", {}, "b is no parameter"),
        ("f(a=1)", {"b": ["x"]}, "b is missing"),
        ("f(a=1)", {"b": ["x", ""]}, None),
        ("f(a=1, b='New York.')", {"b": ["new_york"]}, None),
        ('f(a=1, b="it\'s")', {"b": ['IT"S']}, None),
        ("f(a=1, b='x!')", {"b": ["x"]}, "none of"),
        ("f(a=1, c=2)", {"c": [2.0]}, None),
        ("f(a=1, c=2)", {"c": [2]}, None),
        (f"f(a=1, c=1{'0' * 400})", {"c": [2]}, "c is an integer that no float holds"),
        ("f(a=1, **x)", {}, "** is no parameter"),
        ("f(a=1, c=2.5)", {"c": [2]}, "none of"),
        ("f(a=1, d=[1, 2])", {"d": [[1, 2]]}, None),
        ("f(a=1, d=[2, 1])", {"d": [[1, 2]]}, "none of"),
        ("f(a=1, d=(1, 2))", {"d": [[1, 2]]}, "not of the type array"),
        ("f(a=1, d=[1, 'x'])", {"d": [[1, 2]]}, "not all elements of which are integer"),
        ("f(a=1, t=(1, 2))", {"t": [[1, 2]]}, None),
        ("f(a=1, e={'k': 'A b'})", {"e": [{"k": ["ab"]}]}, None),
        ("f(a=1, e={'k': 1})", {"e": [{"k": [1], "l": [2]}]}, "none of"),
        ("f(a=1, e={'k': 1})", {"e": [{"k": [1], "l": ["", 2]}]}, None),
        ("f(a=1, e={'k': 1, 'm': 1})", {"e": [{"k": [1]}]}, "none of"),
        ("f(a=1, g=[{'k': 1}])", {"g": [[{"k": [1]}]]}, None),
        ("f(a=1, g=[{'k': 1}, {'k': 1}])", {"g": [[{"k": [1]}]]}, "none of"),
        ("f(a=1, h=True)", {"h": [True]}, None),
        ("f(a=1, h=false)", {"h": [False]}, "not of the type boolean"),
    ],
)
def test_one_call(text: str, right: dict[str, list[Any]], said: str | None) -> None:
    found = fault(text, **right)
    assert (found is None) if said is None else (said in str(found))


def test_several_calls_in_any_order() -> None:
    wanted = ({"f": {"a": [1]}}, {"f": {"a": [1]}}, {"f": {"a": [2]}})
    asked = question("parallel", *wanted)
    assert fault_of(asked, calls_of_text("f(a=2), f(a=1), f(a=1)")) is None
    assert fault_of(asked, calls_of_text("f(a=1), f(a=1), f(a=1)")) is not None
    # 1.0 and 1 are equal in Python: the wrong one may not be taken for the right one.
    assert fault_of(asked, calls_of_text("f(a=1.0), f(a=1), f(a=2)")) is not None


def test_one_of_several_functions() -> None:
    others = (function("g", a="string"), F)
    asked = question("multiple", {"f": {"a": [1]}}, functions=others)
    assert fault_of(asked, calls_of_text("f(a=1)")) is None
    assert fault_of(asked, calls_of_text("g(a='1')")) == "f is not called"


@pytest.mark.parametrize(
    ("category", "called", "right"),
    [
        ("irrelevance", True, False),
        ("irrelevance", False, True),
        ("live_irrelevance", False, True),
        ("live_relevance", True, True),
        ("live_relevance", False, False),
    ],
)
def test_whether_to_call_at_all(category: str, called: bool, right: bool) -> None:
    calls = [{"f": {"a": 1}}] if called else []
    assert (fault_of(question(category), calls) is None) == right
    if not called:
        assert (fault_of(question(category), None) is None) == right


def test_an_answer_that_is_no_call_is_wrong() -> None:
    assert fault_of(question("simple_python", {"f": {"a": [1]}}), None) is not None
