"""The section `quantize` as the tables of a recipe."""

from __future__ import annotations

from typing import Any

from plena_cosim.passes.recipe.file_tables import RecipeFile

from .section import NATIVE, LayerTable, QuantizeTable, activation_dtype, weight_dtype

CLASSES = ["Linear", "Conv2d"]
"""Modules that are quantised, with those derived from them."""

ELEMENTS = {"int8": "int8", "fp8_e4m3fn": "fp8_e4m3", "fp8_e5m2": "fp8_e5m2"}
METHODS = {"minmax": "min_max", "entropy": "entropy"}

_BY_CHANNEL: dict[str, Any] = {"granularity": "channel", "axis": 0}
_AS_TORCH: dict[str, Any] = {"quotient": "reciprocal"}
_NARROW: dict[str, Any] = {"symmetric_codes": True}
"""modelopt's int8 is -127 … 127."""


def recipe_tables(section: QuantizeTable) -> dict[str, Any]:
    """Return what a section says in a recipe's words.

    `skip_names` come first, then `layers` in their order: the first that matches a module decides.

    Args:
        section: checked.

    >>> layer = {"module_name": "Linear", "weights": {"dtype": "int8"}}
    >>> section = QuantizeTable.model_validate({"layers": [layer]})
    >>> recipe_tables(section)["Linear"]["weight"]
    {'element': 'int8', 'granularity': 'channel', 'axis': 0, 'quotient': 'reciprocal'}
    """
    tables: dict[str, Any] = {"by": "glob_or_type"}
    for pattern in dict.fromkeys(section.skip_names):
        tables[_key(pattern)] = {"name": "spec", "bypass": True, "optional": True}
    for layer in section.layers:
        tables[_key(layer.module_name)] = _selector(section, layer)
    return tables


def _key(pattern: str) -> str:
    """Return a pattern as a selector: one that is called like a key of a recipe is no key."""
    return f"[{pattern[0]}]{pattern[1:]}" if pattern in RecipeFile.model_fields else pattern


def _selector(section: QuantizeTable, layer: LayerTable) -> dict[str, Any]:
    table: dict[str, Any] = {"name": "spec", "type": CLASSES}
    weight, activation = weight_dtype(layer), activation_dtype(section, layer)
    if weight != NATIVE:
        table["weight"] = _weight(section.backend, weight)
    if activation != NATIVE:
        table["data_in"] = {
            "element": ELEMENTS[activation],
            **({**_NARROW, **_AS_TORCH} if activation == "int8" else {}),
            "range": METHODS[section.algorithm],
        }
    return table if len(table) > 2 else {**table, "bypass": True}


def _weight(backend: str, dtype: str) -> dict[str, Any]:
    """Return the format of a weight: per output channel, but for modelopt's fp8."""
    table: dict[str, Any] = {"element": ELEMENTS[dtype]}
    if dtype == "int8":
        narrow = _NARROW if backend == "modelopt" else {}
        return {**table, **_BY_CHANNEL, **_AS_TORCH, **narrow}
    return {**table, **_BY_CHANNEL} if backend == "torchao" else table
