"""A part of the suite, what it measures, and what is aimed at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from plena_cosim.ground.progress import Progress

from .effort import Effort
from .timing import Spread, ratios


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What is aimed at: a figure of at most, or of at least so much."""

    at_most: float | None = None
    at_least: float | None = None

    def met(self, figure: float) -> bool:
        """Return whether a figure reaches it."""
        if self.at_most is not None:
            return figure <= self.at_most
        assert self.at_least is not None
        return figure >= self.at_least

    def __str__(self) -> str:
        if self.at_most is not None:
            return f"≤ {self.at_most:g}"
        return f"≥ {self.at_least:g}"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure.

    Attributes:
        what: is measured.
        against: it is compared with; "" where the figure stands alone.
        unit: "×" for ratios, else "s", "MB", "M cycles/s" …
        figure: in `unit`; of ratios, those of the rounds, each within one round.
        fastest: the ratio of the fastest rounds, which a busy machine moves least; None where the
            figure is no ratio.
        seconds: of what took part, by name.
        goal: None where nothing is promised.
        less_is_better: of the figure.
        note: what a reader has to know beside it.
        x: where it stands on the curve `what`; None where it is on none.
    """

    what: str
    against: str = ""
    unit: str = "×"
    figure: Spread
    fastest: float | None = None
    seconds: Mapping[str, Spread] = field(default_factory=dict)
    goal: Goal | None = None
    less_is_better: bool = True
    note: str = ""
    x: int | None = None

    @property
    def key(self) -> str:
        """What a recorded figure is found by."""
        place = "" if self.x is None else f" at {self.x}"
        return f"{self.what}{place} / {self.against}" if self.against else self.what

    def as_json(self) -> dict[str, Any]:
        """Return it as a record has it."""
        return {
            "what": self.what,
            "against": self.against,
            "unit": self.unit,
            "figure": self.figure.as_json(),
            "fastest": self.fastest,
            "seconds": {name: spread.as_json() for name, spread in self.seconds.items()},
            "goal": str(self.goal) if self.goal else None,
            "met": self.goal.met(self.figure.median) if self.goal else None,
            "less_is_better": self.less_is_better,
            "note": self.note,
            "x": self.x,
        }


def ratio_row(
    times: Mapping[str, Sequence[float]],
    what: str,
    against: str,
    *,
    label: str = "",
    at_most: float | None = None,
    note: str = "",
) -> Row:
    """Return the time of one contender over that of another.

    Args:
        times: of `race`.
        what, against: contenders.
        label: stands for `what` in the row where given.
        at_most: the goal.
        note: of the row.
    """
    return Row(
        what=label or what,
        against=against,
        figure=Spread.of(ratios(times, what, against)),
        fastest=min(times[what]) / min(times[against]),
        seconds={name: Spread.of(times[name]) for name in (what, against)},
        goal=None if at_most is None else Goal(at_most=at_most),
        note=note,
    )


def speedup_row(
    times: Mapping[str, Sequence[float]],
    what: str,
    against: str,
    *,
    label: str,
    at_least: float | None = None,
    note: str = "",
) -> Row:
    """Return how many times faster one contender is than another.

    Args:
        times: of `race`.
        what: the faster one, as it is hoped.
        against: the other.
        label: of the row.
        at_least: the goal.
        note: of the row.
    """
    return Row(
        what=label,
        figure=Spread.of(ratios(times, against, what)),
        fastest=min(times[against]) / min(times[what]),
        seconds={name: Spread.of(times[name]) for name in (what, against)},
        goal=None if at_least is None else Goal(at_least=at_least),
        less_is_better=False,
        note=note,
    )


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of the suite.

    Attributes:
        name: also of its record, results/bench/<name>.json.
        about: a line over its table.
        minutes: expected on two quiet cores, in full.
        measure: returns its rows; tells how far it is.
        quick: whether `--quick` runs it: no builds, no downloads, no other processes.
    """

    name: str
    about: str
    minutes: float
    measure: Callable[[Effort, Progress], list[Row]]
    quick: bool = False
