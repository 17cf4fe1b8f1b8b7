"""Which tokens a pass proposes, and which of them are kept."""

from __future__ import annotations

import torch
from torch import Tensor

from .denoising import Denoising, Remasking


def proposed(
    logits: Tensor, denoising: Denoising, draw: torch.Generator, *, mask_id: int
) -> tuple[Tensor, Tensor]:
    """Return a token for each place, and what decides whether it is kept.

    Args:
        logits: (places, tokens).
        denoising: how the text is written.
        draw: of noise and of random remasking.
        mask_id: which is never proposed: it would not bring the text nearer to its end.

    Returns:
        Tokens (places,) int64; their probabilities (places,) float64, or random numbers.
    """
    exact = logits.double().cpu()
    noisy = exact.clone()
    if denoising.temperature:
        uniform = torch.rand(exact.shape, dtype=torch.float64, generator=draw)
        noisy = exact - denoising.temperature * torch.log(-torch.log(uniform))
    noisy[:, mask_id] = -torch.inf
    tokens = noisy.argmax(-1)
    if denoising.remasking is Remasking.RANDOM:
        return tokens, torch.rand(tokens.shape, dtype=torch.float64, generator=draw)
    return tokens, exact.softmax(-1).gather(-1, tokens[:, None])[:, 0]


def kept(confidence: Tensor, denoising: Denoising, step: int) -> Tensor:
    """Return which of the masked places keep their token, the surest first, of equals the earlier.

    Args:
        confidence: (places,) of those that are masked.
        denoising: how the text is written.
        step: the number of the pass within its block.

    Returns:
        (n,) int64 indices of places; at least one where there is any and a pass has tokens to keep.
    """
    ordered, places = confidence.sort(descending=True, stable=True)
    if denoising.threshold is not None:
        count = max(1, int((ordered >= denoising.threshold).sum()))
    elif denoising.factor is not None:
        count = _by_factor(ordered, denoising.factor)
    else:
        count = denoising.kept(step)
    return places[:count]


def _by_factor(ordered: Tensor, factor: float) -> int:
    """Return the largest n for which all of the first n are sure enough to be kept together."""
    count = 1
    for number, confidence in enumerate(ordered.tolist()[1:], start=2):
        if (number + 1) * (1 - confidence) >= factor:
            break
        count = number
    return count
