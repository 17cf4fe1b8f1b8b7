"""The work behind `plena search rotation`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from plena_cosim.golden import FormatError
from plena_cosim.ground.progress_bar import progress_bars
from plena_cosim.passes import Recipe, load_quant_config
from plena_cosim.passes.layers.device import on_device
from plena_cosim.passes.pipeline import prepare
from plena_cosim.passes.rotation_search import (
    SearchResult,
    SearchRound,
    search_rotations,
)
from plena_cosim.sources import calibration_set
from plena_cosim.sources.demo_model import CAVEAT
from plena_cosim.sources.written import written

from ..load import load_model, require_original
from ..recipe_text import recipe_text
from ..record import describe_run, write_json
from ..results.report import Report, ReportPicture, ReportTable
from ..results.run_folder import REPORT, recipe_copy
from ..results.svg import svg_of
from ..results.write_run import write_run
from . import picture as search_picture

RESULTS = Path("results/search")


def run_search_rotation(
    *,
    quant_config: Path,
    model: str | None = None,
    device: str | None = None,
    json_path: Path = RESULTS / "rotation.json",
    picture: Path = RESULTS / "rotation.png",
    out: Path | None = None,
    cache: Path | None = None,
    console: Console | None = None,
) -> dict[str, Any]:
    """Search the online rotations of a model, print the rounds, draw them, write the record.

    Scaling and static rotations of the recipe are folded in first; weights are rounded to nearest.

    Args:
        quant_config: a recipe with [rotation_search].
        model: a folder, an id on the Hugging Face hub, or "demo"; without it the recipe's
            model_name, or else "demo".
        device: where it all runs, in the place of what the recipe says.
        json_path: where the record goes.
        picture: where the picture goes.
        out: where the recipe with the rotations goes, as TOML.
        cache: where demo downloads live; the user's cache directory when None.
        console: where the table goes; a new one when None.

    Returns:
        The record, as it is written.

    Raises:
        FormatError, TextSourceError: with one clear message each. The recipe is checked first.
    """
    console = console or Console()
    recipe = _with_cache_path(load_quant_config(quant_config))
    if device is not None:
        recipe = on_device(recipe, device)
    table = recipe.rotation_search
    assert table is not None
    on_device(replace(recipe, gptq=None), None)  # nothing is calibrated here
    model = model or table.model_name or "demo"
    network, tokenizer = load_model(model, cache=cache)
    require_original(network, model)
    text = calibration_set(
        table.calib_data or ("demo" if model == "demo" else "wikitext2"),
        tokenizer,
        nsamples=table.calib_nsamples,
        seqlen=table.calib_seqlen,
        seed=table.seed,
        cache=cache,
    )
    with progress_bars(console) as progress:  # folds what is static
        prepare(network, replace(recipe, rotation_search=None, gptq=None), progress=progress)
    with progress_bars(console) as progress:
        found = search_rotations(
            network,
            recipe,
            text.tokens,
            progress=progress,
        )
    record = {
        "model": model,
        "quant_config": recipe.source,
        "calibration": text.as_dict(),
        "shown": [["perplexity found", f"{found.perplexity:.4f}"]],
        **found.as_dict(),
        "run": describe_run(seed=table.seed, config_sha256=recipe.sha256),
    }
    caveat = CAVEAT if model == "demo" else ""
    if caveat:
        record["caveat"] = caveat
    console.print(rounds_table(found, title=f"{recipe.source} on {model}"))
    for line in summary(found):
        console.print(Text(line))
    if caveat:
        console.print(caveat, style="dim")
    if out is not None:
        _write(out, recipe, found)
        console.print(Text(f"recipe: {out}"))
    write_json(json_path, record)
    title = f"{model}: rounds of the search"
    search_picture.draw(picture, found, title=title, caveat=caveat)
    write_run(
        json_path.parent,
        command="search rotation",
        arguments={"model": model, "recipe": recipe.source, "device": device},
        results=record,
        report=_report(record, found, recipe, title=title),
        recipes={Path(recipe.source).stem: recipe},
    )
    console.print(
        Text(f"record: {json_path}\npicture: {picture}\nreport: {json_path.parent / REPORT}")
    )
    return record


def _report(record: dict[str, Any], found: SearchResult, recipe: Recipe, *, title: str) -> Report:
    """Return the report of a search."""
    lines = summary(found)
    table = ReportTable(
        caption="Rounds",
        header=("round", "candidate", "perplexity", "change", "committed"),
        rows=_rows(found),
        numbers=(0, 2, 3),
        note="; ".join(lines[2:]),
    )
    picture = ReportPicture(
        svg=svg_of(search_picture.rounds(found, title=title)),
        alt=f"perplexity after each of {len(found.rounds)} rounds; {lines[1]}",
    )
    return Report(
        title=f"Rotations of {record['model']} by {Path(recipe.source).stem}",
        headline=[
            ("before", f"{found.baseline:.4f}"),
            ("after", f"{found.perplexity:.4f}"),
            ("rotations", str(len(found.winners))),
        ],
        warnings=[record["caveat"]] if "caveat" in record else [],
        facts=[("model", record["model"]), ("found", lines[0]), ("measured", lines[1])],
        parts=[picture, table],
        recipe=recipe_copy(recipe),
        environment=record["run"],
    )


def rounds_table(found: SearchResult, *, title: str) -> Table:
    """Return what was measured: every candidate, or the best of each round of single layers."""
    table = Table(title=title)
    table.add_column("round", justify="right")
    table.add_column("candidate", overflow="fold")
    for name in ("perplexity", "change"):
        table.add_column(name, justify="right")
    table.add_column("committed")
    before = ""
    for row in _rows(found):
        if before not in ("", row[0]):
            table.add_section()
        table.add_row(*row, style="bold" * bool(row[-1]))
        before = row[0]
    return table


def _rows(found: SearchResult) -> list[tuple[str, ...]]:
    """Return round, candidate, perplexity, its change, and whether it was committed."""
    every = len({each.place for each in found.rounds}) == 1
    return [
        (
            str(number),
            name,
            f"{each.tried[name]:.4f}",
            f"{each.tried[name] - each.before:+.4f}",
            "yes" if name == each.winner else "",
        )
        for number, each in enumerate(found.rounds, start=1)
        for name in _shown(each, every=every)
    ]


def summary(found: SearchResult) -> list[str]:
    """Return what the search found, and what it left out and why."""
    names = ", ".join(found.winners) or "none"
    reasons: dict[str, list[str]] = {}
    for name, reason in found.left_out.items():
        reasons.setdefault(reason, []).append(name)
    return [
        f"rotations: {names}",
        f"perplexity: {found.baseline:.4f} -> {found.perplexity:.4f}, "
        f"{sum(len(each.tried) for each in found.rounds)} measured in {found.seconds:.0f} s",
        *(f"left out: {', '.join(left)}: {reason}" for reason, left in reasons.items()),
    ]


def _shown(each: SearchRound, *, every: bool) -> list[str]:
    best = sorted(each.tried, key=lambda name: each.tried[name])
    return best if every else best[:1]


def _with_cache_path(recipe: Recipe) -> Recipe:
    """Return the recipe with a file for the decisions, so that a search can be broken off."""
    table = recipe.rotation_search
    if table is None:
        raise FormatError(
            f"{recipe.source}: has no [rotation_search] table; add one, it may be empty"
        )
    if table.cache_path is not None:
        return recipe
    path = RESULTS / f"{Path(recipe.source).stem}.decisions.json"
    return replace(recipe, rotation_search=table.model_copy(update={"cache_path": str(path)}))


def _write(out: Path, recipe: Recipe, found: SearchResult) -> None:
    about = (
        f"{recipe.source} with the online rotations that plena search rotation has found:\n"
        f"perplexity {found.baseline:.4f} -> {found.perplexity:.4f} on its calibration text."
    )
    with written(out) as scratch:
        scratch.write_text(recipe_text(found.recipe.tables, about=about), encoding="utf-8")
