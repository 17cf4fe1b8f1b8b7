"""A recipe at a glance leaves out no table."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

import pytest

from plena_cosim.docs.recipe_summary import remarks
from plena_cosim.passes.recipe.file_tables import RecipeFile
from plena_cosim.passes.recipe.load import read_quant_config
from plena_cosim.passes.recipe.read_table import Table
from plena_cosim.passes.recipe.recipe import Recipe

TABLES = [
    name
    for name, hint in get_type_hints(Recipe).items()
    if any(isinstance(kind, type) and issubclass(kind, Table) for kind in get_args(hint))
]


def test_there_are_tables() -> None:
    assert {"gptq", "distill"} <= set(TABLES)


@pytest.mark.parametrize("name", TABLES)
def test_every_table_has_a_line(name: str) -> None:
    plain: dict[str, Any] = {"lm_head": {"name": "mxint", "bypass": True}}
    example = (RecipeFile.model_fields[name].examples or [])[0]
    said = set(remarks(read_quant_config({**plain, name: example})))
    assert said - set(remarks(read_quant_config(plain))), (
        f"`plena recipe check` says nothing of [{name}]: add a line in {remarks.__module__}"
    )
