"""demo_report: the demo's second half as a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plena_cosim.passes import Recipe
from plena_cosim.sources.demo_model import CAVEAT

from ..results.report import Report, ReportPicture, ReportTable
from ..results.run_folder import recipe_copy
from ..results.svg import svg_of
from .equivalence import Comparison
from .picture import bars
from .row import DemoRow

_HEADER = ("format", "numerics", "weight bits", "token ppl", "word ppl", "× fp32", "seconds")


def demo_report(
    comparisons: Sequence[Comparison],
    rows: Sequence[DemoRow],
    recipes: Mapping[str, Recipe],
    *,
    environment: dict[str, Any],
) -> Report:
    """Return the report of the demo.

    Args:
        comparisons: of torch with golden.
        rows: perplexities, the first without quantisation.
        recipes: by the names of the formats.
        environment: where it was measured.
    """
    first = rows[0].result
    values = sum(entry.values for entry in comparisons)
    wrong = sum(entry.mismatches for entry in comparisons)
    shown = [(row.name, row.numerics, row.result.token_perplexity) for row in rows[1:]]
    picture = ReportPicture(
        svg=svg_of(bars(shown, baseline=first.token_perplexity)),
        alt="; ".join(f"{name} {kind}: perplexity {value:.2f}" for name, kind, value in shown),
        caption="Token perplexity of each format, on a logarithmic scale.",
    )
    perplexity = ReportTable(
        caption="Perplexity",
        header=_HEADER,
        rows=[_cells(row, rows[0]) for row in rows],
        numbers=range(2, 7),
        note="weights and activations of linear layers; bits: scales included",
    )
    equal = ReportTable(
        caption="torch = golden on the model's own data",
        header=("operation", "data", "formats", "values", "mismatches"),
        rows=[
            (each.operation, each.data, each.formats, f"{each.values:,}", str(each.mismatches))
            for each in comparisons
        ],
        numbers=(3, 4),
    )
    return Report(
        title="SmolLM2-135M-Instruct in microscaling formats",
        headline=[
            ("values compared", f"{values:,}"),
            ("mismatches", str(wrong)),
            ("fp32 perplexity", f"{first.token_perplexity:.2f}"),
        ],
        warnings=[CAVEAT],
        facts=[
            ("text", "English Wikipedia"),
            ("tokens", f"{first.tokens} in {first.windows} windows of {first.seqlen}"),
        ],
        parts=[picture, perplexity, equal],
        recipe="\n".join(f"# ---- {name}\n{recipe_copy(each)}" for name, each in recipes.items()),
        environment=environment,
    )


def _cells(row: DemoRow, first: DemoRow) -> tuple[str, ...]:
    result, before = row.result, first.result
    words = "" if result.word_perplexity is None else f"{result.word_perplexity:.1f}"
    return (
        row.name,
        row.numerics,
        f"{row.bits_per_weight:.2f}",
        f"{result.token_perplexity:.2f}",
        words,
        f"{result.token_perplexity / before.token_perplexity:.2f}",
        f"{result.seconds:.1f}",
    )
