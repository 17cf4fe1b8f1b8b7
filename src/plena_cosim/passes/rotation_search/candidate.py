"""Candidate: one more rotation on top of a recipe, and which layers it changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from plena_cosim.golden import FormatError

from ..attention.rotation import resolved
from ..layers.stack import Stack
from ..plan.plan import Plan
from ..plan.plan_model import plans_of
from ..recipe.formats import AttentionFormats, RotationMode
from ..recipe.recipe import Phase, Recipe
from ..replace.check import check
from .extended import extended


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What a model becomes with one more rotation.

    Attributes:
        name: of the rotation in `online`.
        plans: of all modules.
        first: index of the first layer that it changes.
    """

    name: str
    plans: Sequence[Plan]
    first: int


class LeftOut(Exception):  # noqa: N818  (it is no error)
    """A rotation need not or cannot be tried; the text says why."""


def candidate(
    model: nn.Module,
    stack: Stack,
    recipe: Recipe,
    committed: Sequence[Plan],
    name: str,
) -> Candidate:
    """Return what a rotation would change.

    Args:
        model: as it was.
        stack: of the model.
        recipe: with the rotations that are kept.
        committed: its plans.
        name: of the rotation in `online`.

    Raises:
        LeftOut: with the reason.
    """
    try:
        plans = plans_of(model, extended(recipe, [name]))
    except FormatError as error:
        ours = f"{recipe.source} [rotation]: online names {name!r}, but "
        raise LeftOut(str(error).removeprefix(ours)) from None
    before = {plan.name: plan for plan in committed}
    changed = [plan for plan in plans if plan.selectors != before[plan.name].selectors]
    if not changed:
        raise LeftOut("it is rotated already, or a selector says online_rotate itself")
    try:
        for plan in changed:
            check(plan, None, recipe.kv_handover)
        seen = [plan for plan in changed if _prefill(plan) != _prefill(before[plan.name])]
    except FormatError as error:
        raise LeftOut(str(error)) from None
    if not seen:
        raise LeftOut(
            "it changes nothing that perplexity sees: kv_cache rotates queries and keys already, "
            "or only decode has a format for it"
        )
    layers = [stack.index_of(plan.name) for plan in changed]
    inside = [layer for layer in layers if layer is not None]
    if len(inside) < len(layers):
        raise LeftOut(f"{changed[layers.index(None)].name} is not in the layers ({stack.name})")
    return Candidate(name=name, plans=plans, first=min(inside))


def _prefill(plan: Plan) -> Any:
    """Return what a module does while it reads; a rotation of keys has two names in attention."""
    selector = plan.selectors[Phase.PREFILL]
    if selector is None:
        return None
    given = selector.formats.attention
    plain = replace(selector, formats=replace(selector.formats, attention=AttentionFormats()))
    if given == AttentionFormats():
        return plain
    inside = resolved(plan.module, given, plan.where(selector))
    if inside.semantics is RotationMode.DEQUANT:
        return plain, inside
    basis = inside.key_basis, inside.value_basis
    return plain, basis, replace(inside, qk_rotate=None, kv_rotate=None)
