"""The work behind `plena calib`: calibration tokens are collected, saved and shown."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from plena_cosim.ground.dataset_name import FILE, TOKENS
from plena_cosim.sources import calibration_set, load_tokenizer
from plena_cosim.sources.eval_task import load_task
from plena_cosim.sources.task_tokens import task_tokens
from plena_cosim.sources.token_file import (
    SAMPLES,
    read_token_file,
    vocabulary_digest,
    write_token_file,
)

from .record import describe_run

_SHOWN_TOKENS = 64
_NOT_SHOWN = ("run", "vocabulary")
_PATHS = {".safetensors": TOKENS, SAMPLES: TOKENS, ".txt": FILE, ".jsonl": FILE}


def run_collect(
    *,
    task: str,
    out: Path,
    include_path: Path | None = None,
    model: str = "demo",
    nsamples: int = 128,
    seqlen: int = 2048,
    seed: int = 0,
    cache: Path | None = None,
    console: Console | None = None,
) -> dict[str, str]:
    """Collect calibration tokens from an evaluation task, save them and print what they are.

    Args:
        task: a task of lm-eval.
        out: the safetensors file to write.
        include_path: folder of the task's YAML file, for tasks that do not come with lm-eval.
        model: whose tokenizer counts: a folder, an id on the Hugging Face hub, or "demo".
        nsamples, seqlen: how many samples, how many tokens each.
        seed: of the choice of documents.
        cache: where demo downloads live; the user's cache directory when None.
        console: where the table goes.

    Returns:
        What `run_show` returns for the file.

    Raises:
        TextSourceError: with one clear message.
    """
    console = console or Console()
    part = load_task(task, folder=include_path)
    tokenizer = load_tokenizer(model, cache=cache)
    tokens = task_tokens(part, tokenizer, nsamples=nsamples, seqlen=seqlen, seed=seed)
    facts = {
        "task": task,
        "split": part.split,
        "evaluated_split": part.evaluated,
        "model": model,
        "seed": str(seed),
        "vocabulary": vocabulary_digest(tokenizer),
        "run": json.dumps(describe_run(seed=seed, config_sha256=None)),
    }
    write_token_file(out, tokens, facts)
    if part.split == part.evaluated:
        console.print(
            f"task {task} has no split besides {part.split!r}, which it evaluates on: figures of "
            "this task after such a calibration are flattered",
            style="yellow",
        )
    return run_show(f"{TOKENS}{out}", model=model, cache=cache, console=console)


def run_show(
    source: str,
    *,
    model: str | None = None,
    nsamples: int = 128,
    seqlen: int = 2048,
    seed: int = 0,
    cache: Path | None = None,
    console: Console | None = None,
) -> dict[str, str]:
    """Print what a calibration set is, and how it begins.

    Args:
        source: a name that a recipe's `dataset` may have, or a path: .safetensors, .txt, .jsonl.
        model: whose tokenizer counts; that of a file of tokens, or else "demo", when None.
        nsamples, seqlen: samples and tokens of each; a file of tokens has its own.
        seed: of the places in a text.
        cache: where demo downloads live; the user's cache directory when None.
        console: where the table goes.

    Returns:
        What the table says.

    Raises:
        FormatError, TextSourceError: with one clear message each.
    """
    console = console or Console()
    bare = not source.startswith((FILE, TOKENS))
    name = _PATHS.get(Path(source).suffix, "") * bare + source
    metadata: dict[str, str] = {}
    if name.startswith(FILE) and Path(name).suffix == SAMPLES:
        name = f"{TOKENS}{name.removeprefix(FILE)}"
    if name.startswith(TOKENS):
        saved, metadata = read_token_file(name.removeprefix(TOKENS))
        nsamples, seqlen = saved.shape if saved.dim() == 2 else (1, len(saved))
    tokenizer = load_tokenizer(model or metadata.get("model", "demo"), cache=cache)
    found = calibration_set(
        name, tokenizer, nsamples=nsamples, seqlen=seqlen, seed=seed, cache=cache
    )
    facts = {key: str(value) for key, value in found.as_dict().items()}
    if name.startswith(TOKENS):
        del facts["seed"], facts["drawn_from"]  # the file says with which it was collected
    facts |= {key: value for key, value in sorted(metadata.items()) if key not in _NOT_SHOWN}
    table = Table(title="calibration set")
    table.add_column("")
    table.add_column("", overflow="fold")
    for key, value in facts.items():
        table.add_row(key, value)
    # As Text, since brackets in it are no markup.
    table.add_row("begins with", Text(tokenizer.decode(found.tokens[0, :_SHOWN_TOKENS])))
    console.print(table)
    return facts
