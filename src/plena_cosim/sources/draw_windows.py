"""Samples out of a long text: windows of tokens that never overlap."""

from __future__ import annotations

import random

import torch
from torch import Tensor

from .errors import TextSourceError


def draw_windows(stream: Tensor, *, nsamples: int, seqlen: int, seed: int, name: str) -> Tensor:
    """Return `nsamples` windows of `seqlen` tokens at random places of a text, in random order.

    The tokens that are left over are dealt out at random between the windows, so that no token is
    in two of them. The same seed gives the same windows, with any version of Python and torch: only
    `random.random` is asked, which Python keeps as it is.

    Args:
        stream: (n,) token ids.
        nsamples, seqlen: how many windows, how many tokens each.
        seed: of the places and the order.
        name: of the text, for the message.

    Returns:
        (nsamples, seqlen) token ids.

    Raises:
        TextSourceError: the text is empty, or shorter than all windows together.

    >>> draw_windows(torch.arange(9), nsamples=2, seqlen=3, seed=1, name="digits").tolist()
    [[6, 7, 8], [0, 1, 2]]
    """
    spare = len(stream) - nsamples * seqlen
    if not len(stream):
        raise TextSourceError(f"{name} has no text to calibrate on; give another")
    if spare < 0:
        raise TextSourceError(
            f"{name} has {len(stream):,} tokens, but {nsamples} samples of {seqlen} take "
            f"{nsamples * seqlen:,}; lower nsamples or seqlen, or give more text"
        )
    draw = random.Random(seed).random
    before = sorted(int(draw() * (spare + 1)) for _ in range(nsamples))
    starts = [skipped + sample * seqlen for sample, skipped in enumerate(before)]
    starts.sort(key=lambda _: draw())
    return torch.stack([stream[start : start + seqlen] for start in starts])
