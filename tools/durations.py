"""How long tests took, from the JUnit XML that pytest writes."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[1] / "results" / "tests"
LAST_RUN = RESULTS / "junit.xml"
"""What `make test` writes."""
QUICK_RUN = RESULTS / "quick.xml"
"""What `make quick` writes."""
RECORD = RESULTS / "durations.json"
"""Seconds of every test file that a run has finished, the latest counts."""


@dataclass(frozen=True, kw_only=True)
class Timed:
    """One test of a run.

    Attributes:
        file: its file, relative to the checkout.
        name: function and parameters.
        seconds: with its fixtures.
        skipped: it did not run.
    """

    file: str
    name: str
    seconds: float
    skipped: bool


def read_run(path: Path) -> list[Timed]:
    """Return the tests of a JUnit XML file, in its order."""
    return [
        Timed(
            file=_file(case.get("classname", "")),
            name=case.get("name", ""),
            seconds=float(case.get("time", "0")),
            skipped=case.find("skipped") is not None,
        )
        for case in ElementTree.parse(path).getroot().iter("testcase")
    ]


def file_seconds(run: list[Timed]) -> dict[str, float]:
    """Return the seconds of each file; of none where tests were skipped, which would seem fast."""
    partial = {test.file for test in run if test.skipped}
    seconds: dict[str, float] = {}
    for test in run:
        if test.file not in partial:
            seconds[test.file] = seconds.get(test.file, 0.0) + test.seconds
    return seconds


def known_seconds(*, last_run: Path = LAST_RUN, record: Path = RECORD) -> dict[str, float]:
    """Return the recorded seconds of test files; what a run has not seen is missing."""
    known: dict[str, float] = {}
    if last_run.is_file():
        known |= file_seconds(read_run(last_run))
    if record.is_file() and not _older(record, last_run):
        known |= json.loads(record.read_text(encoding="utf-8"))
    return known


def remember(
    seconds: Mapping[str, float], *, last_run: Path = LAST_RUN, record: Path = RECORD
) -> None:
    """Add the seconds of finished files to the record."""
    known = {**known_seconds(last_run=last_run, record=record), **seconds}
    record.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(dict(sorted(known.items())), indent=1)
    record.write_text(text + "\n", encoding="utf-8")


def _older(one: Path, other: Path) -> bool:
    return other.is_file() and one.stat().st_mtime < other.stat().st_mtime


def _file(classname: str) -> str:
    """Return the file of a class name such as tests.golden.test_mx (or ….test_mx.TestClass)."""
    parts = classname.split(".")
    last = next((i for i, part in enumerate(parts) if part.startswith("test_")), len(parts) - 1)
    return "/".join(parts[: last + 1]) + ".py"
