"""The ladder as a table that grows row by row."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .manifest import FP32, Step
from .row import Place, Row

COLUMNS = (
    *("step", "weights / activations / KV", "numerics", "token ppl", "word ppl"),
    *("to step before", "× fp32", "PLENA's ppl", "× its fp32", "calibr. s", "eval. s", "peak MB"),
)
"""What `cells` returns."""
_TEXTS = 3
"""So many columns hold text; the others hold numbers."""
_STACKS = (
    ("step\nrecipe", 21),
    ("weights\nactivations\nKV cache", 11),
    ("fake/\nexact", 5),
    ("token\nword\nppl", 7),
    ("to step before\n× fp32", 14),
    ("PLENA's\n× its\nfp32", 7),
    ("calibr. s\neval. s\npeak MB", 9),
)
"""On the screen: columns that belong together stand under each other."""
_REFERENCE = 5
"""The stack that is left out where there is no reference to compare with."""
WIDTH = sum(width + 1 for _, width in _STACKS) - 1
"""Lines are so long on any terminal: rows that come one by one have to stand under each other."""


def print_head(console: Console, *, with_reference: bool = True) -> None:
    """Print the headings.

    Args:
        console: where they go.
        with_reference: also those of the reference's figures.
    """
    _print(console, _table(with_reference, show_header=True))
    console.print(Text("─" * WIDTH), soft_wrap=True)


def print_row(
    console: Console,
    row: Row,
    step: Step,
    place: Place,
    *,
    kept: bool,
    with_reference: bool = True,
) -> None:
    """Print one row under those that are there.

    Args:
        console: where it goes.
        row: that is printed.
        step: of the row.
        place: among the other rows.
        kept: it was measured by an earlier run.
        with_reference: with the reference's figures.
    """
    table = _table(with_reference, show_header=False)
    stacks = _stacked(cells(row, step, place, kept=kept))
    table.add_row(*(Text(stacks[index]) for index in _shown(with_reference)))
    _print(console, table)
    if row.error is not None:
        console.print(Text(f"  {row.error}", style="red"), soft_wrap=True)


def markdown_head() -> str:
    """Return the headings in Markdown."""
    rules = ["---" if index < _TEXTS else "---:" for index in range(len(COLUMNS))]
    return _markdown(COLUMNS) + "\n" + _markdown(rules)


def markdown_row(row: Row, step: Step, place: Place) -> str:
    """Return one row in Markdown.

    Args:
        row: that is written.
        step: of the row.
        place: among the other rows.
    """
    return _markdown(cells(row, step, place, kept=False))


def cells(row: Row, step: Step, place: Place, *, kept: bool) -> tuple[str, ...]:
    """Return one row as texts, in the order of the columns.

    Args:
        row: that is shown.
        step: of the row.
        place: among the other rows.
        kept: it was measured by an earlier run.
    """
    name = step.title if step.recipe is None else f"{step.title}\n{step.recipe.name}"
    name += "  (kept)" if kept else ""
    numerics = "" if step.name == FP32 else row.numerics
    reference = (number(step.reference), ratio(place.reference_times_fp32))
    found = row.measured
    if found is None:
        return (name, "", numerics, "failed", "", "", "", *reference, "", "", "")
    return (
        name,
        formats(row),
        numerics,
        number(found.token_perplexity),
        number(found.word_perplexity),
        change(place),
        ratio(place.times_fp32),
        *reference,
        "" if step.recipe is None else f"{found.calibration_seconds:.1f}{mark(row)}",
        f"{found.evaluation_seconds:.1f}",
        f"{found.peak_memory_bytes / 1e6:.0f}",
    )


def formats(row: Row) -> str:
    """Return the formats of weights, activations and cache of a measured row."""
    assert row.measured is not None
    found = (row.measured.weights, row.measured.activations, row.measured.kv_cache)
    return " / ".join(name or "–" for name in found) if any(found) else "–"


def change(place: Place) -> str:
    """Return the change to the step before, with its standard error where that is known."""
    if place.change is None:
        return ""
    error = "" if place.change_error is None else f" ± {100 * place.change_error:.1f}"
    return f"{100 * place.change:+.1f}{error}%"


def mark(row: Row) -> str:
    """Return an asterisk if the row's calibration had something to go on from."""
    return "*" if row.measured is not None and row.measured.went_on_from else ""


def number(value: float | None) -> str:
    """Return four digits or so of a perplexity."""
    if value is None:
        return ""
    for limit, digits in ((100, 2), (1000, 1), (1e6, 0)):
        if value < limit:
            return f"{value:.{digits}f}"
    return f"{value:.1e}"


def ratio(value: float | None) -> str:
    """Return a ratio of perplexities."""
    return "" if value is None else number(value) if value >= 100 else f"{value:.3f}"


def _stacked(texts: Sequence[str]) -> list[str]:
    """Return the cells of _STACKS, of those of COLUMNS."""
    name, quantised, numerics, token, word, change, times, theirs, their_times, *costs = texts
    groups = [(token, word), (change, times), (theirs, their_times), costs]
    stacks = ["\n".join(group).rstrip() for group in groups]
    return [name, quantised.replace(" / ", "\n"), numerics, *stacks]


def _shown(with_reference: bool) -> list[int]:
    return [index for index in range(len(_STACKS)) if with_reference or index != _REFERENCE]


def _markdown(texts: Iterable[str]) -> str:
    return f"| {' | '.join(text.replace(chr(10), '<br>') for text in texts)} |"


def _print(console: Console, table: Table) -> None:
    page = Console(file=io.StringIO(), width=WIDTH)
    with page.capture() as lines:
        page.print(table)
    console.print(Text(lines.get().rstrip("\n")), soft_wrap=True)


def _table(with_reference: bool, *, show_header: bool) -> Table:
    table = Table(box=None, show_header=show_header, padding=(0, 1, 0, 0), pad_edge=False)
    for index in _shown(with_reference):
        heading, width = _STACKS[index]
        text = index < _TEXTS
        table.add_column(
            heading,
            width=width,
            justify="left" if text else "right",
            overflow="fold",
            vertical="top",
        )
    return table
