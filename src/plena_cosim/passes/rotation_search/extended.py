"""A recipe with more online rotations."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

from ..recipe.load import PassArgs, read_quant_config
from ..recipe.rotation_table import RotationTable


def extended(recipe: PassArgs, names: Sequence[str]) -> PassArgs:
    """Return the recipe with more names in `online`, to make plans of; its tables stay."""
    table = recipe.rotation or RotationTable.model_validate({})
    return replace(recipe, rotation=table.model_copy(update={"online": [*table.online, *names]}))


def finished(recipe: PassArgs, names: Sequence[str]) -> PassArgs:
    """Return the recipe with more names in `online`, and without a search, read from its tables.

    The machine that [hardware] names is in the tables already.
    """
    tables = copy.deepcopy(dict(recipe.tables))
    tables.pop("rotation_search", None)
    if names:
        given = tables.get("rotation", {})
        tables["rotation"] = {**given, "online": [*given.get("online", []), *names]}
    return read_quant_config(tables, source=recipe.source)
