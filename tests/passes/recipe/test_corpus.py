"""Every construction of the reference's recipes: one file each, read and tried on a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.passes.families import build
from typer.testing import CliRunner

from plena_cosim.cli.main import app
from plena_cosim.passes.pipeline import require_possible
from plena_cosim.passes.plan.plan_model import plans_of
from plena_cosim.passes.recipe.load import read_recipe_file
from plena_cosim.passes.replace.check import check

CORPUS = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))
WARNED = {
    "by_alone",
    "gptq_not_taken",
    "gptq_no_selector",
    "search_gptq_not_taken",
    "search_every_key",
}


def test_there_is_a_corpus() -> None:
    assert len(CORPUS) == 25


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_recipe_check_accepts_it(path: Path) -> None:
    found = CliRunner().invoke(app, ["recipe", "check", str(path)])
    assert found.exit_code == 0, found.output
    assert ("warning: " in found.output) == (path.stem in WARNED)


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    return {family: build(family) for family in ("llama", "qwen3_moe")}


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_a_model_takes_it(models: dict[str, Any], path: Path) -> None:
    recipe = read_recipe_file(path)
    model = models["qwen3_moe" if path.stem == "experts" else "llama"]
    plans = plans_of(model, recipe)
    assert bool(plans) == bool(recipe.selectors)
    for plan in plans:
        check(plan, None, recipe.kv_handover)
    require_possible(model, recipe, plans)
