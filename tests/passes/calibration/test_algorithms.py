"""Every value of the key `algorithm` is an algorithm, and the documentation says what it does."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from plena_cosim.passes.calibration.algorithms import ALGORITHMS
from plena_cosim.passes.recipe.calibration_tables import GptqTable

PAGE = Path(__file__).parents[3] / "docs" / "calibration.md"


def test_the_recipe_knows_all_of_them() -> None:
    assert get_args(GptqTable.model_fields["algorithm"].annotation) == tuple(ALGORITHMS)


def test_the_documentation_has_a_row_for_each() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in ALGORITHMS:
        assert f'| `"{name}"` |' in page, f"docs/calibration.md has no row for {name}"
