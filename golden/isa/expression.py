"""Numbers in assembly: whole-number expressions over names."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping

from plena_cosim.ground.did_you_mean import did_you_mean
from plena_cosim.ground.errors import PlenaError

_BINARY: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.floordiv,
    ast.Mod: operator.mod,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
}
_UNARY: dict[type[ast.unaryop], Callable[[int], int]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Invert: operator.invert,
}
_WIDEST = 128
"""Bits of a number on the way; a shift by a billion must not take the machine along."""


class ExpressionError(PlenaError, ValueError):
    """An expression has no value; the message says why."""


def evaluate(text: str, names: Mapping[str, int]) -> int:
    """Return the value of an expression.

    Args:
        text: decimal, 0x and 0b numbers, names, parentheses, + - * / % << >> & | ^ ~.
        names: values of names.

    Raises:
        ExpressionError: it cannot be read, a name is not known, it divides by 0, or
            with a remainder.

    >>> evaluate("ROWS * 64 + 0x10", {"ROWS": 4})
    272
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        return _value(tree, names)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, ExpressionError):
            raise
        raise ExpressionError(f"{text.strip()!r} is no number or expression") from None


def _value(node: ast.expr, names: Mapping[str, int]) -> int:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return _narrow(node.value)
    if isinstance(node, ast.Name):
        if node.id not in names:
            raise ExpressionError(f"no name {node.id!r}{did_you_mean(node.id, names)}")
        return names[node.id]
    if isinstance(node, ast.UnaryOp) and type(node.op) in _UNARY:
        return _UNARY[type(node.op)](_value(node.operand, names))
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        left, right = _value(node.left, names), _value(node.right, names)
        if isinstance(node.op, ast.LShift | ast.RShift) and not 0 <= right <= _WIDEST:
            raise ExpressionError(f"cannot shift by {right}")
        if isinstance(node.op, ast.Div | ast.Mod) and right == 0:
            raise ExpressionError("division by 0")
        if isinstance(node.op, ast.Div) and left % right:
            raise ExpressionError(f"{left} / {right} is no whole number")
        return _narrow(_BINARY[type(node.op)](left, right))
    raise ExpressionError(
        f"{ast.unparse(node)!r} is no whole number; there are + - * / % << >> & | ^ ~ ( )"
    )


def _narrow(value: int) -> int:
    if value.bit_length() > _WIDEST:
        raise ExpressionError(f"a number of {value.bit_length()} bits is too large")
    return value
