"""`--quick` names what is grossly worse, in either sense, and what has no recorded ratio."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.part import Row, ratio_row, speedup_row
from benchmarks.regressions import Recorded, ratios, regressions
from benchmarks.timing import Spread

TIMES = {"ours": [8.0, 6.0], "limit": [2.0, 2.0]}
ROWS = {
    "part": [
        ratio_row(TIMES, "ours", "limit"),
        speedup_row(TIMES, "limit", "ours", label="faster"),
        Row(what="seconds", unit="s", figure=Spread.of([1.0])),
    ]
}


def test_ratios_are_those_of_the_fastest_rounds() -> None:
    assert ratios(ROWS) == {"part: ours / limit": (3.0, True), "part: faster": (3.0, False)}
    assert ROWS["part"][0].figure == Spread(min=3.0, median=3.5, max=4.0)


@pytest.mark.parametrize(
    ("slower", "faster", "named"),
    [
        (3.0, 3.0, []),
        (0.8, 11.0, []),
        (
            0.7,
            3.0,
            ["part: ours / limit: 3, 4.3 times worse than the recorded 0.7 (4 are allowed)"],
        ),
        (3.0, 13.0, ["part: faster: 3, 4.3 times worse than the recorded 13 (4 are allowed)"]),
        (100.0, 0.01, []),
    ],
)
def test_what_is_grossly_worse_is_named(slower: float, faster: float, named: list[str]) -> None:
    recorded = Recorded(factor=4.0, ratios={"part: ours / limit": slower, "part: faster": faster})
    assert regressions(ROWS, recorded) == named


def test_a_ratio_without_a_recorded_one_is_named() -> None:
    recorded = Recorded(factor=4.0, ratios={"part: ours / limit": 3.0})
    (line,) = regressions(ROWS, recorded)
    assert line.startswith("part: faster: nothing is recorded; run python -m benchmarks --quick")


def test_the_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    recorded = Recorded(factor=4.0, ratios={"a × b": 0.25})
    recorded.write(tmp_path / "recorded.json")
    assert Recorded.read(tmp_path / "recorded.json") == recorded
