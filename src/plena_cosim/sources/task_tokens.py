"""Calibration tokens out of an evaluation task."""

from __future__ import annotations

import random
from typing import Any

import torch
from torch import Tensor

from .draw_windows import draw_windows
from .eval_task import TaskSplit
from .task_text import document_text
from .tokenizer import tokenize


def task_tokens(
    part: TaskSplit, tokenizer: Any, *, nsamples: int, seqlen: int, seed: int
) -> Tensor:
    """Return samples of a task's documents.

    Documents follow one another in random order, with the tokenizer's end-of-text token between
    them where it has one, until there are enough tokens; `draw_windows` cuts the samples.

    Args:
        part: of the task.
        tokenizer: of the model.
        nsamples, seqlen: how many samples, how many tokens each.
        seed: of the order.

    Returns:
        (nsamples, seqlen) int64.

    Raises:
        TextSourceError: all documents together are too short, or one cannot be made.
    """
    end = [] if tokenizer.eos_token_id is None else [torch.tensor([tokenizer.eos_token_id])]
    draw = random.Random(seed).random
    order = sorted(range(len(part.documents)), key=lambda _: draw())
    pieces: list[Tensor] = []
    length = 0
    for index in order:
        pieces += end if pieces else []
        pieces.append(tokenize(tokenizer, document_text(part, index)))
        length += len(pieces[-1]) + len(end)
        if length - len(end) >= nsamples * seqlen:
            break
    stream = torch.cat(pieces) if pieces else torch.empty(0, dtype=torch.int64)
    name = f"split {part.split!r} of task {part.name!r}"
    return draw_windows(stream, nsamples=nsamples, seqlen=seqlen, seed=seed, name=name)
