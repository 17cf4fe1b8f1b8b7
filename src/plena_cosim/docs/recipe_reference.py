"""The tables of keys in docs/recipe.md, made from the JSON schema of a recipe."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..passes.recipe.json_schema import recipe_schema
from .generated import renew

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "recipe.md"
HEADER = "| key | type | default | meaning | example |\n|---|---|---|---|---|"

_MARKED = re.compile(r"(<!-- keys (\w+)[^>]*-->\n).*?(<!-- /keys -->)", re.DOTALL)
_ROLE = re.compile(r"^(weight|data_in|bias)_(\w+)$")


def tables() -> dict[str, str]:
    """Return the Markdown of each table of keys by the name of its schema."""
    schema = recipe_schema()
    kinds = {"RecipeFile": schema, **schema["$defs"]}
    return {name: _table(kind) for name, kind in kinds.items() if kind.get("properties")}


def renewed(text: str) -> str:
    """Return the document's text with the tables of today between its markers."""
    fresh = tables()
    return _MARKED.sub(lambda found: f"{found[1]}{fresh[found[2]]}\n{found[3]}", text)


def shown(text: str) -> list[str]:
    """Return the names of the tables that a document shows."""
    return [found[2] for found in _MARKED.finditer(text)]


def write() -> bool:
    """Renew the document; returns whether it had to be."""
    return renew(DOCUMENT, renewed)


def _table(kind: dict[str, Any]) -> str:
    rows: dict[tuple[str, ...], list[str]] = {}
    for key, node in kind["properties"].items():
        role = _ROLE.match(key)
        rest = (
            _type(node),
            _default(key, node, kind.get("required", [])),
            node["description"],
            _toml(node["examples"][0]),
        )
        rows.setdefault((role[2] if role else key, *rest), []).append(key)
    lines = [
        f"| {', '.join(f'`{key}`' for key in keys)} | {kind_of_value} | {default} | {meaning} | "
        f"`{keys[0]} = {example}` |"
        for (_, kind_of_value, default, meaning, example), keys in rows.items()
    ]
    return "\n".join([HEADER, *lines])


def _type(node: dict[str, Any]) -> str:
    if options := node.get("anyOf"):
        return " or ".join(_type(option) for option in options)
    if values := node.get("enum"):
        return " or ".join(f'`"{value}"`' for value in values)
    if "const" in node:
        return f'`"{node["const"]}"`'
    kind = node.get("type", "table")
    if kind == "array":
        return f"list of {_type(node['items'])}" if "enum" not in node["items"] else "list of names"
    if "minimum" in node:
        high = f" … {node['maximum']}" if "maximum" in node else " or more"
        return f"{kind} {node['minimum']}{high}"
    return "table" if kind == "object" else str(kind)


def _default(key: str, node: dict[str, Any], required: list[str]) -> str:
    if key in required:
        return "required"
    return f"`{_toml(node['default'])}`" if "default" in node else "–"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_toml(inner)}' for key, inner in value.items())} }}"
    return str(value)
