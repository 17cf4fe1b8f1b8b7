"""Plan: one module of a model and what a recipe makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from ..recipe.formats import AttentionFormats
from ..recipe.recipe import Phase
from ..recipe.selector import Selector
from .module_kind import Kind


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a recipe makes of one module.

    Attributes:
        name: of the module in the model.
        module: as it was.
        kind: what it is.
        selectors: by phase; the same one twice where the phases do not differ. None: left alone.
        source: the recipe's name, for messages.
    """

    name: str
    module: nn.Module
    kind: Kind
    selectors: Mapping[Phase, Selector | None]
    source: str

    def where(self, selector: Selector) -> str:
        """Return the place that an error message names."""
        return f"{self.source} [{selector.key}]: module {self.name!r}"

    def different(self) -> list[Selector]:
        """Return the selectors, each once."""
        found: list[Selector] = []
        for selector in self.selectors.values():
            if selector is not None and selector not in found:
                found.append(selector)
        return found


def attention_formats(plan: Plan) -> dict[Phase, AttentionFormats]:
    """Return the formats of an attention module by phase; none where it is left alone."""
    return {
        phase: AttentionFormats() if selector is None else selector.formats.attention
        for phase, selector in plan.selectors.items()
    }
