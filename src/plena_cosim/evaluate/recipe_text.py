"""recipe_text: the tables of a recipe as TOML."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def recipe_text(tables: Mapping[str, Any], *, about: str = "") -> str:
    """Return TOML that parses to `tables`: dicts of texts, numbers, truth values, lists and dicts.

    Args:
        tables: as parsed from TOML.
        about: a comment to begin with.
    """
    lines = [f"# {line}" for line in about.splitlines()]
    _table(tables, (), lines)
    return "\n".join(lines).lstrip("\n") + "\n"


def _table(
    table: Mapping[str, Any], path: tuple[str, ...], lines: list[str], *, one_of_many: bool = False
) -> None:
    inner = {key: value for key, value in table.items() if _has_header(value)}
    plain = {key: value for key, value in table.items() if key not in inner}
    if one_of_many:
        lines += ["", f"[[{'.'.join(map(_key, path))}]]"]
    elif path and (plain or not inner):
        lines += ["", f"[{'.'.join(map(_key, path))}]"]
    lines += [f"{_key(key)} = {_value(value)}" for key, value in plain.items()]
    for key, value in inner.items():
        if isinstance(value, Mapping):
            _table(value, (*path, key), lines)
            continue
        for each in value:
            _table(each, (*path, key), lines, one_of_many=True)


def _has_header(value: Any) -> bool:
    """Whether a value is a table, or a list of tables, each with lines of its own."""
    if isinstance(value, list):
        return bool(value) and all(isinstance(each, Mapping) for each in value)
    return isinstance(value, Mapping)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _value(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items()) + "}"
    return repr(value)  # numbers; inf and nan are TOML's words, too


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
