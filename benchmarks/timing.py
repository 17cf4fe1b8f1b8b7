"""Contenders timed in turn, round after round: a noisy machine is noisy for all of them."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .effort import Effort

Work = Callable[[], object]

_SHORTEST = 0.002
"""Seconds: shorter work is repeated for so long, as the clock has a grain."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Of several figures of one thing: the least, the one in the middle, the largest."""

    min: float
    median: float
    max: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> Spread:
        """Return the spread of at least one figure."""
        return cls(min=min(figures), median=statistics.median(figures), max=max(figures))

    def as_json(self) -> dict[str, Any]:
        """Return it as a record has it."""
        return asdict(self)


def race(
    contenders: Mapping[str, Work], effort: Effort, *, at_most_seconds: float = 60.0
) -> dict[str, list[float]]:
    """Return the seconds of each contender, one figure a round.

    Args:
        contenders: work by name; each runs once before the first round, untimed.
        effort: rounds and clock.
        at_most_seconds: no further round begins after so long.

    Returns:
        As many figures for one contender as for another, so that rounds can be compared one by one.
    """
    loops = {}
    for name, work in contenders.items():
        work()
        loops[name] = max(1, math.ceil(_SHORTEST / max(_seconds(work, 1, effort), 1e-6)))
    found: dict[str, list[float]] = {name: [] for name in contenders}
    began = time.perf_counter()
    for done in range(effort.rounds):
        if done and time.perf_counter() - began > at_most_seconds:
            break
        for name, work in contenders.items():
            found[name].append(_seconds(work, loops[name], effort))
    return found


def ratios(times: Mapping[str, Sequence[float]], what: str, against: str) -> list[float]:
    """Return the time of one contender as multiples of another's, round by round."""
    return [a / b for a, b in zip(times[what], times[against], strict=True)]


def _seconds(work: Work, loops: int, effort: Effort) -> float:
    clock = effort.clock
    began = clock()
    for _ in range(loops):
        work()
    return (clock() - began) / loops
