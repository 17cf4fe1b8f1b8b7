"""Perplexity as lm-eval measures it: whole documents, each in rolling windows, words and bytes."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from plena_cosim.golden import FormatError
from plena_cosim.ground.progress import Progress
from plena_cosim.sources.errors import need

from ..results.sample_log import SampleLog
from .documents import Document


@dataclass(frozen=True, kw_only=True)
class RollingPerplexity:
    """A measurement by lm-eval's protocol.

    Attributes:
        word_perplexity: exp of the negative log likelihood (nats) a word of the documents.
        byte_perplexity: the same a byte of their UTF-8.
        bits_per_byte: its binary logarithm.
        negative_log_likelihood: the sum, in nats.
        document_losses: the same of each document.
        words, bytes: counted as lm-eval's task wikitext counts them.
        documents: number of documents.
        max_length: tokens that the model sees at most.
        seconds: wall time.
    """

    word_perplexity: float
    byte_perplexity: float
    bits_per_byte: float
    negative_log_likelihood: float
    document_losses: list[float]
    words: int
    bytes: int
    documents: int
    max_length: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for a JSON record."""
        return asdict(self)

    def rows(self) -> list[tuple[str, str]]:
        """Return names and values for a table."""
        return [
            ("word perplexity", f"{self.word_perplexity:.4f}"),
            ("byte perplexity", f"{self.byte_perplexity:.4f}"),
            ("bits per byte", f"{self.bits_per_byte:.4f}"),
            ("documents", f"{self.documents} in windows of {self.max_length}"),
            ("words, bytes", f"{self.words}, {self.bytes}"),
        ]


def rolling_perplexity(
    network: Any,
    tokenizer: Any,
    documents: Sequence[Document],
    *,
    max_length: int | None = None,
    batch_size: int = 1,
    log: SampleLog | None = None,
    answers: SampleLog | None = None,
    progress: Progress | None = None,
) -> RollingPerplexity:
    """Return perplexities over whole documents, as lm-eval's task wikitext defines them.

    Windows of `max_length` tokens do not overlap; a document begins with the tokenizer's prefix
    token, and every token of it is scored. Words are what white space separates, an empty one at
    either end included; bytes are those of UTF-8; both are counted in documents as they came.

    Args:
        network: a causal language model of transformers.
        tokenizer: its tokenizer.
        documents: as `load_documents` gives them.
        max_length: tokens of a window; the model's own limit when None.
        batch_size: windows of one length that the model sees at once. With exact numerics no bit
            depends on it; torch's own products may sum in another order.
        log: where the loss of each document goes, once all are known.
        answers: keeps what the model has said of each batch, and is asked first.
        progress: called after each window.

    Raises:
        FormatError: there is nothing to score.
        TextSourceError: lm-eval is not installed.
    """
    instance = need("lm_eval.api.instance", extra="eval")
    ours = need(f"{__package__}.model", extra="eval")
    sizes = [
        {"words": len(re.split(r"\s+", document.raw)), "bytes": len(document.raw.encode())}
        for document in documents
    ]
    words, size = (sum(each[name] for each in sizes) for name in ("words", "bytes"))
    if not size:
        raise FormatError("perplexity needs at least one byte of text, got none")
    started = time.perf_counter()
    harness = ours.PlenaLM(
        network, tokenizer=tokenizer, batch_size=batch_size, max_length=max_length, log=answers
    )
    requests = [
        instance.Instance(
            request_type="loglikelihood_rolling", doc={}, arguments=(document.text,), idx=0
        )
        for document in documents
    ]
    if progress is not None:
        harness.on_windows = _counted(progress, harness, documents)
    likelihoods = harness.loglikelihood_rolling(requests, disable_tqdm=True)
    if log is not None:
        for number, (likelihood, counted) in enumerate(zip(likelihoods, sizes, strict=True)):
            if log.get(str(number)) is None:
                log.add(str(number), {"negative_log_likelihood": -likelihood, **counted})
    total = sum(likelihoods)
    return RollingPerplexity(
        word_perplexity=_exp(-(total / words)),
        byte_perplexity=_exp(-(total / size)),
        bits_per_byte=-(total / size) / math.log(2),
        negative_log_likelihood=-total,
        document_losses=[-each for each in likelihoods],
        words=words,
        bytes=size,
        documents=len(documents),
        max_length=harness.max_length,
        seconds=time.perf_counter() - started,
    )


def _counted(
    progress: Progress, harness: Any, documents: Sequence[Document]
) -> Callable[[int], None]:
    """Return what tells of so many further windows."""
    lengths = [len(harness.tok_encode(document.text)) for document in documents]
    total = sum(-(-length // harness.max_length) for length in lengths)
    done = 0

    def show(count: int) -> None:
        nonlocal done
        done += count
        progress("perplexity", done, total)

    return show


def _exp(nats: float) -> float:
    return math.exp(nats) if nats < 709 else math.inf
