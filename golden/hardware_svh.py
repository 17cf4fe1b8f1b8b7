"""Reads precision.svh and configuration.svh, the parameters of PLENA's own RTL."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from typing import Any

from .formats import FormatError
from .hardware_settings import Settings, minifloat_of, mx_table, whole

FILES = ("configuration.svh", "precision.svh")
"""What the two are called in a folder."""

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_STATEMENT = re.compile(r"\b(?:localparam|parameter)\b([^;]*)|`define[ \t]+(\w+)[ \t]+([^\n]+)")
_ASSIGNED = re.compile(r"(?:[\w\[\]:\s-]*?[\s\]])?(\w+)\s*=\s*(.+)", re.DOTALL)
_OUTSIDE_COMMA = re.compile(r",(?![^()]*\))")
_LITERAL = re.compile(r"(?<!\w)\d*'s?([bodhBODH])([0-9a-fA-F_]+)")
_BASES = {"b": 2, "o": 8, "d": 10, "h": 16}
_OPERATORS: dict[type[ast.AST], Callable[..., int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.LShift: operator.lshift,
    ast.USub: operator.neg,
}
_UNITS = {"V": "vector_format", "M": "accumulator_format", "S": "reduction_format"}
_OPERANDS = {"ACT": "activation", "KV": "kv", "WT": "weight"}
_OPERAND = re.compile(r"(ACT|KV|WT)_MX(?:_INT|FP)?_(?:EXP_WIDTH|MANT_WIDTH|ENABLE|WIDTH)")
_SCALES = ("MX_SCALE_WIDTH", "MXFP_SCALE_WIDTH")


def read_svh(text: str, *, source: str) -> Settings:
    """Return what the parameters of such a file say.

    Args:
        text: of the file: `parameter`, `localparam` and `` `define`` with integers and sums,
            products and shifts of earlier ones.
        source: the file, for messages.

    Returns:
        Sizes, V of the vector unit, A of the matrix unit (M) and R of the scalar unit (S).

    Raises:
        FormatError: no parameter, a size or a width that is none, or only one width of a unit.
    """
    values: dict[str, Any] = {}
    for match in _STATEMENT.finditer(_COMMENT.sub(" ", text)):
        if match[2]:
            values[match[2]] = _value(match[3].strip(), values)
            continue
        for part in _OUTSIDE_COMMA.split(match[1]):
            if assigned := _ASSIGNED.fullmatch(part.strip()):
                values[assigned[1]] = _value(assigned[2].strip(), values)
    if not values:
        raise FormatError(f"{source}: no parameter, localparam or `define in it")
    settings = Settings(source=source)
    units = {f"{unit}_FP_{part}_WIDTH" for unit in _UNITS for part in ("EXP", "MANT")}
    taken = _types(settings, values) | units
    settings.sizes({name: value for name, value in values.items() if name not in taken})
    for unit, role in _UNITS.items():
        keys = [f"{unit}_FP_{part}_WIDTH" for part in ("EXP", "MANT")]
        missing = [key for key in keys if key not in values]
        if len(missing) == 1:
            raise FormatError(f"{source}: {missing[0]} is missing; a format has both widths")
        if not missing:
            widths = [values[key] for key in keys]
            fmt = minifloat_of(*widths, where=f"{source}: {' and '.join(keys)}")
            settings.fields[role] = (fmt, f"{unit}_FP")
    return settings


def _types(settings: Settings, values: dict[str, Any]) -> set[str]:
    """Take the types of operands, and return the keys that say them."""
    taken = {name for name in values if _OPERAND.fullmatch(name)}
    block = values.get("BLOCK_DIM")
    scale = next((values[name] for name in _SCALES if name in values), 8)
    for prefix, role in _OPERANDS.items():
        exponent, mantissa = (
            values.get(f"{prefix}_MXFP_{part}_WIDTH", values.get(f"{prefix}_MX_{part}_WIDTH"))
            for part in ("EXP", "MANT")
        )
        width = values.get(f"{prefix}_MX_INT_WIDTH")
        integers = bool(values.get(f"{prefix}_MX_INT_ENABLE")) and whole(width)
        element: dict[str, object] = {"type": "Int", "width": width}
        if not integers:
            element = {"type": "Fp", "exponent": exponent, "mantissa": mantissa}
        keys = {name for name in taken if name.startswith(f"{prefix}_MX")}
        said = integers or (type(exponent) is int and type(mantissa) is int)
        if not said or not whole(block) or scale != 8:
            why = "no type of operands without widths, BLOCK_DIM and scales of 8 bits"
            for name in sorted(keys):
                settings.leave(name, values[name], why)
            continue
        where = f"{settings.source}: {prefix}_MX…"
        table = mx_table(element, {"type": "Fp", "exponent": 8, "mantissa": 0}, block, where=where)
        settings.programs["types", role] = (table, f"{prefix}_MX…")
    used = any(table == "types" for table, _ in settings.programs)
    for name in ("BLOCK_DIM", *_SCALES):
        if name in values:
            taken.add(name)
            if not used:
                settings.leave(name, values[name], "of types of operands, which are not all there")
    return taken


def _value(given: str, known: dict[str, Any]) -> Any:
    """Return the integer of an expression, or its text where it is more than that."""
    try:
        plain = _LITERAL.sub(
            lambda match: str(int(match[2].replace("_", ""), _BASES[match[1].lower()])), given
        )
        whole_expression = plain.replace("`", "").replace("/", "//")
        return _evaluated(ast.parse(whole_expression, mode="eval").body, known)
    except (ArithmeticError, KeyError, SyntaxError, TypeError, ValueError):
        return given


def _evaluated(node: ast.expr, known: dict[str, Any]) -> int:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    if isinstance(node, ast.Name) and isinstance(known[node.id], int):
        return int(known[node.id])
    if isinstance(node, ast.BinOp):
        left, right = _evaluated(node.left, known), _evaluated(node.right, known)
        if isinstance(node.op, ast.LShift) and right > 64:
            raise ValueError(node.op)
        return _OPERATORS[type(node.op)](left, right)
    if isinstance(node, ast.UnaryOp):
        return _OPERATORS[type(node.op)](_evaluated(node.operand, known))
    raise ValueError(node)
