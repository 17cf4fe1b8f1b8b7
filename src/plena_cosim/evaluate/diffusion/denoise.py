"""denoise: a text out of masks, block by block."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .choose import kept, proposed
from .denoising import Denoising, KeyCache
from .key_cache import SharedKeys


@dataclass(frozen=True)
class Denoised:
    """A text.

    Attributes:
        ids: (prompt + gen_length,) int64.
        passes: of the model.
    """

    ids: Tensor
    passes: int


@torch.no_grad()
def denoise(model: Any, prompt: Tensor, denoising: Denoising, *, mask_id: int) -> Denoised:
    """Write a text behind a prompt.

    All places are masks at first. Each pass of the model proposes a token for every place; of those
    of the block that is written, the surest are kept, and the others stay masks.

    Args:
        model: a masked language model of transformers: `model(input_ids=…).logits`.
        prompt: (n,) int64.
        denoising: how the text is written.
        mask_id: the token that stands for nothing.

    Returns:
        The text with its prompt.

    Raises:
        FormatError: the model cannot share keys as `denoising.cache` asks.
    """
    device = next(model.parameters()).device
    tail = torch.full((denoising.gen_length,), mask_id, dtype=torch.int64)
    ids = torch.cat([prompt.cpu(), tail])[None].to(device)
    draw = torch.Generator().manual_seed(denoising.seed)
    passes = 0
    with ExitStack() as stack:
        shared = None
        if denoising.cache is not KeyCache.NONE:
            shared = SharedKeys(model, denoising.cache)
            stack.enter_context(shared.between())
        for block in range(denoising.blocks):
            start = len(prompt) + block * denoising.block_length
            stop = start + denoising.block_length
            look = _looking(model, shared, ids, start, stop)
            step = 0
            while bool((ids[0, start:stop] == mask_id).any()):
                masked = (ids[0, start:stop] == mask_id).nonzero()[:, 0].cpu()
                tokens, confidence = proposed(look(step), denoising, draw, mask_id=mask_id)
                chosen = masked[kept(confidence[masked], denoising, step)]
                ids[0, start + chosen.to(device)] = tokens[chosen].to(device)
                passes, step = passes + 1, step + 1
    return Denoised(ids[0].cpu(), passes)


def _looking(
    model: Any, shared: SharedKeys | None, ids: Tensor, start: int, stop: int
) -> Callable[[int], Tensor]:
    """Return what gives the logits (block_length, tokens) of a block for the pass of a number."""

    def look(step: int) -> Tensor:
        if shared is None:
            logits: Tensor = model(input_ids=ids).logits[0, start:stop]
            return logits
        return shared.whole(ids)[start:stop] if step == 0 else shared.part(ids, start, stop)

    return look
