"""A row of the ladder: what was measured under which settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from .ladder_manifest import FP32, Step


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
        times_fp32: token perplexity over that of fp32.
        reference_times_fp32: the same of the reference's own figures.
    """

    change: float | None
    times_fp32: float | None
    reference_times_fp32: float | None


def place(row: Row, step: Step, rows: Sequence[Row], steps: Sequence[Step]) -> Place:
    """Compare a row with its neighbours among `rows`."""
    found = {
        (other.step, other.numerics): other.measured.token_perplexity
        for other in rows
        if other.measured is not None
    }
    mine = found.get((row.step, row.numerics))
    exact = row.numerics == "exact" and (row.step, "fake") in found
    before = found.get((row.step if exact else step.after or "", "fake"))
    fp32 = found.get((FP32, "fake"))
    reference = next(other.reference for other in steps if other.name == FP32)
    return Place(
        change=mine / before - 1 if mine and before else None,
        times_fp32=mine / fp32 if mine and fp32 else None,
        reference_times_fp32=step.reference / reference if step.reference and reference else None,
    )
