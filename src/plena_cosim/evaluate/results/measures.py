"""measures_of: what the samples of a run say, in a shape that runs can be compared in."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from plena_cosim.golden import FormatError

_NATS = "negative_log_likelihood"
_UNITS = {"tokens": "token perplexity", "bytes": "byte perplexity", "words": "word perplexity"}


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One figure of a run, by samples.

    Attributes:
        name: such as "token perplexity", "arc_easy acc".
        perplexity: whether the figure is exp(sum / count); else it is sum / count.
        samples: by name: what a sample adds to the sum, and how much it counts.
    """

    name: str
    perplexity: bool
    samples: dict[str, tuple[float, float]]

    @property
    def mean(self) -> float:
        """Sum over count; of a perplexity in nats."""
        total = math.fsum(value for value, _ in self.samples.values())
        return total / math.fsum(count for _, count in self.samples.values())

    @property
    def value(self) -> float:
        """The figure."""
        if not self.perplexity:
            return self.mean
        return math.exp(self.mean) if self.mean < 709 else math.inf


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How a figure of one run differs from that of another over the same samples.

    Attributes:
        name, perplexity: of the measure.
        value: the figure.
        baseline: that of the other run.
        change: mean difference: in nats of a perplexity, else in the figure's own unit.
        error: standard error of `change`, from how samples differ; None for one sample.
        better: samples that have become better, by a lower loss or a higher score.
        worse: samples that have become worse.
        count: samples.
    """

    name: str
    perplexity: bool
    value: float
    baseline: float
    change: float
    error: float | None
    better: int
    worse: int
    count: int

    @property
    def ratio(self) -> float:
        """The figure over that of the other run."""
        if self.perplexity:
            return math.exp(self.change) if self.change < 709 else math.inf
        return self.value / self.baseline if self.baseline else math.nan

    @property
    def ratio_error(self) -> float | None:
        """Standard error of the ratio of two perplexities; None for other figures."""
        return self.ratio * self.error if self.perplexity and self.error is not None else None


def measures_of(samples: Mapping[str, Mapping[str, Any]]) -> list[Measure]:
    """Return what can be compared of a run's samples.

    Args:
        samples: by name. A loss stands under "negative_log_likelihood", beside the "tokens",
            "bytes" or "words" that it counts for, all with the same words before them, such as
            "decode_"; scores stand by their names under "scores".
    """
    found: dict[str, Measure] = {}
    for sample, record in samples.items():
        for name, value, count, nats in _figures(record):
            measure = found.setdefault(name, Measure(name=name, perplexity=nats, samples={}))
            measure.samples[sample] = value, count
    return list(found.values())


def _figures(record: Mapping[str, Any]) -> list[tuple[str, float, float, bool]]:
    """Return (name, value, count, whether it is a loss) of what a sample holds."""
    found = []
    for key in record:
        if key.endswith(_NATS):
            which = key.removesuffix(_NATS)
            unit = next(name for name in _UNITS if f"{which}{name}" in record)
            name = f"{which.replace('_', ' ')}{_UNITS[unit]}"
            found.append((name, record[key], record[f"{which}{unit}"], True))
    scores = record.get("scores", {})
    return found + [(name, float(value), 1.0, False) for name, value in scores.items()]


def difference(mine: Measure, other: Measure) -> Difference:
    """Compare a measure with that of another run, sample by sample.

    Both have seen the same samples, so that it is their differences that are averaged: a sample
    that is hard for both says nothing.

    Raises:
        FormatError: the samples are not the same.
    """
    counts = {name: count for name, (_, count) in mine.samples.items()}
    if counts != {name: count for name, (_, count) in other.samples.items()}:
        raise FormatError(
            f"{mine.name}: the runs have measured other samples ({len(mine.samples)} and "
            f"{len(other.samples)}); only figures of the same samples can be compared"
        )
    differences = [value - other.samples[name][0] for name, (value, _) in mine.samples.items()]
    total = math.fsum(counts.values())
    spread = None
    if len(differences) > 1 and all(map(math.isfinite, differences)):
        spread = statistics.stdev(differences) * math.sqrt(len(differences)) / total
    sign = -1 if mine.perplexity else 1
    return Difference(
        name=mine.name,
        perplexity=mine.perplexity,
        value=mine.value,
        baseline=other.value,
        change=math.fsum(differences) / total,
        error=spread,
        better=sum(sign * each > 0 for each in differences),
        worse=sum(sign * each < 0 for each in differences),
        count=len(differences),
    )
