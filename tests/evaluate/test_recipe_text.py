"""recipe_text writes TOML that parses to the same tables, selectors in their order."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from plena_cosim.evaluate.recipe_text import recipe_text
from plena_cosim.passes import load_quant_config
from plena_cosim.passes.recipe.load import read_quant_config

FILES = [
    path
    for path in sorted((Path(__file__).parents[2] / "configs" / "quant").rglob("*.toml"))
    if path.name != "ladder.toml"  # the order of the recipes beside it
]


def order(tables: Any) -> Any:
    """Tables with the order of their tables."""
    if not isinstance(tables, dict):
        return tables
    return [(key, order(value)) for key, value in tables.items() if isinstance(value, dict)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_recipes_stay_what_they_are(path: Path) -> None:
    recipe = load_quant_config(path)
    again = tomllib.loads(recipe_text(recipe.tables))
    assert again == recipe.tables
    assert order(again) == order(recipe.tables)
    assert read_quant_config(again).selectors == recipe.selectors


@pytest.mark.parametrize(
    "tables",
    [
        {},
        {"a": {}},
        {"a": {"c": 1, "b": {}}, "d": {"e": {"f": {"g": True}}}},
        {"": {"": "empty keys"}},
        {'q"uo\\te\n': 'a\tb\r\x00\x1f\x7f é 😀 "" \\d+'},
        {"model\\.layers\\.\\d+": {"x": [1, -2, 0.5, 1e-30, "a", True, [], ["b"]]}},
        {"z": 1, "a": {"k": 1}, "m": 2},
        {"list": [{"a": 1}, {"b c": {"d": "e"}}, {}]},
        {"numbers": [1e22, 1e16, 123456789012345678, float("inf"), -0.0]},
    ],
)
def test_whatever_toml_can_say(tables: dict[str, Any]) -> None:
    again = tomllib.loads(recipe_text(tables, about="a comment\nof two lines"))
    assert again == tables
    assert repr(sorted(again.items())) == repr(sorted(tables.items()))
