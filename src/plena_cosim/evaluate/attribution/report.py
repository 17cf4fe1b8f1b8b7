"""attribution_report: what parts of a recipe cost, as tables and a heat map."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..figure import new_figure
from ..results.report import Report, ReportPicture, ReportTable
from ..results.svg import svg_of
from .measure import Share
from .words import MODES, share_cells, verdict_words


def attribution_report(
    record: Mapping[str, Any],
    shares: Sequence[Share],
    *,
    heat: str | None,
    recipe: str | None,
    mixed: str | None,
    environment: dict[str, Any],
) -> Report:
    """Return the report of an attribution.

    Args:
        record: of the run.
        shares: of all groups.
        heat: axis of the heat map.
        recipe: its text.
        mixed: text of the mixed recipe.
        environment: where it was measured.
    """
    parts: list[ReportTable | ReportPicture] = []
    if heat is not None:
        parts.append(heat_map([each for each in shares if each.axis == heat and each.mode == "in"]))
    axes = dict.fromkeys(each.axis for each in shares if each.axis != heat)
    parts += [_table(axis, [each for each in shares if each.axis == axis]) for axis in axes]
    warnings = [record["caveat"]] if "caveat" in record else []
    headline = [("cost, nats a token", f"{record['cost']:.4f}")]
    if test := record["test"]:
        warnings += [] if test["wins"] else [f"{verdict_words(test)}."]
        headline += [
            ("uniform, unseen text", f"{test['uniform_perplexity']:.3f}"),
            ("mixed, unseen text", f"{test['mixed_perplexity']:.3f}"),
        ]
        parts.append(
            ReportTable(
                caption="Mixed and uniform recipe on unseen text",
                header=("recipe", "bits a weight", "token perplexity"),
                rows=[
                    (name, f"{test[f'{name}_bits']:.3f}", f"{test[f'{name}_perplexity']:.3f}")
                    for name in ("uniform", "mixed")
                ],
                numbers=(1, 2),
                note=f"{verdict_words(test)}.",
            )
        )
    text = recipe if mixed is None else f"{mixed}\n# ---- made from ----\n{recipe or ''}"
    return Report(
        title=f"What parts of {Path(record['quant_config']).stem} cost on {record['model']}",
        headline=headline,
        warnings=warnings,
        facts=[
            ("model", record["model"]),
            ("text", record["text"]),
            ("recipe", f"{record['quant_config']} ({record['numerics']} numerics)"),
            ("standard error of the cost", _or_dash(record["cost_error"])),
        ],
        parts=parts,
        recipe=text,
        environment=environment,
    )


def heat_map(shares: Sequence[Share]) -> ReportPicture:
    """Return costs of pairs of groups as colours with the figures in them.

    Args:
        shares: of groups whose names have × between their two parts.
    """
    pairs = {tuple(each.group.split("×")): each.cost for each in shares}
    rows = list(dict.fromkeys(row for row, _ in pairs))
    columns = list(dict.fromkeys(column for _, column in pairs))
    values = [[pairs.get((row, column), math.nan) for column in columns] for row in rows]
    high = max((abs(value) for value in pairs.values() if math.isfinite(value)), default=1.0) or 1.0
    figure, axes = new_figure(3.2 + 0.8 * len(columns), 1.4 + 0.32 * len(rows))
    image = axes.imshow(values, aspect="auto", cmap="RdBu_r", vmin=-high, vmax=high)
    for y, row in enumerate(values):
        for x, value in enumerate(row):
            if math.isfinite(value):
                colour = "white" if abs(value) > 0.6 * high else "black"
                axes.text(x, y, f"{value:.3f}", ha="center", va="center", color=colour, fontsize=9)
    axes.set_xticks(range(len(columns)), columns, rotation=30, ha="right", fontsize=9)
    axes.set_yticks(range(len(rows)), rows, fontsize=9)
    figure.colorbar(image, label="nats a token").ax.tick_params(labelsize=8)
    worst = sorted(pairs.items(), key=lambda pair: -pair[1])[:3]
    words = "; ".join(f"{' and '.join(names)} {cost:+.4f}" for names, cost in worst)
    return ReportPicture(
        svg=svg_of(figure),
        alt=f"heat map of costs in nats a token, highest: {words}",
        caption="Rise of the loss, in nats a token, where only this is quantised.",
    )


def _table(axis: str, shares: Sequence[Share]) -> ReportTable:
    groups: dict[str, dict[str, Share]] = {}
    for each in shares:
        groups.setdefault(each.group, {})[each.mode] = each
    ordered = sorted(groups.items(), key=lambda pair: -pair[1]["in"].cost)
    return ReportTable(
        caption=f"By {axis}",
        header=("group", "alone", "s.e.", "share", "left out", "s.e.", "share"),
        rows=[
            (group, *(cell for mode in MODES for cell in share_cells(modes[mode])))
            for group, modes in ordered
        ],
        numbers=range(1, 7),
        note="nats a token, with standard errors paired over windows; alone: rise where only this "
        "is quantised; left out: fall where all else is; share: of what the whole recipe costs",
    )


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
