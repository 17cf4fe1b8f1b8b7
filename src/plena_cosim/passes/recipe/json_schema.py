"""The JSON Schema of a recipe, for editors that check and complete TOML files."""

from __future__ import annotations

from typing import Any

from .file_tables import RecipeFile

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def recipe_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a recipe file.

    What load_quant_config accepts is valid. The opposite does not hold for what one key asks of
    another, such as a width without its block size.
    """
    schema = RecipeFile.model_json_schema()
    return {"$schema": DIALECT, **_for_toml(schema)}


def _for_toml(node: Any) -> Any:
    """Return the schema without made-up titles and without null, which TOML does not have."""
    if isinstance(node, list):
        return [_for_toml(item) for item in node]
    if not isinstance(node, dict):
        return node
    found = {key: _for_toml(value) for key, value in node.items()}
    found.pop("title", None)
    if found.get("default", ...) is None:
        del found["default"]
    options = found.get("anyOf", [])
    kept = [option for option in options if option != {"type": "null"}]
    if len(kept) < len(options):
        del found["anyOf"]
        found = {**(kept[0] if len(kept) == 1 else {"anyOf": kept}), **found}
    return found
