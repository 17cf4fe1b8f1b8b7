"""ppl_report: a perplexity as a report, and the parts that other reports share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from plena_cosim.passes import LeftAlone, ModuleInfo
from plena_cosim.passes.recipe.numerics_used import numerics_words
from plena_cosim.sources.errors import need

from .figure import new_figure
from .in_rtl import rtl_tables, rtl_words
from .module_groups import FIGURES, figures_of, formats_of, grouped
from .results.report import Report, ReportPicture, ReportTable
from .results.run_folder import RunFolder
from .results.svg import svg_of
from .subject import Subject


def ppl_report(record: Mapping[str, Any], run: RunFolder, subject: Subject) -> Report:
    """Return the report of a perplexity.

    Args:
        record: of the run.
        run: its folder.
        subject: what was measured.
    """
    figures = [(name, value) for name, value in record["shown"] if "per" in name]
    others = [(name, value) for name, value in record["shown"] if "per" not in name]
    return Report(
        title=f"Perplexity of {subject.model} on {record['text']}: {how(record)}",
        headline=figures,
        warnings=warnings_of(record, subject),
        facts=[
            ("text", record["text"]),
            *others,
            *subject_facts(record),
            *rtl_words(record),
            ("seconds", f"{record['result']['seconds']:.1f}"),
        ],
        parts=[loss_picture(run), *rtl_tables(record), *subject_tables(subject)],
        recipe=subject.recipe_text(),
        environment=run.environment,
    )


def how(record: Mapping[str, Any]) -> str:
    """Return recipe and numerics in a few words."""
    source = record["quant_config"]
    return "unquantised" if source is None else f"{Path(source).stem}, {record['numerics']}"


def warnings_of(record: Mapping[str, Any], subject: Subject) -> list[str]:
    """Return what a reader has to know of model and recipe."""
    caveat = [record["caveat"]] if "caveat" in record else []
    return [*caveat, *(subject.used.notes if subject.used is not None else ())]


def subject_facts(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return model, recipe and numerics as names and values."""
    source = record["quant_config"]
    facts = [
        ("model", record["model"]),
        ("recipe", "none" if source is None else f"{source} ({record['numerics']} numerics)"),
    ]
    if record["formats"] is not None:
        facts.append(("formats", numerics_words(record["formats"])))
    if record["rotation"] is not None:
        facts.append(("online rotations by", record["rotation"]))
    return facts


def subject_tables(subject: Subject) -> list[ReportTable | ReportPicture]:
    """Return tables of what became of the modules, and of what stayed in float."""
    found: list[ReportTable | ReportPicture] = []
    if subject.info:
        found.append(modules_table(subject.info))
    if subject.left is not None and subject.left.matrices:
        found.append(left_report_table(subject.left))
    return found


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


def loss_picture(run: RunFolder, which: str = "") -> ReportPicture:
    """Return the loss of each window or document as a picture.

    Args:
        run: whose samples are shown.
        which: what stands before the name of the loss, such as "decode_".
    """
    samples = [sample for _, sample in run.samples.items()]
    documents = any("bytes" in sample for sample in samples)
    unit = "bytes" if documents else "tokens"
    loss, count = f"{which}negative_log_likelihood", f"{which}{unit}"
    values = [each[loss] / (each[count] or 1) for each in samples]
    label = f"nats a {which.replace('_', ' ')}{unit.removesuffix('s')}"
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
