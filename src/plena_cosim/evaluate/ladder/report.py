"""The ladder as the folder of a run, with its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from plena_cosim.golden import FormatError
from plena_cosim.passes import Recipe, load_quant_config
from plena_cosim.sources import TextSourceError

from ..results.report import Report, ReportPicture, ReportTable
from ..results.svg import svg_of
from ..results.write_run import write_run
from .manifest import Step
from .picture import ladder_figure
from .row import Place, Row
from .table import COLUMNS, cells, number

_TEXTS = 3
"""So many columns hold text."""


def write_ladder_run(
    out: Path,
    rows: Sequence[Row],
    steps: Sequence[Step],
    places: Sequence[Place],
    *,
    head: Mapping[str, Any],
    title: str,
) -> None:
    """Write run.json, results.json, samples.jsonl, recipes and report.html beside ladder.json.

    Args:
        out: folder of the ladder.
        rows: in the order of the ladder.
        steps: of the manifest.
        places: of the rows.
        head: what all rows share.
        title: of the picture.
    """
    named = {step.name: step for step in steps}
    shown = [
        [f"{row.step} {row.numerics}", number(row.measured.token_perplexity)]
        for row in rows
        if row.measured is not None
    ]
    results = {
        **head,
        "shown": shown,
        "rows": [row.model_dump(exclude={"key"}) for row in rows],
    }
    samples = {
        f"{row.step} {row.numerics} {place}": {"negative_log_likelihood": loss}
        for row in rows
        if row.measured is not None
        for place, loss in enumerate(row.measured.window_losses)
    }
    table = ReportTable(
        caption="Steps",
        header=COLUMNS,
        rows=[
            cells(row, named[row.step], place, kept=False)
            for row, place in zip(rows, places, strict=True)
        ],
        numbers=range(_TEXTS, len(COLUMNS)),
        note="change to the step before with its standard error, paired over windows; times in s",
    )
    picture = ReportPicture(
        svg=svg_of(ladder_figure(rows, steps, title="")),
        alt="; ".join(f"{name}: perplexity {value}" for name, value in shown),
        caption=title,
    )
    failed = [f"{row.step} {row.numerics} failed: {row.error}" for row in rows if row.error]
    caveat = [str(head["caveat"])] if head["caveat"] else []
    write_run(
        out,
        command="ladder",
        arguments={name: head[name] for name in ("model", "text", "limit", "seqlen", "steps")},
        results=results,
        report=Report(
            title=f"Accuracy ladder of {head['model']}",
            headline=[(name, value) for name, value in shown[:4]],
            warnings=[*caveat, *failed],
            facts=[("text", str(head["text"])), ("threads", str(head["threads"]))],
            parts=[picture, table],
            environment=dict(head["run"]),
        ),
        recipes=_recipes(rows, named),
        samples=samples,
    )


def _recipes(rows: Sequence[Row], steps: Mapping[str, Step]) -> dict[str, Recipe]:
    """Return the recipes of the rows by their steps; those that cannot be read are left out."""
    found = {}
    for row in rows:
        path = steps[row.step].recipe
        try:
            if path is not None:
                found[row.step] = load_quant_config(path)
        except (FormatError, TextSourceError):
            continue  # the row says why
    return found
