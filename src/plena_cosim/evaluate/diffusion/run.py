"""The work behind `plena eval diffusion`."""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from plena_cosim.golden import FormatError
from plena_cosim.ground.progress_bar import progress_bars
from plena_cosim.passes import load_quant_config
from plena_cosim.passes.layers.device import on_device
from plena_cosim.sources import tokenize

from ..left_table import print_left
from ..load import load_model
from ..ppl_report import how, subject_facts, subject_tables, warnings_of
from ..results.report import Report, ReportTable
from ..results.run_folder import RunFolder, open_run
from ..subject import Subject, add_rows
from .denoise import denoise
from .denoising import Denoising
from .task import TextTask, read_text_tasks


def run_eval_diffusion(
    *,
    model: str,
    tasks: Path,
    denoising: Denoising,
    mask_id: int | None = None,
    quant_config: Path | None = None,
    numerics: str = "fake",
    hardware: Path | None = None,
    device: str | None = None,
    trust_remote_code: bool = False,
    limit: int | None = None,
    out: Path | None = None,
    results: Path | None = None,
    overwrite: bool = False,
    console: Console | None = None,
) -> dict[str, Any]:
    """Have a diffusion language model write behind prompts, print a table, return the record.

    Args:
        model: a folder or an id on the Hugging Face hub, of a masked language model.
        tasks: a file of tasks, JSON, one a line.
        denoising: how texts are written; each task has a seed of its own that follows from its.
        mask_id: the token that stands for nothing; None: the tokenizer's mask.
        quant_config: a recipe; without one the model runs as it is.
        numerics: "fake" or "exact".
        hardware: a machine of configs/hw for exact numerics.
        device: where the model runs, and is calibrated in the place of what the recipe says.
        trust_remote_code: run Python code that comes with the model.
        limit: the first so many tasks.
        out, results, overwrite: as of other evaluations.
        console: where the table goes.

    Returns:
        The record.

    Raises:
        FormatError, TextSourceError: with one clear message each.
    """
    console = console or Console()
    recipe = None
    if quant_config is not None:
        recipe = on_device(load_quant_config(quant_config), device)
    given = read_text_tasks(tasks)[:limit]
    loader = partial(load_model, kind="AutoModelForMaskedLM", trust_remote_code=trust_remote_code)
    subject = Subject.load(
        model,
        recipe,
        numerics=numerics,
        hardware=hardware,
        device=device,
        seed=denoising.seed,
        loader=loader,
    )
    mask = subject.tokenizer.mask_token_id if mask_id is None else mask_id
    if mask is None:
        raise FormatError("the tokenizer has no mask; say its number by --mask-id")
    if not 0 <= mask < subject.network.config.vocab_size:
        raise FormatError(
            f"mask {mask} is none of the {subject.network.config.vocab_size} tokens of the model"
        )
    settings = {**asdict(denoising), "mask_id": mask}
    file = subject.run_file(
        "eval diffusion",
        samples={"tasks_sha256": hashlib.sha256(tasks.read_bytes()).hexdigest(), "limit": limit},
        key=settings,
        arguments={"tasks": str(tasks), **settings},
        code=tuple(f"diffusion/{name}.py" for name in ("choose", "denoise", "key_cache")),
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
            started = time.perf_counter()
            _write(subject, given, denoising, mask, run, console)
            record = {
                "tasks": str(tasks),
                "denoising": settings,
                "result": _figures(given, run, time.perf_counter() - started),
                **subject.record(),
            }
            _show(record, console)
            if subject.left is not None:
                print_left(subject.left, console)
            run.finish(record, lambda: _report(record, run, subject))
    if folder is not None:
        console.print(f"report: {folder / 'report.html'}", soft_wrap=True)
    return record


def _write(
    subject: Subject,
    tasks: list[TextTask],
    denoising: Denoising,
    mask_id: int,
    run: RunFolder,
    console: Console,
) -> None:
    left = [task for task in tasks if run.samples.get(task.id) is None]
    if done := len(tasks) - len(left):
        console.print(f"goes on: {done} texts are there already", style="dim")
    with progress_bars(console) as progress:
        progress("texts", done, len(tasks))
        for task in left:
            prompt = tokenize(subject.tokenizer, task.prompt)
            made = denoise(
                subject.network,
                prompt,
                replace(denoising, seed=_seed(denoising.seed, task.id)),
                mask_id=mask_id,
            )
            ids = made.ids[len(prompt) :]
            text = subject.tokenizer.decode(ids, skip_special_tokens=True)
            score = task.score(text)
            record: dict[str, Any] = {"text": text, "ids": ids.tolist(), "passes": made.passes}
            if score is not None:
                record["scores"] = {"exact match": score}
            run.samples.add(task.id, record)
            done += 1
            progress("texts", done, len(tasks))
    run.samples.together([task.id for task in tasks])


def _seed(seed: int, name: str) -> int:
    """Return the seed of a task: the same in any order of tasks."""
    return int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:7], "little")


def _figures(tasks: list[TextTask], run: RunFolder, seconds: float) -> dict[str, Any]:
    records = [run.samples.get(task.id) or {} for task in tasks]
    scores = [each["scores"]["exact match"] for each in records if "scores" in each]
    count, share, error = len(scores), None, None
    if count:
        share = sum(scores) / count
        error = (share * (1 - share) / (count - 1)) ** 0.5 if count > 1 else None
    passes = sum(each["passes"] for each in records)
    tokens = sum(len(each["ids"]) for each in records)
    return {
        "texts": len(records),
        "judged": count,
        "exact_match": share,
        "stderr": error,
        "passes": passes,
        "tokens_per_pass": tokens / passes,
        "seconds": seconds,
        "threads": torch.get_num_threads(),
    }


def _shown(record: dict[str, Any]) -> list[tuple[str, str]]:
    result = record["result"]
    rows = [("texts", str(result["texts"]))]
    if result["exact_match"] is not None:
        error = "" if result["stderr"] is None else f" ± {result['stderr']:.3f}"
        rows.append(("exact match", f"{result['exact_match']:.3f}{error}"))
    rows.append(("passes", str(result["passes"])))
    rows.append(("tokens a pass", f"{result['tokens_per_pass']:.2f}"))
    return [*rows, ("seconds", f"{result['seconds']:.1f}")]


def _show(record: dict[str, Any], console: Console) -> None:
    table = Table(title=f"{record['model']} on {record['tasks']}")
    table.add_column("")
    table.add_column("", justify="right")
    add_rows(table, record)
    for name, value in _shown(record):
        table.add_row(name, value)
    console.print(table)


def _report(record: dict[str, Any], run: RunFolder, subject: Subject) -> Report:
    texts = [
        (
            name,
            each["text"][:300],
            str(each["passes"]),
            str(each.get("scores", {}).get("exact match", "")),
        )
        for name, each in run.samples.items()
    ]
    shown = _shown(record)
    return Report(
        title=f"Texts of {subject.model}, denoised: {how(record)}",
        headline=[each for each in shown if each[0] in ("exact match", "tokens a pass")],
        warnings=warnings_of(record, subject),
        facts=[
            *((name.replace("_", " "), str(value)) for name, value in record["denoising"].items()),
            *subject_facts(record),
        ],
        parts=[
            ReportTable(
                caption="Texts",
                header=("task", "text", "passes", "exact match"),
                rows=texts[:100],
                numbers=(2, 3),
                note=f"{len(texts)} texts; all are in samples.jsonl",
            ),
            *subject_tables(subject),
        ],
        recipe=subject.recipe_text(),
        environment=run.environment,
    )


def _score(record: dict[str, Any]) -> str:
    return str(record["scores"]["exact match"]) if "scores" in record else ""
