"""What a rotation search finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..recipe.recipe import Recipe

EVERYWHERE = "all layers"
"""Where a round looks whose candidates are matmul types."""


@dataclass(frozen=True, kw_only=True)
class SearchRound:
    """Every rotation that could be added was measured once, and the best one kept if it helps.

    Attributes:
        place: EVERYWHERE, or the name of the layer.
        before: perplexity without any of them.
        tried: perplexity with each, by its name in `online`, in the order of measuring.
        winner: what was kept; None: nothing helps by more than improvement_eps.
    """

    place: str
    before: float
    tried: Mapping[str, float]
    winner: str | None

    @property
    def after(self) -> float:
        """Perplexity with what was kept."""
        return self.before if self.winner is None else self.tried[self.winner]


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """The result of a search.

    Attributes:
        recipe: the one that was given, with the winners in [rotation] and without
            [rotation_search]; its tables say all.
        winners: names for `online`, in the order in which they were kept.
        baseline, perplexity: without and with them.
        rounds: of the search, in order.
        left_out: why a matmul was not, or no longer, tried, by its name.
        seconds: of measuring, also in runs before this one.
        begun: how this run began: anew and why, from a file that was not finished, or from one that
            was.
    """

    recipe: Recipe
    winners: tuple[str, ...]
    baseline: float
    perplexity: float
    rounds: tuple[SearchRound, ...]
    left_out: Mapping[str, str]
    seconds: float
    begun: str

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should be told."""
        return (f"rotation search: {self.begun}",)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for a JSON record."""
        return {
            "winners": list(self.winners),
            "baseline": self.baseline,
            "perplexity": self.perplexity,
            "rounds": [vars(each) | {"after": each.after} for each in self.rounds],
            "left_out": dict(self.left_out),
            "seconds": self.seconds,
            "begun": self.begun,
            "recipe": dict(self.recipe.tables),
        }
