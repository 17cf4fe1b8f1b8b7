"""The work behind `plena eval ppl`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text

from plena_cosim.golden import FormatError, HardwareConfig
from plena_cosim.ground.progress_bar import progress_bars
from plena_cosim.passes import (
    ModuleInfo,
    left_alone,
    load_quant_config,
    quantize_module_transform_pass,
)
from plena_cosim.passes.layers.device import on_device
from plena_cosim.passes.recipe.numerics_used import numerics_used, numerics_words
from plena_cosim.passes.token_collector import CollectorFull
from plena_cosim.sources import load_text, text_digest, token_bytes, tokenize
from plena_cosim.sources.demo_model import CAVEAT

from .harness.rolling import RollingPerplexity, documents_of, rolling_perplexity
from .left_table import print_left
from .load import load_model, require_original
from .perplexity import Perplexity, evaluate_perplexity
from .record import describe_run, rotation_of, write_json

PROTOCOLS = ("windows", "lm-eval")
"""Windows of one stream of tokens, or whole documents as lm-eval reads them."""


def run_eval_ppl(
    *,
    model: str,
    text: str,
    quant_config: Path | None = None,
    numerics: str = "fake",
    hardware: Path | None = None,
    device: str | None = None,
    seqlen: int | None = None,
    stride: int | None = None,
    protocol: str = "windows",
    batch_size: int = 1,
    limit: int | None = None,
    seed: int = 0,
    json_path: Path | None = None,
    cache: Path | None = None,
    console: Console | None = None,
) -> dict[str, Any]:
    """Measure perplexity, print a table, and return (and write) the record.

    Args:
        model: a folder, an id on the Hugging Face hub, or "demo".
        text: a UTF-8 file, or "demo".
        quant_config: a recipe; without one the model runs as it is.
        numerics: "fake" or "exact"; a model that was saved quantised keeps its own.
        hardware: a machine of configs/hw for exact numerics.
        device: where calibration runs, in the place of what the recipe says.
        seqlen: tokens in a window; None: 512, by lm-eval's protocol all that the model can see.
        stride: tokens from one window of a stream to the next; None: as many as in a window.
        protocol: "windows" of one token stream, or "lm-eval": rolling over whole documents.
        batch_size: by lm-eval's protocol, windows of one length that the model sees at once.
        limit: read only the first `limit` tokens; by lm-eval's protocol, documents.
        seed: of torch, recorded; nothing here draws random numbers by itself.
        json_path: where the record goes.
        cache: where demo downloads live; the user's cache directory when None.
        console: where the table goes.

    Returns:
        The record; where a token collector has ended the evaluation, what it has collected.

    Raises:
        FormatError, TextSourceError: with one clear message each. The recipe is checked first.
    """
    console = console or Console()
    if protocol not in PROTOCOLS:
        raise FormatError(f"unknown protocol {protocol!r}; known: {', '.join(PROTOCOLS)}")
    if protocol == "windows" and batch_size != 1:
        raise FormatError("windows of one stream are read one by one; batch_size goes with lm-eval")
    if protocol == "lm-eval" and stride is not None:
        raise FormatError("lm-eval's windows do not overlap; a stride goes with windows")
    recipe = None
    if quant_config is not None:
        recipe = on_device(load_quant_config(quant_config), device)
    machine = HardwareConfig.load(hardware) if hardware is not None else None
    torch.manual_seed(seed)
    words = load_text(text, cache=cache)
    network, tokenizer = load_model(model, cache=cache)
    info: dict[str, ModuleInfo] = {}
    saved = getattr(network, "plena_config", None)
    if recipe is not None:
        require_original(network, model)
        with progress_bars(console) as progress:
            network, info = quantize_module_transform_pass(
                network, recipe, numerics=numerics, hw=machine, progress=progress
            )
    collector: Any = getattr(network, "token_collector", None)
    try:
        result: Perplexity | RollingPerplexity
        if protocol == "lm-eval":
            result = rolling_perplexity(
                network,
                tokenizer,
                documents_of(words, text)[:limit],
                max_length=seqlen,
                batch_size=batch_size,
            )
        else:
            with progress_bars(console) as progress:
                result = evaluate_perplexity(
                    network,
                    tokenize(tokenizer, words, limit=limit),
                    seqlen=seqlen or 512,
                    stride=stride,
                    token_bytes=token_bytes(tokenizer, words),
                    decode=tokenizer.decode,
                    progress=progress,
                )
    except CollectorFull as full:
        console.print(Text(str(full)))
        collected = {"collected": collector.collected, "save_path": str(collector.path)}
        if json_path is not None:
            write_json(json_path, collected)
        return collected
    if collector is not None:
        count = collector.finalize()
        console.print(Text(f"token collector: {count} samples in {collector.path}"))
    source = recipe.source if recipe is not None else None
    if saved is not None:
        source, numerics = saved.source, saved.numerics
    used = None
    if recipe is not None and recipe.changes_anything:
        used = numerics_used(recipe)
    elif saved is not None:
        used = numerics_used(saved.pass_args())
    left = None if source is None else left_alone(network)
    record = {
        "model": model,
        "text": text,
        "text_sha256": text_digest(words),
        "protocol": protocol,
        "quant_config": source,
        "numerics": numerics if source is not None else None,
        "formats": used,
        "rotation": rotation_of(network, info, numerics),
        "result": result.as_dict(),
        "run": describe_run(seed=seed, config_sha256=recipe.sha256 if recipe else None),
        "modules": {name: entry.as_dict() for name, entry in info.items()},
        "left_alone": None if left is None else left.as_dict(),
    }
    if model == "demo":
        record["caveat"] = CAVEAT
    table = Table(title=f"{model} on {text}")
    table.add_column("")
    table.add_column("", justify="right")
    shown = f"{source} ({numerics})" if source is not None else "none (fp32)"
    table.add_row("recipe", shown)
    if used is not None:
        table.add_row("numerics", numerics_words(used))
    replaced = "as saved" if saved is not None else str(len(info))
    table.add_row("modules replaced", replaced)
    if left is not None:
        table.add_row("left in float", left.words())
    for name, value in result.rows():
        table.add_row(name, value)
    table.add_row("seconds", f"{result.seconds:.1f}")
    console.print(table)
    if left is not None:
        print_left(left, console)
    if model == "demo":
        console.print(CAVEAT, style="dim")
    if json_path is not None:
        write_json(json_path, record)
        console.print(f"record: {json_path}")
    return record
