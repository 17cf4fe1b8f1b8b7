"""What a model has written, as calls of functions."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Sequence
from typing import Any

from ..chat.tool_calls import Call, NotCallsError

LONGEST = 100_000
"""Characters of an answer that are read; Python's parser needs memory."""
_LARGEST_POWER = 1_000
_LONGEST_NUMBER = 10_000
"""Bits of an integer: Python writes none of more than 4,300 digits."""
_SUMS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_SIGNS: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
    ast.Invert: operator.inv,
}


def calls_of_text(text: str) -> list[Call]:
    """Read calls in Python's notation: `[name(a=1), other.name(b="x")]`.

    Nothing is executed. Square brackets may be missing; a name in the place of a value is its text,
    and so is a value that JSON does not have. As BFCL reads them, `**` is a parameter, and what is
    called may be something else than a name: then its name is empty, and it is a call all the same.

    Args:
        text: of an answer.

    Returns:
        The calls in their order.

    Raises:
        NotCallsError: the text is something else.
    """
    text = text.strip("`\n ")
    if len(text) > LONGEST:
        raise NotCallsError(f"{len(text)} characters, more than {LONGEST}")
    text = text if text.startswith("[") else f"[{text}"
    text = text if text.endswith("]") else f"{text}]"
    try:
        body = ast.parse(text.strip().strip("'"), mode="eval").body
        if not isinstance(body, ast.List):
            raise NotCallsError("not a list of calls")
        return [_call(each) for each in body.elts]
    except NotCallsError:
        raise
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise NotCallsError(f"not Python: {error}") from None
    except ArithmeticError as error:
        raise NotCallsError(str(error)) from None


def _call(node: ast.expr) -> Call:
    if not isinstance(node, ast.Call):
        raise NotCallsError("an element of the list is no call")
    parts: list[str] = []
    function = node.func
    while isinstance(function, ast.Attribute):
        parts.append(function.attr)
        function = function.value
    if isinstance(function, ast.Name):
        parts.append(function.id)
    name = ".".join(reversed(parts))
    return {name: {each.arg or "**": _value(each.value) for each in node.keywords}}


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=bytes() | complex()):
            return ast.unparse(node)
        case ast.Constant(value=value):
            return "..." if value is Ellipsis else _reasonable(value)
        case ast.UnaryOp(op=op, operand=ast.Constant(value=int() | float() as value)):
            return _SIGNS[type(op)](_reasonable(value))
        case ast.List(elts=elements):
            return [_value(each) for each in elements]
        case ast.Tuple(elts=elements):
            return tuple(_value(each) for each in elements)
        case ast.Dict(keys=keys, values=values) if None not in keys:
            return {
                _value(key): _value(value)
                for key, value in zip(keys, values, strict=True)
                if key is not None
            }
        case ast.BinOp():
            return _sum(node)
        case ast.Name(id=name):
            return name
        case ast.Call(keywords=[]):
            return ast.unparse(node)
        case ast.Subscript(value=value, slice=place):
            return f"{ast.unparse(value)}[{ast.unparse(place)}]"
        case ast.Call():
            return _call(node)
    raise NotCallsError(f"{type(node).__name__} is no value")


def _sum(node: ast.BinOp) -> Any:
    """Return the value of an arithmetic expression of constants."""
    sides: Sequence[Any] = [
        _sum(side) if isinstance(side, ast.BinOp) else _value(side)
        for side in (node.left, node.right)
    ]
    apply = _SUMS.get(type(node.op))
    kinds = {type(side) for side in sides}
    if apply is None or not (kinds <= {int, float} or (kinds == {str} and apply is operator.add)):
        raise NotCallsError("an expression of something else than constants")
    if apply is operator.pow and max(map(abs, sides)) > _LARGEST_POWER:
        raise NotCallsError("a power beyond reason")
    return _reasonable(apply(*sides))


def _reasonable(value: Any) -> Any:
    """Return a value, if it is no integer that cannot be written down."""
    if isinstance(value, int) and value.bit_length() > _LONGEST_NUMBER:
        raise NotCallsError("a number beyond reason")
    return value
