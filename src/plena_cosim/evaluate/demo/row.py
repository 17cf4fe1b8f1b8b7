"""DemoRow: a format's perplexity in the demo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..perplexity import Perplexity


@dataclass(frozen=True, kw_only=True)
class DemoRow:
    """One line of the perplexity table.

    Attributes:
        name: of the format.
        numerics: "fake" or "exact"; "-" without quantisation.
        bits_per_weight: storage cost, the share of scales included.
        result: what was measured.
    """

    name: str
    numerics: str
    bits_per_weight: float
    result: Perplexity

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for a JSON record."""
        shared = {"format": self.name, "numerics": self.numerics}
        return shared | {"bits_per_weight": self.bits_per_weight} | self.result.as_dict()
