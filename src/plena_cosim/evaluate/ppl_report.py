"""ppl_report: a perplexity as a report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from plena_cosim.passes import LeftAlone, ModuleInfo, Recipe
from plena_cosim.passes.recipe.numerics_used import numerics_words
from plena_cosim.sources.errors import need

from .figure import new_figure
from .module_groups import FIGURES, figures_of, formats_of, grouped
from .results.report import Report, ReportPicture, ReportTable
from .results.run_folder import RunFolder, recipe_copy
from .results.svg import svg_of


def ppl_report(
    record: Mapping[str, Any],
    run: RunFolder,
    info: Mapping[str, ModuleInfo],
    *,
    recipe: Recipe | None,
    left: LeftAlone | None,
) -> Report:
    """Return the report of a perplexity.

    Args:
        record: of the run.
        run: its folder.
        info: what became of each module.
        recipe: what quantised the model.
        left: what stayed in float.
    """
    shown = dict(record["shown"])
    figures = [(name, value) for name, value in shown.items() if "per" in name]
    others = [(name, value) for name, value in shown.items() if "per" not in name]
    source = record["quant_config"]
    facts = [
        ("model", record["model"]),
        ("text", record["text"]),
        ("recipe", "none" if source is None else f"{source} ({record['numerics']} numerics)"),
        *others,
    ]
    if record["formats"] is not None:
        facts.append(("formats", numerics_words(record["formats"])))
    if record["rotation"] is not None:
        facts.append(("online rotations by", record["rotation"]))
    facts.append(("seconds", f"{record['result']['seconds']:.1f}"))
    parts: list[ReportTable | ReportPicture] = [loss_picture(run)]
    if info:
        parts.append(modules_table(info))
    if left is not None and left.matrices:
        parts.append(left_report_table(left))
    how = "unquantised" if source is None else f"{Path(source).stem}, {record['numerics']}"
    return Report(
        title=f"Perplexity of {record['model']} on {record['text']}: {how}",
        headline=figures,
        warnings=[*([record["caveat"]] if "caveat" in record else []), *notes_of(recipe)],
        facts=facts,
        parts=parts,
        recipe=None if recipe is None else recipe_copy(recipe),
        environment=run.environment,
    )


def notes_of(recipe: Recipe | None) -> list[str]:
    """Return what a user should be told of a recipe."""
    return [] if recipe is None else list(recipe.notes)


def modules_table(info: Mapping[str, ModuleInfo]) -> ReportTable:
    """Return what became of the modules, those of one selector in one row."""
    rows = [
        (
            selector,
            entries[0].kind,
            formats_of(entries[0]).replace("\n", ", "),
            *figures_of(entries),
        )
        for selector, entries in grouped(info)
    ]
    return ReportTable(
        caption="What became of the modules",
        header=("selector", "kind", "becomes", *FIGURES),
        rows=rows,
        numbers=range(3, 3 + len(FIGURES)),
        note="bits: of a weight, its share of the scales included; MSE and clipped: of the weights",
    )


def left_report_table(left: LeftAlone) -> ReportTable:
    """Return what stayed in float; matrices that differ in numbers of their names share a row."""
    rows = [
        (
            matrix.name if count == 1 else f"{matrix.name} ({count})",
            f"{matrix.module}, {' × '.join(map(str, matrix.shape))}",
            matrix.reason,
        )
        for matrix, count in left.groups()
    ]
    return ReportTable(
        caption=f"Left in float: {left.words()}",
        header=("matrix", "class, shape", "why"),
        rows=rows,
    )


def loss_picture(run: RunFolder) -> ReportPicture:
    """Return the loss of each window or document as a picture."""
    samples = [sample for _, sample in run.samples.items()]
    documents = bool(samples) and "bytes" in samples[0]
    unit = "bytes" if documents else "tokens"
    values = [each["negative_log_likelihood"] / (each[unit] or 1) for each in samples]
    label = f"nats a {unit.removesuffix('s')}"
    return sample_picture(values, "document" if documents else "window", label)


def sample_picture(values: Sequence[float], sample: str, label: str) -> ReportPicture:
    """Return a value of each sample as bars.

    Args:
        values: one a sample; those that are not finite are left out.
        sample: what a sample is called.
        label: of the values.
    """
    figure, axes = new_figure(8, 2.6)
    finite = [(place, value) for place, value in enumerate(values) if math.isfinite(value)]
    axes.bar(*zip(*finite, strict=True) if finite else ([], []), color="#0b5cad", width=0.8)
    axes.xaxis.set_major_locator(need("matplotlib.ticker").MaxNLocator(integer=True))
    axes.set_xlabel(sample)
    axes.set_ylabel(label)
    axes.spines[["top", "right"]].set_visible(False)
    return ReportPicture(
        svg=svg_of(figure),
        alt=f"bars: the loss of each of {len(values)} {sample}s, in {label}",
        caption=f"Negative log likelihood of each {sample}, in {label}.",
    )
