"""phase_recipe: a recipe whose activations differ by phase and by what a layer is."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from enum import Enum
from typing import Any

from torch import nn

from plena_cosim.golden import FormatError
from plena_cosim.passes import Recipe
from plena_cosim.passes.plan.plan import Plan
from plena_cosim.passes.plan.plan_model import plans_of
from plena_cosim.passes.recipe.load import read_quant_config
from plena_cosim.passes.recipe.recipe import MatchBy, Phase

from ..recipe_text import recipe_text

_MXFP = {4: (2, 1), 6: (2, 3), 8: (4, 3)}
"""Exponent and fraction of the MXFP elements of so many bits: E2M1, E2M3, E4M3."""


class Part(Enum):
    """What a linear layer belongs to."""

    ATTENTION = "attn"
    """It is inside of an attention module."""
    FFN = "ffn"
    """It is in a decoder layer, and not inside of its attention."""


@dataclass(frozen=True, kw_only=True)
class Activations:
    """What the input of linear layers becomes; None: as the recipe says.

    Attributes:
        width: bits of an element.
        block_size: elements that share a scale.
    """

    width: int | None = None
    block_size: int | None = None

    def __bool__(self) -> bool:
        return self.width is not None or self.block_size is not None


def phase_recipe(
    model: nn.Module, recipe: Recipe, wanted: Mapping[tuple[Phase, Part], Activations]
) -> Recipe:
    """Return a recipe with selectors in [phase.prefill] and [phase.decode].

    Each of them is a copy of the selector that chooses its layers, with another width or block size
    of `data_in`. Weights stay as they are, one for both phases.

    Args:
        model: in floating point.
        recipe: checked; with no [phase] selectors of its own.
        wanted: by phase and part; what is not there stays.

    Raises:
        FormatError: the recipe has such selectors, chooses by type, quantises no layer of a part,
            or a width is not one of its family.
    """
    if any(recipe.phases.values()):
        raise FormatError(
            f"{recipe.source}: has selectors in [phase] of its own; measure it as it is, or take "
            "them out and give widths by phase"
        )
    if recipe.by is MatchBy.TYPE:
        raise FormatError(
            f"{recipe.source}: chooses modules by type, which says nothing of attention and FFN; "
            f"write its selectors by {MatchBy.REGEX_NAME.value}"
        )
    tables = deepcopy(dict(recipe.tables))
    linear = [plan for plan in plans_of(model, recipe) if plan.kind.owns_weights]
    groups = _groups(model, linear)
    for (phase, part), activations in wanted.items():
        if not activations:
            continue
        mine = {key: names for key, names in groups.items() if key[1] is part}
        if not mine:
            raise FormatError(
                f"{recipe.source}: quantises no layer of {part.value}, whose {phase.value} was "
                "given a format"
            )
        place = tables.setdefault("phase", {}).setdefault(phase.value, {})
        for (selector, _, pattern), names in mine.items():
            table = _changed(tables[selector], activations, recipe, selector)
            for key in _keys(model, recipe.by, pattern, names):
                place[key] = table
    digest = hashlib.sha256(recipe_text(tables).encode()).hexdigest()
    return read_quant_config(tables, source=recipe.source, sha256=digest)


def part_of(model: nn.Module, name: str) -> Part | None:
    """Return what a module belongs to; None: it is in no decoder layer.

    Args:
        model: that it is in.
        name: of the module.
    """
    above = name.split(".")[:-1]
    if not any(word.isdigit() for word in above):
        return None
    for length in range(1, len(above) + 1):
        owner = type(model.get_submodule(".".join(above[:length]))).__name__.lower()
        if "attention" in owner or "attn" in owner:
            return Part.ATTENTION
    return Part.FFN


def _groups(model: nn.Module, plans: list[Plan]) -> dict[tuple[str, Part, str], list[str]]:
    """Return names by selector, part, and the name without its numbers."""
    found: dict[tuple[str, Part, str], list[str]] = {}
    for plan in plans:
        part = part_of(model, plan.name)
        selector = plan.selectors[Phase.PREFILL]
        if part is not None and selector is not None:
            pattern = re.sub(r"\b\d+\b", "#", plan.name)
            found.setdefault((selector.key, part, pattern), []).append(plan.name)
    return found


def _keys(model: nn.Module, by: MatchBy, pattern: str, names: list[str]) -> list[str]:
    """Return keys that choose these modules and no others: one for all, if that can be."""
    if by is MatchBy.REGEX_NAME:
        key = r"\d+".join(map(re.escape, pattern.split("#")))
        chosen = [name for name, _ in model.named_modules() if re.fullmatch(key, name)]
        return [key] if chosen == names else [re.escape(name) for name in names]
    return names


def _changed(table: Any, activations: Activations, recipe: Recipe, selector: str) -> dict[str, Any]:
    """Return a selector's table with another format of `data_in`."""
    inner: dict[str, Any] = dict(table.get("config", table))
    if activations.block_size is not None:
        inner["data_in_block_size"] = activations.block_size
    width = activations.width
    if width is None:
        return inner
    family = str(inner.get("name", recipe.tables.get("defaults", {}).get("name", ""))).lower()
    if family == "mxint":
        return inner | {"data_in_width": width}
    if family != "mxfp" or width not in _MXFP:
        known = ", ".join(map(str, _MXFP))
        raise FormatError(
            f"{recipe.source} [{selector}]: a width by phase is of MXINT, or of MXFP with {known} "
            f"bits; got {width} for {family or 'no family'}"
        )
    exponent, fraction = _MXFP[width]
    return inner | {"data_in_exponent_width": exponent, "data_in_frac_width": fraction}
