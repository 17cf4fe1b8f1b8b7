"""Perplexity of a causal language model over windows of a token stream."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from plena_cosim.golden import FormatError
from plena_cosim.ground.progress import Progress

"""Called with windows done and windows in all."""


@dataclass(frozen=True, kw_only=True)
class Perplexity:
    """A measurement.

    Attributes:
        token_perplexity: exp of the mean negative log likelihood (nats) of a scored token.
        word_perplexity: the same sum over the number of words; None when words were not counted.
        negative_log_likelihood: the sum, in nats.
        window_losses: the same of each window.
        tokens: tokens read.
        scored_tokens: tokens predicted: all but the first of each window.
        words: whitespace-separated words in the scored tokens, or None.
        windows: number of windows.
        seqlen: tokens in a window.
        seconds: wall time.
    """

    token_perplexity: float
    word_perplexity: float | None
    negative_log_likelihood: float
    window_losses: list[float]
    tokens: int
    scored_tokens: int
    words: int | None
    windows: int
    seqlen: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for a JSON record."""
        return asdict(self)

    def rows(self) -> list[tuple[str, str]]:
        """Return names and values for a table."""
        found = [("token perplexity", f"{self.token_perplexity:.4f}")]
        if self.word_perplexity is not None:
            found.append(("word perplexity", f"{self.word_perplexity:.4f}"))
        windows = f"{self.tokens} in {self.windows} windows of {self.seqlen}"
        return [*found, ("tokens", windows)]


@torch.no_grad()
def evaluate_perplexity(
    model: Any,
    tokens: Tensor,
    *,
    seqlen: int = 512,
    limit: int | None = None,
    decode: Callable[[list[int]], str] | None = None,
    progress: Progress | None = None,
) -> Perplexity:
    """Return the perplexity of `model` on consecutive windows of `tokens`.

    Windows do not overlap and share no context; in each, every token but the first is scored. A
    last window may be shorter.

    Args:
        model: called as model(ids) with (1, n) int64; the result has `.logits` (1, n, vocabulary).
        tokens: (n,) int64.
        seqlen: tokens in a window, at least 2.
        limit: read only the first `limit` tokens.
        decode: token ids to text, to count words; without it there is no word perplexity.
        progress: called after each window.

    Raises:
        FormatError: fewer than 2 tokens, or seqlen or limit below 2.
    """
    for what, given in (("seqlen", seqlen), ("limit", limit)):
        if given is not None and given < 2:
            raise FormatError(f"{what} must be at least 2, got {given}")
    tokens = tokens.flatten()[:limit]
    windows = [window for window in torch.split(tokens, seqlen) if window.numel() > 1]
    if not windows:
        raise FormatError(f"perplexity needs at least 2 tokens, got {tokens.numel()}")
    started = time.perf_counter()
    sums: list[float] = []
    words = 0
    for done, window in enumerate(windows, start=1):
        logits = model(window[None]).logits[0, :-1].float()
        losses = functional.cross_entropy(logits, window[1:], reduction="none")
        sums.append(float(losses.double().sum()))
        if decode is not None:
            words += len(decode(window[1:].tolist()).split())
        if progress is not None:
            progress("perplexity", done, len(windows))
    total, scored = sum(sums), sum(window.numel() - 1 for window in windows)
    return Perplexity(
        token_perplexity=_exp(total / scored),
        word_perplexity=_exp(total / words) if words else None,
        negative_log_likelihood=total,
        window_losses=sums,
        tokens=sum(window.numel() for window in windows),
        scored_tokens=scored,
        words=words if decode is not None else None,
        windows=len(windows),
        seqlen=seqlen,
        seconds=time.perf_counter() - started,
    )


def _exp(nats: float) -> float:
    return math.exp(nats) if nats < 709 else math.inf
