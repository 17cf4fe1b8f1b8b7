"""Perplexity of a causal language model over windows of a token stream."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from plena_cosim.golden import FormatError
from plena_cosim.ground.progress import Progress
from plena_cosim.passes.recipe.draws import begin_sample

from .results.sample_log import SampleLog


@dataclass(frozen=True, kw_only=True)
class Perplexity:
    """A measurement.

    Attributes:
        token_perplexity: exp of the mean negative log likelihood (nats) of a scored token.
        word_perplexity: the same sum over the number of words; None when words were not counted.
        byte_perplexity: the same over the number of bytes; None when bytes were not counted.
        bits_per_byte: binary logarithm of that.
        negative_log_likelihood: the sum, in nats.
        window_losses: the same of each window.
        tokens: tokens read; one that is alone in a last window is not.
        scored_tokens: tokens predicted: all but the first of each window, or of the stream.
        words: whitespace-separated words in the scored tokens, or None.
        bytes: of the scored tokens in the text, as UTF-8, or None.
        windows: number of windows.
        seqlen: tokens in a window.
        stride: tokens from one window to the next; None: as many as in a window.
        seconds: of the model, over all windows.
    """

    token_perplexity: float
    word_perplexity: float | None
    byte_perplexity: float | None
    bits_per_byte: float | None
    negative_log_likelihood: float
    window_losses: list[float]
    tokens: int
    scored_tokens: int
    words: int | None
    bytes: int | None
    windows: int
    seqlen: int
    stride: int | None
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for a JSON record."""
        return asdict(self)

    def rows(self) -> list[tuple[str, str]]:
        """Return names and values for a table."""
        found = [("token perplexity", f"{self.token_perplexity:.4f}")]
        if self.word_perplexity is not None:
            found.append(("word perplexity", f"{self.word_perplexity:.4f}"))
        if self.byte_perplexity is not None:
            found.append(("byte perplexity", f"{self.byte_perplexity:.4f}"))
            found.append(("bits per byte", f"{self.bits_per_byte:.4f}"))
        windows = f"{self.tokens} in {self.windows} windows of {self.seqlen}"
        if self.stride is not None:
            windows += f", {self.stride} apart"
        return [*found, ("tokens", windows)]


@torch.no_grad()
def evaluate_perplexity(
    model: Any,
    tokens: Tensor,
    *,
    seqlen: int = 512,
    stride: int | None = None,
    limit: int | None = None,
    token_bytes: Sequence[int] | None = None,
    decode: Callable[[list[int]], str] | None = None,
    log: SampleLog | None = None,
    progress: Progress | None = None,
) -> Perplexity:
    """Return the perplexity of `model` on consecutive windows of `tokens`.

    Without a stride windows do not overlap and share no context; in each, every token but the first
    is scored. With one they overlap: each begins so many tokens after the one before, and scores
    what that has not, so that every token but the stream's first is scored once (with a stride of
    `seqlen` nothing overlaps, as without one). A last window may be shorter.

    Args:
        model: called as model(ids) with (1, n) int64; the result has `.logits` (1, n, vocabulary).
        tokens: (n,) int64.
        seqlen: tokens in a window, at least 2.
        stride: tokens from the beginning of one window to that of the next, 1 … seqlen; None: no
            overlap, and no score for the first token of a window.
        limit: read only the first `limit` tokens.
        token_bytes: bytes of each token in its text; without them there is no byte perplexity.
        decode: token ids to text, to count words; without it there is no word perplexity.
        log: where the loss of each window goes; those that it has already are not measured again.
        progress: called after each window.

    Raises:
        FormatError: fewer than 2 tokens, seqlen or limit below 2, or a stride that leaves tokens
            out.
    """
    for what, given in (("seqlen", seqlen), ("limit", limit)):
        if given is not None and given < 2:
            raise FormatError(f"{what} must be at least 2, got {given}")
    if stride is not None and not 1 <= stride <= seqlen:
        raise FormatError(f"stride must be 1 … {seqlen}, the tokens of a window; got {stride}")
    tokens = tokens.flatten()[:limit]
    windows = _windows(tokens.numel(), seqlen, stride)
    if not windows:
        raise FormatError(f"perplexity needs at least 2 tokens, got {tokens.numel()}")
    log = log if log is not None else SampleLog()
    sums: list[float] = []
    seconds = 0.0
    words = 0
    for number, window in enumerate(windows):
        scored = tokens[window.scored : window.end]
        found = log.get(str(number))
        if found is None:
            started = time.perf_counter()
            begin_sample(model, number)
            loss = _loss(model, tokens, window)
            found = {
                "negative_log_likelihood": loss,
                "tokens": scored.numel(),
                "seconds": time.perf_counter() - started,
            }
            log.add(str(number), found)
        sums.append(found["negative_log_likelihood"])
        seconds += found["seconds"]
        if decode is not None:
            words += len(decode(scored.tolist()).split())
        if progress is not None:
            progress("perplexity", number + 1, len(windows))
    total, count = sum(sums), sum(window.end - window.scored for window in windows)
    size = None
    if token_bytes is not None:
        size = sum(sum(token_bytes[window.scored : window.end]) for window in windows)
    return Perplexity(
        token_perplexity=_exp(total / count),
        word_perplexity=_exp(total / words) if words else None,
        byte_perplexity=_exp(total / size) if size else None,
        bits_per_byte=total / size / math.log(2) if size else None,
        negative_log_likelihood=total,
        window_losses=sums,
        tokens=windows[-1].end,
        scored_tokens=count,
        words=words if decode is not None else None,
        bytes=size,
        windows=len(windows),
        seqlen=seqlen,
        stride=stride,
        seconds=seconds,
    )


def _loss(model: Any, tokens: Tensor, window: _Window) -> float:
    """Return the negative log likelihood of what a window scores, in nats."""
    ids = tokens[window.begin : window.end].to(getattr(model, "device", tokens.device))
    logits = model(ids[None]).logits[0].float()
    before = logits[window.scored - window.begin - 1 : -1]
    scored = ids[window.scored - window.begin :].to(before.device)
    losses = functional.cross_entropy(before, scored, reduction="none")
    return float(losses.double().sum())


class _Window(NamedTuple):
    """A model reads tokens begin … end - 1, and those from `scored` on count."""

    begin: int
    scored: int
    end: int


def _windows(count: int, seqlen: int, stride: int | None) -> list[_Window]:
    """Return the windows over so many tokens."""
    found: list[_Window] = []
    begin, scored = 0, 1
    while max(begin + 1, scored) < count:
        end = min(begin + seqlen, count)
        found.append(_Window(begin, max(begin + 1, scored), end))
        begin, scored = begin + (stride or seqlen), end
    return found


def _exp(nats: float) -> float:
    return math.exp(nats) if nats < 709 else math.inf
