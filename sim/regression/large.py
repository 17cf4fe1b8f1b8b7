"""The long run's second part: cases whose blocks take minutes to build, played as others are."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from ..cases.compare import compare_case, load_case
from ..cases.table import Case
from ..player.player import UNSTALLED, Stalls
from ..verilate.rtl_files import RTL_DIR

STALLED_BEATS = 2048
"""Random beats with gaps and stalls, of a case that is no more work than others."""


def run(cases: Sequence[Case], *, failures: Path, console: Console, rtl_dir: Path = RTL_DIR) -> int:
    """Compare each case with golden, unstalled and with gaps and stalls; returns the exit status.

    Args:
        cases: of the table's large ones.
        failures: where mismatches are saved for a replay.
        console: where a line a case goes.
        rtl_dir: where the RTL is.

    Returns:
        0 if there was no mismatch, 1 otherwise.
    """
    found = 0
    for case in cases:
        began = time.monotonic()
        load_case(case, rtl_dir=rtl_dir)
        built = time.monotonic() - began
        vectors = mismatches = 0
        for stalls, limit in (
            (UNSTALLED, None),
            (Stalls(gaps=True, stalls=True), STALLED_BEATS // case.weight),
        ):
            outcome = compare_case(case, seed=0, rtl_dir=rtl_dir, stalls=stalls, limit=limit)
            vectors, mismatches = vectors + outcome.vectors, mismatches + outcome.mismatches
            if outcome.first is not None:
                outcome.first.save(failures)
                line = f"MismatchError: {outcome.first.line()}"
                replay = f"{line}; replay: make replay ID={outcome.first.id}"
                console.print(replay, markup=False, soft_wrap=True)
        console.print(
            f"{case.id}: built in {built:.0f} s, {vectors:,} vectors, {mismatches:,} mismatches",
            markup=False,
            soft_wrap=True,
        )
        found += mismatches
    return 1 if found else 0
