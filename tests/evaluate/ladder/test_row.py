"""What rows say about each other, and how they are shown and drawn."""

from __future__ import annotations

import dataclasses
import io
import math
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from plena_cosim.evaluate.ladder import table as ladder_table
from plena_cosim.evaluate.ladder.manifest import Step
from plena_cosim.evaluate.ladder.picture import draw_ladder, group
from plena_cosim.evaluate.ladder.row import Measurement, Row, place

STEPS = [
    Step(name="fp32", recipe=None, title="fp32", reference=20.0),
    Step(name="a", recipe=Path("a.toml"), title="A", after="fp32", reference=50.0),
    Step(name="b", recipe=Path("b.toml"), title="B", after="a"),
    Step(name="c", recipe=Path("c.toml"), title="C", after="a"),
]


def row(step: str, ppl: float | None, numerics: str = "fake", **fields: object) -> Row:
    if ppl is None:
        return Row(step=step, numerics=numerics, key={}, error="FormatError: [x] is wrong")
    given = {
        "weights": "mxint4", "activations": None, "kv_cache": None, "modules": 1, "rotations": {},
        "bits_per_weight": 4.25, "token_perplexity": ppl, "word_perplexity": 3 * ppl, "tokens": 64,
        "windows": 2, "window_losses": [30.0, 40.0], "calibration_seconds": 7.0, "went_on_from": [],
        "evaluation_seconds": 2.0, "peak_memory_bytes": 1_234_000_000, "run": {}, **fields,
    }  # fmt: skip
    return Row(step=step, numerics=numerics, key={}, measured=Measurement(**given))


ROWS = [
    row("fp32", 25.0, weights=None),
    row("a", 50.0),
    row("b", 40.0, activations="mxint4", kv_cache="mxint4"),
    row("b", 42.0, "exact", activations="mxint4", kv_cache="mxint4"),
    row("c", 100.0, weights="mxfp4_e2m1"),
]


@pytest.mark.parametrize(
    ("index", "change", "times", "reference"),
    [
        (0, None, 1.0, 1.0),
        (1, 1.0, 2.0, 2.5),
        (2, -0.2, 1.6, None),
        (3, 0.05, 1.68, None),  # an exact row follows the fake one of its step
        (4, 1.0, 4.0, None),  # comes after "a", though "b" stands before it
    ],
)
def test_rows_are_compared_with_the_step_before(index, change, times, reference) -> None:
    step = next(step for step in STEPS if step.name == ROWS[index].step)
    found = place(ROWS[index], step, ROWS, STEPS)
    assert found.change == (None if change is None else pytest.approx(change))
    assert found.times_fp32 == pytest.approx(times)
    assert found.reference_times_fp32 == reference


def test_changes_have_the_error_of_their_windows() -> None:
    """A jackknife over windows agrees with what is said."""
    generator = np.random.default_rng(1)
    count, scored = 40, 511
    before = generator.normal(3.5, 0.3, count) * scored
    after = before + generator.normal(0.01, 0.02, count) * scored

    def measured(step: str, losses: np.ndarray, numerics: str = "fake") -> Row:
        ppl = math.exp(losses.sum() / (count * scored))
        given = {"tokens": count * (scored + 1), "windows": count, "window_losses": list(losses)}
        return row(step, ppl, numerics, **given)

    rows = [measured("b", before), measured("b", after, "exact")]
    found = place(rows[1], STEPS[2], rows, STEPS)
    left_out = [
        math.exp((after - before)[np.arange(count) != each].sum() / ((count - 1) * scored))
        for each in range(count)
    ]
    expected = math.sqrt((count - 1) * np.var(left_out))
    assert found.change_error == pytest.approx(expected, rel=1e-3)
    shown = f"{100 * found.change:+.1f} ± {100 * expected:.1f}%"
    assert ladder_table.cells(rows[1], STEPS[2], found, kept=False)[5] == shown
    shorter = row("b", 40.0, tokens=64, windows=1, window_losses=[70.0])
    assert place(rows[1], STEPS[2], [shorter, rows[1]], STEPS).change_error is None
    endless = row("b", 40.0, tokens=64, windows=2, window_losses=[math.inf, 70.0])
    assert place(endless, STEPS[2], [endless, endless], STEPS).change_error is None
    assert place(shorter, STEPS[2], [shorter, shorter], STEPS).change_error is None


def test_what_is_missing_is_not_compared() -> None:
    failed = row("a", None)
    found = place(failed, STEPS[1], [failed], STEPS)
    assert (found.change, found.times_fp32, found.reference_times_fp32) == (None, None, 2.5)
    alone = row("b", 42.0, "exact")
    assert place(alone, STEPS[2], [alone], STEPS).change is None
    assert place(alone, STEPS[2], [alone, ROWS[1]], STEPS).change == pytest.approx(-0.16)


def test_rows_stand_under_each_other_on_any_terminal() -> None:
    console = Console(file=io.StringIO(), width=60)
    ladder_table.print_head(console)
    for shown, step in ((ROWS[1], STEPS[1]), (ROWS[3], STEPS[2]), (row("c", None), STEPS[3])):
        where = place(shown, step, ROWS, STEPS)
        ladder_table.print_row(console, shown, step, where, kept=shown is ROWS[1])
    text = console.file.getvalue()  # type: ignore[attr-defined]
    lines = text.splitlines()
    at = next(line for line in lines if line.startswith("A "))
    assert at.split() == ["A", "mxint4", "fake", "50.00", "+100.0", "±", "0.0%", "50.00", "7.0"]
    under = lines[lines.index(at) + 1 :]
    assert under[0].split() == ["a.toml", "(kept)", "–", "150.0", "2.000", "2.500", "2.0"]
    assert under[1].split() == ["–", "1234"]
    assert "a.toml  (kept)" in text
    assert max(map(len, lines)) <= 80
    exact = next(line for line in lines if line.startswith("B "))
    assert exact.index("42.00") == at.index("50.00")
    assert "  FormatError: [x] is wrong" in lines  # brackets and all
    assert next(line for line in lines if line.startswith("C ")).split() == ["C", "fake", "failed"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, ""), (9.876, "9.88"), (123.46, "123.5"), (5285.4, "5285"), (1.44e6, "1.4e+06"),
     (float("inf"), "inf")],
)  # fmt: skip
def test_perplexities_are_short(value: float | None, shown: str) -> None:
    assert ladder_table.number(value) == shown


@pytest.mark.parametrize(
    ("weights", "activations", "cache", "name"),
    [
        ("mxint4", None, None, "W4A16KV16"),
        ("mxint8", "mxfp4_e2m1", "e3m4", "W8A4KV8"),
        ("mxint8 + mxint4", "mxint16", "e5m2 rtz", "W8/4A16KV8"),
    ],
)
def test_groups_are_widths(weights, activations, cache, name) -> None:
    given = {"weights": weights, "activations": activations, "kv_cache": cache}
    assert group(row("a", 30.0, **given)) == name


@pytest.mark.parametrize(
    "rows",
    [ROWS, ROWS[:1], [row("a", None)], [row("fp32", float("inf")), row("a", float("nan"))]],
    ids=["all", "fp32", "failed", "endless"],
)
def test_whatever_there_is_can_be_drawn(rows: list[Row], tmp_path: Path) -> None:
    path = tmp_path / "ladder.png"
    path.write_text("an old one")
    draw_ladder(path, rows, STEPS, title="ladder", caveat="small print")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [file.name for file in tmp_path.iterdir()] == ["ladder.png"]


def test_the_picture_says_what_the_rows_say(tmp_path: Path, monkeypatch) -> None:
    from matplotlib import pyplot

    figures = []
    monkeypatch.setattr(pyplot, "close", figures.append)
    rows = [*ROWS, row("c", float("inf"), "exact"), row("a", None, "exact")]  # are left out
    draw_ladder(tmp_path / "ladder.png", rows, STEPS, title="ladder", caveat="small print")
    (figure,) = figures
    (axes,) = figure.axes
    texts = [text.get_text() for text in axes.texts]
    groups = ["W4A16KV16", "W4A4KV4", "W4A16KV16"]
    assert texts == ["50.00", "40.00, 42.00 exact", "100.0", *groups]
    drawn = [line for line in axes.lines if len(line.get_xdata()) == 1]
    shown = [(line.get_xdata()[0], line.get_ydata()[0], line.get_marker()) for line in drawn]
    assert shown == [
        (50.0, 0, "o"), (40.0, 1, "o"), (42.0, 1, "s"), (100.0, 2, "o"), (50.0, 0, "D"),
    ]  # fmt: skip
    assert drawn[2].get_markerfacecolor() == "none"  # exact lies over fake, and both are seen
    (legend,) = figure.legends
    assert not legend.get_window_extent().overlaps(axes.get_window_extent())
    labels = [text.get_text() for text in legend.get_texts()]
    assert set(labels) == {
        "mxint4", "mxfp4_e2m1", "fake numerics", "exact numerics", "fp32 25.00",
        "PLENA's own definitions (its fp32: 20.00)",
    }  # fmt: skip
    assert [label.get_text() for label in axes.get_yticklabels()] == ["A", "B", "C"]
    assert figure.get_supxlabel() == "small print"
    monkeypatch.undo()
    pyplot.close(figure)


def test_without_a_reference_nothing_speaks_of_one() -> None:
    console = Console(file=io.StringIO(), width=60)
    ladder_table.print_head(console, with_reference=False)
    bare = dataclasses.replace(STEPS[1], reference=None)
    where = place(ROWS[1], bare, ROWS, [dataclasses.replace(STEPS[0], reference=None), bare])
    ladder_table.print_row(console, ROWS[1], bare, where, kept=False, with_reference=False)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "PLENA" not in text
    assert "2.500" not in text
    assert "2.000" in text
