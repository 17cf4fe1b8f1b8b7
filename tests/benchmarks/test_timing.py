"""Contenders take turns; ratios are those of a round."""

from __future__ import annotations

import pytest
from benchmarks import timing
from benchmarks.effort import Effort
from benchmarks.timing import Spread, race, ratios


def test_contenders_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    now, calls = 0.0, []

    def work(name: str, seconds: float) -> None:
        nonlocal now
        now += seconds
        calls.append(name)

    monkeypatch.setattr(Effort, "clock", property(lambda self: lambda: now))
    times = race(
        {"a": lambda: work("a", 1.0), "b": lambda: work("b", 0.5)}, Effort(full=True, rounds=3)
    )
    assert calls == ["a", "a", "b", "b", *["a", "b"] * 3]  # untimed, sized, then rounds
    assert times == {"a": [1.0] * 3, "b": [0.5] * 3}
    assert ratios(times, "a", "b") == [2.0] * 3


def test_short_work_is_repeated_and_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now, calls = 0.0, 0

    def work() -> None:
        nonlocal now, calls
        now += timing._SHORTEST / 4
        calls += 1

    monkeypatch.setattr(Effort, "clock", property(lambda self: lambda: now))
    times = race({"short": work}, Effort(full=True, rounds=1))
    assert calls == 1 + 1 + 4
    assert times["short"] == [pytest.approx(timing._SHORTEST / 4)]


def test_no_round_begins_after_the_time_is_over() -> None:
    times = race({"a": lambda: None}, Effort(full=True, rounds=1000), at_most_seconds=0.0)
    assert len(times["a"]) == 1


def test_a_spread_is_least_middle_and_largest() -> None:
    assert Spread.of([3.0, 1.0, 2.0, 10.0]) == Spread(min=1.0, median=2.5, max=10.0)
