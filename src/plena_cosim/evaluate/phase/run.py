"""The work behind `plena eval phase`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from plena_cosim.golden import FormatError
from plena_cosim.ground.progress_bar import progress_bars
from plena_cosim.passes import load_quant_config
from plena_cosim.passes.layers.device import on_device
from plena_cosim.passes.recipe.recipe import Phase
from plena_cosim.sources import load_text, text_digest, tokenize

from ..key import tokens_digest
from ..left_table import print_left
from ..ppl_report import (
    how,
    loss_picture,
    subject_facts,
    subject_tables,
    warnings_of,
)
from ..results.report import Report, ReportPicture, ReportTable
from ..results.run_folder import RunFolder, open_run
from ..subject import Subject, add_rows
from .phase_recipe import Activations, Part, phase_recipe
from .score import decode_perplexity


def run_eval_phase(
    *,
    model: str,
    text: str,
    quant_config: Path | None = None,
    wanted: Mapping[tuple[Phase, Part], Activations] | None = None,
    numerics: str = "fake",
    hardware: Path | None = None,
    device: str | None = None,
    seqlen: int = 256,
    prompt: int = 192,
    batch_size: int = 4,
    limit: int | None = 4096,
    seed: int = 0,
    out: Path | None = None,
    results: Path | None = None,
    overwrite: bool = False,
    cache: Path | None = None,
    console: Console | None = None,
) -> dict[str, Any]:
    """Measure perplexity of prefill and of decode, print a table, and return the record.

    Args:
        model: a folder, an id on the Hugging Face hub, or "demo".
        text: a UTF-8 file, or a name that `load_text` knows, such as "demo".
        quant_config: a recipe, with or without [phase]; without one the model runs as it is.
        wanted: what activations become in a phase, of attention or of FFN.
        numerics: "fake" or "exact"; a model that was saved quantised keeps its own.
        hardware: a machine of configs/hw for exact numerics.
        device: where calibration runs, in the place of what the recipe says.
        seqlen: tokens in a window.
        prompt: tokens of it that are read at once; the rest is decoded through the cache.
        batch_size: windows that the model sees at once.
        limit: read only the first `limit` tokens.
        seed: of torch, recorded.
        out: the folder of the run.
        results: where the run gets a folder by its own name; without either nothing is kept.
        overwrite: measure again what the folder holds.
        cache: where demo downloads live; the user's cache directory when None.
        console: where the table goes.

    Returns:
        The record.

    Raises:
        FormatError, TextSourceError: with one clear message each. The recipe is checked first.
    """
    console = console or Console()
    given = {place: each for place, each in (wanted or {}).items() if each}
    if given and quant_config is None:
        raise FormatError("widths and block sizes by phase go with a recipe; give --quant-config")
    recipe = None
    if quant_config is not None:
        recipe = on_device(load_quant_config(quant_config), device)
    words = load_text(text, cache=cache)
    subject = Subject.load(
        model,
        recipe,
        numerics=numerics,
        hardware=hardware,
        device=device,
        seed=seed,
        cache=cache,
    )
    if recipe is not None and given:
        subject.recipe = phase_recipe(subject.network, recipe, given)
    tokens = tokenize(subject.tokenizer, words, limit=limit)
    windows = {"seqlen": seqlen, "prompt": prompt, "limit": limit}
    arguments = {f"{phase.value} {part.value}": vars(each) for (phase, part), each in given.items()}
    file = None
    if out is not None or results is not None:
        file = subject.run_file(
            "eval phase",
            samples={"text_sha256": text_digest(words), "tokens_sha256": tokens_digest(tokens)}
            | windows,
            key={"batch_size": batch_size},
            arguments={"text": text, **windows, "batch_size": batch_size, **arguments},
            code=("phase/score.py",),
        )
    folder = subject.folder(out, results, file)
    with open_run(folder, file, recipe=subject.used, overwrite=overwrite) as run:
        if run.earlier is not None:
            record = run.earlier
            _show(record, console)
            console.print(
                f"measured at {record['run']['time']}; --overwrite measures again", style="dim"
            )
        else:
            subject.quantise(console)
            if done := len(run.samples):
                console.print(f"goes on: {done} windows are there already", style="dim")
            with progress_bars(console) as progress:
                result = decode_perplexity(
                    subject.network,
                    tokens,
                    seqlen=seqlen,
                    prompt=prompt,
                    batch_size=batch_size,
                    log=run.samples,
                    progress=progress,
                )
            record = {
                "text": text,
                "text_sha256": text_digest(words),
                "activations": arguments,
                "result": result.as_dict(),
                "shown": [list(row) for row in result.rows()],
                **subject.record(),
            }
            _show(record, console)
            if subject.left is not None:
                print_left(subject.left, console)
            run.finish(record, lambda: _report(record, run, subject))
    if folder is not None:
        console.print(f"report: {folder / 'report.html'}", soft_wrap=True)
    return record


def _show(record: dict[str, Any], console: Console) -> None:
    """Print a record's table."""
    table = Table(title=f"{record['model']} on {record['text']}")
    table.add_column("")
    table.add_column("", justify="right")
    add_rows(table, record)
    for place, activations in record["activations"].items():
        table.add_row(f"{place} activations", _words(activations))
    for name, value in record["shown"]:
        table.add_row(name, value)
    table.add_row("seconds", f"{record['result']['seconds']:.1f}")
    console.print(table)
    if "caveat" in record:
        console.print(record["caveat"], style="dim")


def _words(activations: Mapping[str, int | None]) -> str:
    """Return width and block size in words."""
    width, size = activations["width"], activations["block_size"]
    parts = [f"{width} bits"] if width is not None else []
    return ", ".join([*parts, *([f"blocks of {size}"] if size is not None else [])])


def _report(record: dict[str, Any], run: RunFolder, subject: Subject) -> Report:
    shown = dict(record["shown"])
    headline = [(name, value) for name, value in shown.items() if "perplexity" in name]
    others = [(name, value) for name, value in shown.items() if "perplexity" not in name]
    parts: list[ReportTable | ReportPicture] = [
        loss_picture(run, "decode_"),
        loss_picture(run, "prefill_"),
    ]
    if record["activations"]:
        parts.append(
            ReportTable(
                caption="Activations by phase",
                header=("where", "data_in"),
                rows=[(place, _words(each)) for place, each in record["activations"].items()],
                note="attn: linear layers inside attention; ffn: the other ones of decoder layers",
            )
        )
    return Report(
        title=f"Prefill and decode of {subject.model} on {record['text']}: {how(record)}",
        headline=headline,
        warnings=warnings_of(record, subject),
        facts=[
            ("text", record["text"]),
            *others,
            *subject_facts(record),
            ("seconds", f"{record['result']['seconds']:.1f}"),
        ],
        parts=[*parts, *subject_tables(subject)],
        recipe=subject.recipe_text(),
        environment=run.environment,
    )
