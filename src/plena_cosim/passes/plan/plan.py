"""Plan: one module of a model and what a recipe makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from plena_cosim.golden import HardwareConfig

from ..modules.module_kind import ModuleKind, PhasedRequest
from ..recipe.formats import Format
from ..recipe.recipe import Phase
from ..recipe.selector import Selector


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a recipe makes of one module.

    Attributes:
        name: of the module in the model.
        module: as it was.
        kind: what it is.
        selectors: by phase; the same one twice where the phases do not differ. None: left alone.
        source: the recipe's name, for messages.
        taken_by: the class around it if that multiplies by its weight without calling it, so that
            its input cannot be quantised; else empty.
    """

    name: str
    module: nn.Module
    kind: ModuleKind
    selectors: Mapping[Phase, Selector | None]
    source: str
    taken_by: str = ""

    def where(self, selector: Selector) -> str:
        """Return the place that an error message names."""
        return f"{self.source} [{selector.name}]: module {self.name!r}"

    def different(self) -> list[Selector]:
        """Return the selectors, each once."""
        found: list[Selector] = []
        for selector in self.selectors.values():
            if selector is not None and selector not in found:
                found.append(selector)
        return found

    def phases_differ(self) -> bool:
        """Return whether the module is another in prefill than in decode."""
        return len(set(self.selectors.values())) > 1

    def phased(self, hw: HardwareConfig | None) -> PhasedRequest:
        """Return what a kind is asked about both phases.

        Args:
            hw: the machine of exact numerics; None for fake numerics.
        """
        where = self.where(self.different()[0])
        return PhasedRequest(module=self.module, selectors=self.selectors, hw=hw, where=where)

    def input_formats(self, hw: HardwareConfig | None) -> dict[Phase, Format | None] | None:
        """Return the formats of the input, if they are all that changes between phases.

        Args:
            hw: the machine of exact numerics; None for fake numerics.
        """
        return self.kind.input_formats(self.phased(hw))
