"""The page: goals beside figures, what took no part, one picture for each kind of curve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks import page, plots
from benchmarks.part import Goal, Row
from benchmarks.parts import NAMES, load
from benchmarks.timing import Spread

ROOT = Path(__file__).parents[2]
RUN = {
    "cpu": "a processor",
    "cores": 2,
    "threads": 1,
    "rounds": 9,
    "seconds": 61.2,
    "load": [0.5, 0, 0],
    "load_after": [1.25, 0, 0],
    "versions": {"python": "3.11", "numba": "not installed"},
    "commit": "0123456789abcdef",
    "time": "2026-11-30T21:00:00Z",
}


def record(rows: list[Row], peers: dict[str, Any] | None = None) -> dict[str, Any]:
    shown = [row.as_json() for row in rows]
    return {"part": "quantize", "about": "A line.", "run": RUN, "peers": peers or {}, "rows": shown}


def row(median: float, goal: Goal | None = None, **given: Any) -> Row:
    figure = Spread(min=median / 2, median=median, max=median * 2)
    return Row(**{"what": "ours", "against": "copy"} | given, figure=figure, goal=goal)


def test_goals_stand_beside_figures() -> None:
    rows = [row(3.0, Goal(at_most=2.0)), row(9.0, Goal(at_least=8.0), what="faster", against="")]
    text = page.measured([record(rows)], [])
    assert "| ours / copy | 3 × | 1.5 … 6 | ≤ 2 | **no** |  |" in text
    assert "| faster | 9 × | 4.5 … 18 | ≥ 8 | yes |  |" in text
    assert "| quantize | 2 | 1 | ours / copy 3 × (≤ 2) |" in text


def test_the_machine_and_absent_peers_are_named() -> None:
    peers = {
        "torchao": {"version": "0.18.0", "reason": ""},
        "quark": {"version": "", "reason": "no"},
    }
    text = page.measured([record([row(1.0)], peers)], [])
    assert (
        "a processor, 2 cores, 1 thread, load 0.5 before and 1.25 after, at most 9 rounds, 61 s; "
        "python 3.11; 0123456789ab, 2026-11-30. quark took no part: no."
    ) in text


def test_each_kind_of_curve_is_one_picture(tmp_path: Path) -> None:
    rows = [
        row(1.0, what=f"{grows}: a", x=x) for grows in ("block size", "tokens") for x in (8, 16)
    ]
    records = [record(rows)]
    pictures = plots.draw(records, tmp_path)
    assert [path.name for path in pictures] == [
        "benchmarks-block-size.svg",
        "benchmarks-tokens.svg",
    ]
    assert page.rows_table(records[0]) == ""
    assert "![benchmarks tokens](benchmarks-tokens.svg)" in page.measured(records, pictures)
    first = pictures[0].read_bytes()
    assert plots.draw(records, tmp_path)[0].read_bytes() == first


def test_the_page_names_every_part_and_its_minutes() -> None:
    text = (ROOT / page.DOCUMENT).read_text(encoding="utf-8")
    assert page.BEGIN in text
    assert page.END in text
    for name in NAMES:
        line = next(line for line in text.splitlines() if line.startswith(f"| `{name}` |"))
        assert line.endswith(f"| {load(name).minutes:g} |")
