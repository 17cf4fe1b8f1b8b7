"""Every part of the suite runs, at toy size; what it finds has the form that the page needs."""

from __future__ import annotations

import json
import math
import sys

import pytest
from benchmarks.effort import Effort
from benchmarks.parts import NAMES, load

TOY = Effort(full=False, rounds=1)


@pytest.mark.parametrize("name", NAMES)
def test_a_part_runs_at_toy_size(name: str) -> None:
    if name == "memory" and sys.platform != "linux":
        pytest.skip("peaks are read from /proc")
    part = load(name)
    seen: list[tuple[int, int]] = []
    rows = part.measure(TOY, lambda what, done, total: seen.append((done, total)))
    assert part.name == name
    assert part.minutes > 0
    assert seen[-1][0] == seen[-1][1]  # bars of work that is over vanish
    assert rows
    assert len({row.key for row in rows}) == len(rows)
    for row in rows:
        assert 0 <= row.figure.min <= row.figure.median <= row.figure.max < math.inf
        json.dumps(row.as_json(), allow_nan=False)


def test_the_whole_suite_is_meant_to_fit_half_an_hour() -> None:
    assert sum(load(name).minutes for name in NAMES) <= 30
