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
    Recipe,
    left_alone,
    load_quant_config,
    quantize_module_transform_pass,
)
from plena_cosim.passes.layers.device import on_device
from plena_cosim.passes.recipe.numerics_used import numerics_used, numerics_words
from plena_cosim.passes.saving.machine_fields import machine_to_fields
from plena_cosim.passes.token_collector import CollectorFull
from plena_cosim.sources import load_text, text_digest, token_bytes, tokenize
from plena_cosim.sources.demo_model import CAVEAT

from .harness.rolling import RollingPerplexity, documents_of, rolling_perplexity
from .key import code_digest, model_digest, recipe_key, tokens_digest, versions
from .left_table import print_left
from .load import load_model, require_original
from .perplexity import Perplexity, evaluate_perplexity
from .ppl_report import ppl_report
from .record import describe_run, rotation_of, write_json
from .results.run_folder import RunFile, RunFolder, open_run

PROTOCOLS = ("windows", "lm-eval")
"""Windows of one stream of tokens, or whole documents as lm-eval reads them."""

_CODE = ("load.py", "perplexity.py", "eval_ppl.py", "harness/model.py", "harness/rolling.py")


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
    out: Path | None = None,
    results: Path | None = None,
    overwrite: bool = False,
    json_path: Path | None = None,
    cache: Path | None = None,
    console: Console | None = None,
) -> dict[str, Any]:
    """Measure perplexity, print a table, and return (and write) the record.

    A run that has a folder goes on where an interrupted one with the same settings was, and answers
    at once where it has come to its end.

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
        out: the folder of the run.
        results: where the run gets a folder by its own name; without either nothing is kept.
        overwrite: measure again what the folder holds.
        json_path: where the record goes, beside that of the folder.
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
    if recipe is not None:
        require_original(network, model)
    work = _Work(
        model=model,
        text=text,
        words=words,
        network=network,
        tokenizer=tokenizer,
        recipe=recipe,
        numerics=numerics,
        machine=machine,
        console=console,
        windows={
            "protocol": protocol,
            "seqlen": seqlen or (512 if protocol == "windows" else None),
            "stride": stride,
            "limit": limit,
        },
        batch_size=batch_size,
        seed=seed,
    )
    collects = recipe is not None and recipe.token_collector is not None
    folder, file = out, None
    if out is not None or results is not None:
        file = work.run_file(device)
    if folder is None and results is not None and file is not None:
        folder = results / file.name(*work.names())
    with open_run(folder, file, recipe=work.used, overwrite=overwrite or collects) as run:
        if run.earlier is not None:
            record = run.earlier
            _show(record, console)
            console.print(
                f"measured at {record['run']['time']}; --overwrite measures again", style="dim"
            )
        else:
            record = work.measure(run)
    if json_path is not None:
        write_json(json_path, record)
        console.print(f"record: {json_path}", soft_wrap=True)
    if folder is not None and "result" in record:
        console.print(f"report: {folder / 'report.html'}", soft_wrap=True)
    return record


class _Work:
    """What is measured, and how."""

    def __init__(
        self,
        *,
        model: str,
        text: str,
        words: str,
        network: Any,
        tokenizer: Any,
        recipe: Recipe | None,
        numerics: str,
        machine: HardwareConfig | None,
        windows: dict[str, Any],
        batch_size: int,
        seed: int,
        console: Console,
    ) -> None:
        self.model, self.text, self.words = model, text, words
        self.network, self.tokenizer = network, tokenizer
        self.recipe, self.machine = recipe, machine
        self.windows, self.batch_size = windows, batch_size
        self.seed, self.console = seed, console
        self.saved = getattr(network, "plena_config", None)
        self.numerics = numerics if self.saved is None else self.saved.numerics

    @property
    def used(self) -> Recipe | None:
        """The recipe that is given, or that of a saved model."""
        if self.saved is not None and self.recipe is None:
            found: Recipe = self.saved.pass_args()
            return found
        return self.recipe

    @property
    def source(self) -> str | None:
        """What the recipe is called."""
        if self.recipe is not None:
            return self.recipe.source
        return None if self.saved is None else self.saved.source

    def names(self) -> list[str]:
        """Return what tells the folder of this run from others."""
        if self.source is None:
            return [Path(self.model).name, "unquantised"]
        return [Path(self.model).name, Path(self.source).stem, self.numerics]

    def run_file(self, device: str | None) -> RunFile:
        """Return what run.json says, before anything is measured."""
        machine = None if self.machine is None else machine_to_fields(self.machine)
        return RunFile(
            command="eval ppl",
            arguments={
                "model": self.model,
                "text": self.text,
                "recipe": self.source,
                "numerics": self.numerics,
                "machine": machine,
                "device": device,
                **self.windows,
                "batch_size": self.batch_size,
            },
            samples={
                "text_sha256": text_digest(self.words),
                "tokens_sha256": tokens_digest(tokenize(self.tokenizer, self.words)),
                **self.windows,
            },
            key={
                "model_sha256": model_digest(self.network),
                **recipe_key(self.recipe, self.numerics),
                "machine": machine,
                "device": device,
                "batch_size": self.batch_size,
                "seed": self.seed,
                "threads": torch.get_num_threads(),
                "code_sha256": code_digest(*_CODE),
                "versions": versions(),
            },
            baseline=self.source is None,
            environment=self._run(),
        )

    def measure(self, run: RunFolder) -> dict[str, Any]:
        """Quantise the model, measure it, show the table and finish the run."""
        info: dict[str, ModuleInfo] = {}
        if self.recipe is not None:
            with progress_bars(self.console) as progress:
                self.network, info = quantize_module_transform_pass(
                    self.network,
                    self.recipe,
                    numerics=self.numerics,
                    hw=self.machine,
                    progress=progress,
                )
        if done := len(run.samples) + len(run.answers):
            self.console.print(f"goes on: {done} samples are there already", style="dim")
        collector: Any = getattr(self.network, "token_collector", None)
        try:
            result = self._perplexity(run)
        except CollectorFull as full:
            self.console.print(Text(str(full)))
            return {"collected": collector.collected, "save_path": str(collector.path)}
        if collector is not None:
            count = collector.finalize()
            self.console.print(Text(f"token collector: {count} samples in {collector.path}"))
        record = self._record(result, info)
        _show(record, self.console)
        left = None if self.source is None else left_alone(self.network)
        if left is not None:
            print_left(left, self.console)
        run.finish(record, lambda: ppl_report(record, run, info, recipe=self.used, left=left))
        return record

    def _perplexity(self, run: RunFolder) -> Perplexity | RollingPerplexity:
        limit = self.windows["limit"]
        with progress_bars(self.console) as progress:
            if self.windows["protocol"] == "lm-eval":
                return rolling_perplexity(
                    self.network,
                    self.tokenizer,
                    documents_of(self.words, self.text)[:limit],
                    max_length=self.windows["seqlen"],
                    batch_size=self.batch_size,
                    log=run.samples,
                    answers=run.answers if run.folder is not None else None,
                    progress=progress,
                )
            return evaluate_perplexity(
                self.network,
                tokenize(self.tokenizer, self.words, limit=limit),
                seqlen=self.windows["seqlen"],
                stride=self.windows["stride"],
                token_bytes=token_bytes(self.tokenizer, self.words),
                decode=self.tokenizer.decode,
                log=run.samples,
                progress=progress,
            )

    def _run(self) -> dict[str, Any]:
        return describe_run(
            seed=self.seed, config_sha256=self.recipe.sha256 if self.recipe else None
        )

    def _record(
        self, result: Perplexity | RollingPerplexity, info: dict[str, ModuleInfo]
    ) -> dict[str, Any]:
        formats = None
        if self.used is not None and (self.saved is not None or self.used.changes_anything):
            formats = numerics_used(self.used)
        left = None if self.source is None else left_alone(self.network)
        record = {
            "model": self.model,
            "text": self.text,
            "text_sha256": text_digest(self.words),
            "protocol": self.windows["protocol"],
            "quant_config": self.source,
            "numerics": self.numerics if self.source is not None else None,
            "formats": formats,
            "rotation": rotation_of(self.network, info, self.numerics),
            "result": result.as_dict(),
            "shown": [list(row) for row in result.rows()],
            "run": self._run(),
            "modules": {name: entry.as_dict() for name, entry in info.items()},
            "modules_replaced": "as saved" if self.saved is not None else str(len(info)),
            "left_alone": None if left is None else {"words": left.words(), **left.as_dict()},
        }
        if self.model == "demo":
            record["caveat"] = CAVEAT
        return record


def _show(record: dict[str, Any], console: Console) -> None:
    """Print a record's table."""
    table = Table(title=f"{record['model']} on {record['text']}")
    table.add_column("")
    table.add_column("", justify="right")
    source = record["quant_config"]
    table.add_row("recipe", "none (fp32)" if source is None else f"{source} ({record['numerics']})")
    if record["formats"] is not None:
        table.add_row("numerics", numerics_words(record["formats"]))
    table.add_row("modules replaced", record["modules_replaced"])
    if record["left_alone"] is not None:
        table.add_row("left in float", record["left_alone"]["words"])
    for name, value in record["shown"]:
        table.add_row(name, value)
    table.add_row("seconds", f"{record['result']['seconds']:.1f}")
    console.print(table)
    if "caveat" in record:
        console.print(record["caveat"], style="dim")
