"""numerics_used: which numerics a recipe's formats have, for results."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from plena_cosim.golden import Mx, ScaleRule

from .recipe import Recipe
from .role_format import ROLES


def numerics_used(recipe: Recipe) -> dict[str, Any]:
    """Return the profile, and scale rules and ranges of codes of the block formats of a recipe.

    Args:
        recipe: checked.

    >>> from plena_cosim.passes.recipe.load import load_quant_config
    >>> numerics_used(load_quant_config("configs/quant/llama_w4a4_mxint.toml"))
    {'profile': 'ocp', 'scale_rules': ['floor'], 'symmetric': [True]}
    """
    found = list(_formats(recipe))
    return {
        "profile": recipe.tables.get("numerics", {}).get("profile", "ocp"),
        "scale_rules": sorted({ScaleRule(mx.scale_rule).value for mx in found}),
        "symmetric": sorted({mx.symmetric for mx in found}),
    }


def numerics_words(used: dict[str, Any]) -> str:
    """Return what `numerics_used` says on one line.

    >>> numerics_words({"profile": "mase", "scale_rules": ["mase"], "symmetric": [False]})
    'profile mase, scale rule mase, full range of codes'
    """
    words = [f"profile {used['profile']}"]
    codes = {(True,): "symmetric codes", (False,): "full range of codes"}
    if used["scale_rules"]:
        words.append(f"scale rule {', '.join(used['scale_rules'])}")
        words.append(codes.get(tuple(used["symmetric"]), "both ranges of codes"))
    return ", ".join(words)


def _formats(recipe: Recipe) -> Iterator[Mx]:
    for group in (recipe.selectors, *recipe.phases.values()):
        for selector in group:
            made, inside = selector.formats, selector.formats.attention
            given = [getattr(made, role) for role in ROLES]
            given += [getattr(inside, field.name) for field in fields(inside)]
            yield from (each for each in given if isinstance(each, Mx) and not selector.bypass)
    if recipe.calibrated is not None:
        yield recipe.calibrated
