"""Bars appear with their work and vanish with it."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from plena_cosim.ground.progress_bar import paced_bar, progress_bars


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=100, force_terminal=True, legacy_windows=False)


def text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue())


def test_work_is_shown_with_what_it_is_at(console: Console) -> None:
    with progress_bars(console) as show:
        show("round 1, all layers: q_proj", 1, 4)
    assert "round 1, all layers: q_proj" in text(console)
    assert "1/4" in text(console)


def test_work_has_one_bar_that_vanishes_when_it_is_done(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rich.progress import Progress

    there: list[str] = []
    monkeypatch.setattr(
        Progress, "remove_task", lambda self, task: there.append(f"-{self.tasks[task].description}")
    )
    honest = Progress.add_task

    def adding(self: Progress, what: str, **given: float) -> object:
        there.append(f"+{what}")
        return honest(self, what, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(Progress, "add_task", adding)
    with progress_bars(console) as show:
        show("table", 0, 2)
        for done in (1, 2, 3):
            show(f"round 1: {done}", done, 3)
        show("table", 2, 2)
    assert there == ["+table", "+round 1: 1", "-round 1: 3", "-table"]


def test_a_line_without_anything_to_count_stays(console: Console) -> None:
    with progress_bars(console) as show:
        show("going on: [x] holds 2", 0, 0)
    assert "going on: [x] holds 2\n" in text(console)
    assert "0/0" not in text(console)


def test_without_a_terminal_nothing_is_left_of_bars() -> None:
    plain = Console(file=io.StringIO(), width=100)
    with progress_bars(plain) as show, paced_bar(plain, "sim") as bar:
        show("calibration", 1, 2)
        show("anew: there is no file", 0, 0)
        bar.add_task("fp_mul", total=3, left="0:02 left")
    assert text(plain).strip() == "anew: there is no file"


def test_uneven_work_says_its_own_time_left(console: Console) -> None:
    with paced_bar(console, "sim") as bar:
        task = bar.add_task("", total=3, left="")
        bar.update(task, completed=1, description="fp_mul", left="0:02 left")
        bar.refresh()
    assert re.search(r"sim .*1/3 .*0:02 left  fp_mul", text(console))
