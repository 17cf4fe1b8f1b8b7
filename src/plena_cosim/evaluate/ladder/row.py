"""A row of the ladder: what was measured under which settings."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from .manifest import FP32, Step


class Measurement(BaseModel):
    """What a step's own process found.

    Attributes:
        weights, activations, kv_cache: names of the formats, those of most parameters first; None
            where nothing is quantised.
        modules: modules replaced.
        rotations: in how many places each matmul type is rotated online, as written or as found.
        bits_per_weight: storage cost of the replaced weights, shares of scales included.
        token_perplexity, word_perplexity: see Perplexity; words are None where none were counted.
        tokens, windows: what was read.
        window_losses: negative log likelihood of each window, in nats.
        calibration_seconds: of the whole pass: rotations, searches, GPTQ, rounding.
        went_on_from: files and folders of an earlier calibration that were there at the start.
        evaluation_seconds: of the perplexity.
        peak_memory_bytes: the largest resident memory of the process, in all it did.
        run: commit, versions, threads, machine and time, see describe_run.
    """

    model_config = ConfigDict(frozen=True)

    weights: str | None
    activations: str | None
    kv_cache: str | None
    modules: int
    rotations: dict[str, int]
    bits_per_weight: float
    token_perplexity: float
    word_perplexity: float | None
    tokens: int
    windows: int
    window_losses: list[float]
    calibration_seconds: float
    went_on_from: list[str]
    evaluation_seconds: float
    peak_memory_bytes: int
    run: dict[str, Any]


class Row(BaseModel):
    """One step with one kind of numerics.

    Attributes:
        step: the step's name.
        numerics: "fake" or "exact"; fp32 has "fake".
        key: everything that the measurement depends on; an equal key need not be measured again.
        measured: the measurement, None if it failed.
        error: why it failed, in one line.
    """

    model_config = ConfigDict(frozen=True)

    step: str
    numerics: str
    key: dict[str, Any]
    measured: Measurement | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a row stands among the others.

    Attributes:
        change: share by which the token perplexity differs from that of the step before (an exact
            row: from the fake row of its own step); None where that is not known.
        change_error: standard error of `change`, from how it differs from window to window; None
            where there are fewer than two windows, or other ones.
        times_fp32: token perplexity over that of fp32.
        reference_times_fp32: the same of the reference's own figures.
    """

    change: float | None
    change_error: float | None
    times_fp32: float | None
    reference_times_fp32: float | None


def place(row: Row, step: Step, rows: Sequence[Row], steps: Sequence[Step]) -> Place:
    """Compare a row with its neighbours among `rows`.

    Args:
        row: that is placed.
        step: of the row.
        rows: all that are known.
        steps: of the manifest.

    Returns:
        Its change against the row before it, with the error of that, and how many times fp32 it is.
    """
    found = {
        (other.step, other.numerics): other.measured for other in rows if other.measured is not None
    }
    mine = found.get((row.step, row.numerics))
    exact = row.numerics == "exact" and (row.step, "fake") in found
    before = found.get((row.step if exact else step.after or "", "fake"))
    fp32 = found.get((FP32, "fake"))
    reference = next(other.reference for other in steps if other.name == FP32)
    return Place(
        change=_ratio(mine, before) - 1 if mine and before else None,
        change_error=_ratio_error(mine, before) if mine and before else None,
        times_fp32=_ratio(mine, fp32) if mine and fp32 else None,
        reference_times_fp32=step.reference / reference if step.reference and reference else None,
    )


def _ratio(mine: Measurement, other: Measurement) -> float:
    return mine.token_perplexity / other.token_perplexity


def _ratio_error(mine: Measurement, other: Measurement) -> float | None:
    """Return the standard error of the ratio of two perplexities of the same windows.

    Both read the same text, so that it is the differences that are to be averaged: a window that is
    hard for both says nothing.
    """
    if mine.windows < 2 or (mine.tokens, mine.windows) != (other.tokens, other.windows):
        return None
    pairs = zip(mine.window_losses, other.window_losses, strict=True)
    differences = [one - two for one, two in pairs]
    if not all(map(math.isfinite, differences)):
        return None
    scored = mine.tokens - mine.windows
    return _ratio(mine, other) * statistics.stdev(differences) * math.sqrt(mine.windows) / scored
