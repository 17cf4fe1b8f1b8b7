"""numerics_used: which numerics a recipe's formats have, for results."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from plena_cosim.golden import Mx, Rounding, ScaleRule

from .recipe import Recipe
from .role_format import ROLES


def numerics_used(recipe: Recipe) -> dict[str, Any]:
    """Return the profile, and what the block formats of a recipe have in common or not.

    The seed stands there where roundings are stochastic.

    Args:
        recipe: checked.

    >>> from plena_cosim.passes.recipe.load import load_quant_config
    >>> numerics_used(load_quant_config("configs/quant/llama_w4a4_mxint.toml"))
    {'profile': 'ocp', 'scale_rules': ['floor'], 'symmetric': [True], 'rounding': ['rne']}
    """
    found = list(_formats(recipe))
    roundings = sorted({Rounding(mx.rounding).value for mx in found})
    drawn = Rounding.STOCHASTIC.value in roundings
    return {
        "profile": recipe.tables.get("numerics", {}).get("profile", "ocp"),
        "scale_rules": sorted({ScaleRule(mx.scale_rule).value for mx in found}),
        "symmetric": sorted({mx.symmetric for mx in found}),
        "rounding": roundings,
        **({"seed": recipe.seed} if drawn else {}),
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
    if used.get("rounding", ["rne"]) not in ([], ["rne"]):
        words.append(f"rounding {', '.join(used['rounding'])}")
    if "seed" in used:
        words.append(f"seed {used['seed']}")
    return ", ".join(words)


def _formats(recipe: Recipe) -> Iterator[Mx]:
    for group in (recipe.selectors, *recipe.phases.values()):
        for selector in group:
            made, inside = selector.formats, selector.formats.attention
            given = [getattr(made, role) for role in ROLES]
            given += [getattr(inside, field.name) for field in fields(inside)]
            yield from (each for each in given if isinstance(each, Mx) and not selector.bypass)
    if isinstance(recipe.calibrated, Mx):
        yield recipe.calibrated
