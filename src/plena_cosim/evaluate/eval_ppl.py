"""The work behind `plena eval ppl`."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from plena_cosim.golden import FormatError
from plena_cosim.ground.launched import launched
from plena_cosim.ground.progress_bar import progress_bars
from plena_cosim.passes import load_quant_config
from plena_cosim.passes.layers.device import on_device
from plena_cosim.passes.token_collector import CollectorFull
from plena_cosim.sources import load_text, text_digest, token_bytes, tokenize

from .harness.documents import Document, load_documents
from .harness.rolling import RollingPerplexity, rolling_perplexity
from .in_rtl import InRtl, checked_rtl, rtl_record
from .key import tokens_digest
from .left_table import print_left
from .perplexity import Perplexity, evaluate_perplexity
from .place import place_of
from .ppl_report import ppl_report
from .processes import Processes
from .record import write_json
from .results.run_folder import RunFile, RunFolder, open_run
from .results.sample_log import SampleLog
from .subject import Subject, add_rows

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
    out: Path | None = None,
    results: Path | None = None,
    overwrite: bool = False,
    json_path: Path | None = None,
    cache: Path | None = None,
    console: Console | None = None,
    rtl: InRtl | None = None,
    packed: bool = False,
) -> dict[str, Any]:
    """Measure perplexity, print a table, and return (and write) the record.

    A run that has a folder goes on where an interrupted one with the same settings was, and answers
    at once where it has come to its end. Of several processes that a launcher has started each
    measures a part of the windows; the main one alone prints and writes. The digits are the same.

    Args:
        model: a folder, an id on the Hugging Face hub, or "demo".
        text: a UTF-8 file, or a name that `load_text` knows, such as "demo".
        quant_config: a recipe; without one the model runs as it is.
        numerics: "fake" or "exact", or "rtl" with `rtl`; a model that was saved quantised keeps its
            own, and can be run in RTL if these are exact.
        hardware: a machine of configs/hw for exact numerics.
        device: where the model is measured, and calibrated in the place of what the recipe says;
            None: on the CPU, or on a GPU for each of several processes.
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
        rtl: runs operations in blocks, and compares every code with exact torch's.
        packed: keep weights as codes: the same figures in less memory, and more time.

    Returns:
        The record; where a token collector has ended the evaluation, what it has collected.

    Raises:
        FormatError, TextSourceError: with one clear message each. The recipe is checked first.
        ProcessEndedError: another process of several has ended.
        CosimMismatchError: RTL and exact torch differ.
    """
    rtl = checked_rtl(numerics, rtl, device=device)
    processes = Processes()
    console = processes.console(console)
    if protocol not in PROTOCOLS:
        raise FormatError(f"unknown protocol {protocol!r}; known: {', '.join(PROTOCOLS)}")
    if protocol == "windows" and batch_size != 1:
        raise FormatError("windows of one stream are read one by one; batch_size goes with lm-eval")
    if protocol == "lm-eval" and stride is not None:
        raise FormatError("lm-eval's windows do not overlap; a stride goes with windows")
    device = place_of(device, launched())
    recipe = None
    if quant_config is not None:
        recipe = on_device(load_quant_config(quant_config), device)
    collects = recipe is not None and recipe.token_collector is not None
    if collects and processes.count > 1:
        raise FormatError("a token collector reads on one process; start it without a launcher")
    documents: list[Document] = []
    if protocol == "lm-eval":
        documents = load_documents(text, cache=cache)[:limit]
        words = "\0".join(document.raw for document in documents)  # in no text: one ends here
    else:
        words = load_text(text, cache=cache)
    subject = Subject.load(
        model,
        recipe,
        numerics=numerics,
        hardware=hardware,
        device=device,
        seed=seed,
        cache=cache,
        rtl=rtl,
        packed=packed,
    )
    windows = {
        "protocol": protocol,
        "seqlen": seqlen or (512 if protocol == "windows" else None),
        "stride": stride,
        "limit": limit,
    }
    work = _Work(subject, text, words, documents, windows, batch_size, processes.count, console)
    kept = processes.main and (out is not None or results is not None)
    file = work.run_file() if kept else None
    folder = subject.folder(out, results, file)
    with open_run(
        folder,
        file,
        recipe=subject.used,
        overwrite=overwrite or collects,
        processes=processes,
    ) as run:
        if run.earlier is not None:
            record = run.earlier
            _show(record, console)
            console.print(
                f"measured at {record['run']['time']}; --overwrite measures again", style="dim"
            )
        else:
            record = work.measure(run)
    if json_path is not None and processes.main:
        write_json(json_path, record)
        console.print(f"record: {json_path}", soft_wrap=True)
    if folder is not None and "result" in record:
        console.print(f"report: {folder / 'report.html'}", soft_wrap=True)
    return record


@dataclass(frozen=True)
class _Work:
    """What is measured, and on what."""

    subject: Subject
    text: str
    words: str
    documents: list[Document]
    windows: dict[str, Any]
    batch_size: int
    processes: int
    console: Console

    def run_file(self) -> RunFile:
        """Return what run.json says, before anything is measured."""
        read = "\n\n".join(each.text for each in self.documents) or self.words
        return self.subject.run_file(
            "eval ppl",
            samples={
                "text_sha256": text_digest(self.words),
                "tokens_sha256": tokens_digest(tokenize(self.subject.tokenizer, read)),
                **self.windows,
            },
            key={"batch_size": self.batch_size},
            arguments={"text": self.text, **self.windows, "batch_size": self.batch_size},
            code=(
                "perplexity.py",
                "harness/documents.py",
                "harness/model.py",
                "harness/rolling.py",
            ),
        )

    def measure(self, run: RunFolder) -> dict[str, Any]:
        """Quantise the model, measure it, show the table and finish the run."""
        subject = self.subject
        subject.quantise(self.console)
        if done := len(run.samples) + len(run.answers):
            self.console.print(f"goes on: {done} samples are there already", style="dim")
        collector: Any = getattr(subject.network, "token_collector", None)
        try:
            result = self._perplexity(run)
        except CollectorFull as full:
            self.console.print(Text(str(full)))
            return {"collected": collector.collected, "save_path": str(collector.path)}
        if collector is not None:
            count = collector.finalize()
            self.console.print(Text(f"token collector: {count} samples in {collector.path}"))
        blocks = {}
        if subject.rtl is not None:
            blocks["rtl"] = rtl_record(subject.rtl.settings(), self._asked(run))
        record = {
            "text": self.text,
            "text_sha256": text_digest(self.words),
            "protocol": self.windows["protocol"],
            "result": result.as_dict(),
            "shown": [list(row) for row in result.rows()],
            **subject.record(),
            **blocks,
        }
        _show(record, self.console)
        left = subject.left
        if left is not None:
            print_left(left, self.console)
        run.finish(record, lambda: ppl_report(record, run, subject))
        return record

    def _asked(self, run: RunFolder) -> SampleLog:
        """Return the log of what the model is asked: windows, or batches of them."""
        return run.answers if self.windows["protocol"] == "lm-eval" else run.samples

    def _perplexity(self, run: RunFolder) -> Perplexity | RollingPerplexity:
        network, tokenizer, rtl = self.subject.network, self.subject.tokenizer, self.subject.rtl
        running: AbstractContextManager[None] = nullcontext()
        if rtl is not None:
            running, taken = rtl.running(network, phase="perplexity", folder=run.folder), rtl.taken
            self._asked(run).beside = lambda: {"rtl": taken()}
        with progress_bars(self.console) as progress, running:
            if self.windows["protocol"] == "lm-eval":
                kept = run.folder is not None or self.processes > 1 or rtl is not None
                return rolling_perplexity(
                    network,
                    tokenizer,
                    self.documents,
                    max_length=self.windows["seqlen"],
                    batch_size=self.batch_size,
                    log=run.samples,
                    answers=run.answers if kept else None,
                    progress=progress,
                )
            return evaluate_perplexity(
                network,
                tokenize(tokenizer, self.words, limit=self.windows["limit"]),
                seqlen=self.windows["seqlen"],
                stride=self.windows["stride"],
                token_bytes=token_bytes(tokenizer, self.words),
                decode=tokenizer.decode,
                log=run.samples,
                progress=progress,
            )


def _show(record: dict[str, Any], console: Console) -> None:
    """Print a record's table."""
    table = Table(title=f"{record['model']} on {record['text']}")
    table.add_column("")
    table.add_column("", justify="right")
    add_rows(table, record)
    for name, value in record["shown"]:
        table.add_row(name, value)
    table.add_row("seconds", f"{record['result']['seconds']:.1f}")
    console.print(table)
    if "caveat" in record:
        console.print(record["caveat"], style="dim")
