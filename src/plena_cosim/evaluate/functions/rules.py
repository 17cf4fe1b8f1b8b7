"""Whether calls are those that a question asks for: BFCL's rules for Python.

A call is right if it names the function, has every required parameter and none that is unknown,
each value has the declared type, and each value is one of those that are listed. Strings are
compared without case, spaces and `,./-_*^`. Several calls may come in any order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..chat.tool_calls import Call
from .questions import Question

TYPES: Mapping[str, type] = {
    "string": str,
    "integer": int,
    "float": float,
    "boolean": bool,
    "array": list,
    "tuple": list,
    "dict": dict,
    "any": str,
}
_IGNORED = re.compile(r"[ ,./\-_*^]")


def fault_of(question: Question, calls: Sequence[Call] | None) -> str | None:
    """Return what is wrong with an answer; None: it is right.

    Args:
        question: that was asked.
        calls: of the answer; None: it is not in the form of calls.
    """
    if question.category.endswith("irrelevance"):
        return "a function is called" if calls else None
    if question.category.endswith("relevance"):
        return None if calls else "no function is called"
    if calls is None:
        return "the answer is not in the form of calls"
    if len(calls) != len(question.answers):
        return f"{len(calls)} calls, {len(question.answers)} asked for"
    described = {str(each["name"]): each for each in reversed(question.functions)}
    if "parallel" not in question.category:
        [wanted], [call] = question.answers, calls
        function = described[next(iter(wanted))] if len(question.functions) > 1 else None
        return _fault_of_call(function or question.functions[0], call, wanted)
    left = list(calls)
    for wanted in question.answers:
        name = next(iter(wanted))
        faults = [_fault_of_call(described[name], call, wanted) for call in left]
        if None not in faults:
            return f"no call is the {name} asked for"
        # By its place: 5 and 5.0 are equal and not both right.
        del left[faults.index(None)]
    return None


def _fault_of_call(
    function: Mapping[str, Any], call: Call, wanted: Mapping[str, Mapping[str, Sequence[Any]]]
) -> str | None:
    """Return what is wrong with one call."""
    name = function["name"]
    right = next(iter(wanted.values()))
    if name not in call:
        return f"{name} is not called"
    given = call[name]
    described = function["parameters"]["properties"]
    for parameter in function["parameters"]["required"]:
        if parameter not in given:
            return f"{name}: {parameter} is required"
    for parameter, value in given.items():
        if parameter not in described or parameter not in right:
            return f"{name}: {parameter} is no parameter"
        fault = _fault_of_value(described[parameter], value, right[parameter])
        if fault is not None:
            return f"{name}: {parameter} {fault}"
    for parameter, values in right.items():
        if parameter not in given and "" not in values:
            return f"{name}: {parameter} is missing"
    return None


def _fault_of_value(described: Mapping[str, Any], value: Any, right: Sequence[Any]) -> str | None:
    declared = described["type"]
    kind = TYPES[declared]
    inner = TYPES[described["items"]["type"]] if declared in ("array", "tuple") else None
    if declared == "tuple" and isinstance(value, tuple):
        value = list(value)
    if declared == "float" and type(value) is int:
        try:
            value = float(value)
        except OverflowError:
            return "is an integer that no float holds"
    of_answers = _kind_of(right)
    if type(value) is kind:
        if isinstance(value, list) and inner and not _elements_fit(value, inner, right):
            return f"is {value!r}, not all elements of which are {described['items']['type']}"
        # Where the answers are of another type, they name a variable.
        variable = of_answers is not None and of_answers is not kind
    elif of_answers is not None and type(value) is of_answers:
        variable = True
    else:
        return f"is {value!r}, not of the type {declared}"
    same = _equal if variable else _comparison(kind, inner)
    return None if same(value, right) else f"is {value!r}, none of {list(right)!r}"


def _comparison(kind: type, inner: type | None) -> Callable[[Any, Sequence[Any]], bool]:
    if kind is dict:
        return _equal_dict
    if kind is list and inner is dict:
        return _equal_dicts
    if kind is str:
        return _equal_text
    return _equal_list if kind is list else _equal


def _kind_of(right: Sequence[Any]) -> type | None:
    """Return the type of the first listed value that is one."""
    return next((type(each) for each in right if each != ""), None)


def _elements_fit(value: Sequence[Any], inner: type, right: Sequence[Any]) -> bool:
    """Return whether the elements have the declared type, for one of the listed values."""

    def fits(element: Any, listed: Sequence[Any]) -> bool:
        return type(element) is inner or type(element) is _kind_of(listed)

    return any(
        all(fits(element, listed) for element in value) if isinstance(listed, list) else True
        for listed in right
    )


def _plain(value: Any) -> Any:
    """Return a string as it is compared; anything else as it is."""
    return _IGNORED.sub("", value).lower().replace("'", '"') if isinstance(value, str) else value


def _equal(value: Any, right: Sequence[Any]) -> bool:
    return value in right


def _equal_text(value: str, right: Sequence[Any]) -> bool:
    return _plain(value) in [_plain(each) for each in right if isinstance(each, str)]


def _equal_list(value: Sequence[Any], right: Sequence[Any]) -> bool:
    return [*map(_plain, value)] in [[*map(_plain, each)] for each in right]


def _equal_dict(value: Mapping[str, Any], right: Sequence[Any]) -> bool:
    return any(_is_dict(value, each) for each in right if each != "")


def _equal_dicts(value: Sequence[Any], right: Sequence[Any]) -> bool:
    return any(
        len(value) == len(each)
        and all(_equal_dict(one, [other]) for one, other in zip(value, each, strict=True))
        for each in right
    )


def _is_dict(value: Any, right: Any) -> bool:
    if not isinstance(value, Mapping) or not isinstance(right, Mapping):
        return False
    for key, found in value.items():
        if key not in right or _plain(found) not in [_plain(each) for each in right[key]]:
            return False
    return all(key in value or "" in listed for key, listed in right.items())
