"""lm_report: results of lm-eval as a report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..in_rtl import rtl_tables, rtl_words
from ..results.report import Report, ReportTable
from ..results.run_folder import RunFolder

_HEADER = ("task", "filter", "few-shot", "samples", "metric", "value", "standard error")


def shown_figures(found: dict[str, Any]) -> list[list[str]]:
    """Return each figure's name and value, as texts.

    Args:
        found: what lm-eval wrote.
    """
    return [[f"{row[0]} {row[4]}", row[5]] for row in _rows(found)]


def lm_report(record: dict[str, Any], run: RunFolder) -> Report:
    """Return the report of a run of lm-eval.

    Args:
        record: of the run; under "lm_eval" what lm-eval wrote.
        run: its folder.
    """
    found: dict[str, Any] = record["lm_eval"]
    config = found["config"]
    how = config.get("plena") or {}
    recipe = how.get("recipe")
    words = "unquantised" if not recipe else f"{Path(recipe).stem}, {how['numerics']}"
    left = how.get("left_alone")
    facts = [
        ("model", str(run.file.arguments["model"] if run.file else found.get("model_name"))),
        ("recipe", str(recipe or "none")),
        ("batch size", str(config.get("batch_size"))),
        ("limit", str(config.get("limit") or "none")),
        ("chat template", "yes" if found.get("chat_template") else "no"),
        ("lm-eval", str(found.get("lm_eval_version", ""))),
        *rtl_words(record),
        ("seconds", str(found.get("total_evaluation_time_seconds", ""))),
    ]
    if left:
        facts.insert(2, ("left in float", f"{left['matrices']} matrices, {left['share']:.1%}"))
    warnings = []
    if config.get("limit"):
        warnings.append("Only a part of each task was asked (limit): no figure of the whole task.")
    return Report(
        title=f"{', '.join(found['results'])} on {facts[0][1]}: {words}",
        headline=[(name, value) for name, value in shown_figures(found)[:4]],
        warnings=warnings,
        facts=facts,
        parts=[
            ReportTable(caption="Results", header=_HEADER, rows=_rows(found), numbers=(2, 3, 5, 6)),
            *rtl_tables(record),
        ],
        recipe=how.get("recipe_text"),
        environment=run.environment,
    )


def _rows(found: dict[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for task, figures in found["results"].items():
        for key, value in figures.items():
            metric, comma, chosen = key.partition(",")
            if not comma or metric.endswith("_stderr"):
                continue
            error = figures.get(f"{metric}_stderr,{chosen}")
            samples = found.get("n-samples", {}).get(task, {})
            rows.append(
                (
                    task,
                    chosen,
                    str(found.get("n-shot", {}).get(task, "")),
                    str(samples.get("effective", "")),
                    metric,
                    f"{value:.4f}" if isinstance(value, float) else str(value),
                    f"{error:.4f}" if isinstance(error, float) else "",
                )
            )
    return rows
