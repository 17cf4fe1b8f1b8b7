"""Many random programs: what is done is not done again, and what differs is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tools import programs_long


def test_a_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(programs_long, "PART", 2)
    given = ["--programs", "6", "--jobs", "1", "--out", str(tmp_path / "out.json")]
    (tmp_path / "out.json").write_text(
        json.dumps({"programs": 6, "part": 2, "steps": 16, "seconds": {"0": 5.0, "2": 90.0}})
    )
    assert programs_long.main(given) == 0
    record = json.loads((tmp_path / "out.json").read_text())
    assert record["seconds"].keys() == {"0", "1", "2"}
    assert (record["seconds"]["0"], record["seconds"]["2"]) == (5.0, 90.0)
    assert "6 programs on 4 machines" in capsys.readouterr().out


def test_what_differs_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        programs_long, "first_difference", lambda program: "pc" if program.words[1:] else None
    )
    number, _, wrong = programs_long.part(1, 1000)
    assert number == 1
    assert "random_program(MACHINES[2], 250, steps=16): pc; shortest: [" in wrong
