"""Sampler: the next token of one text, by draws that are its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .errors import RequestError


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How tokens are chosen.

    Attributes:
        temperature: what logits are divided by; 0: the likeliest token, of several the first.
        top_p: the likeliest tokens that have this probability together are drawn from.
        seed: of the draws.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    seed: int = 0


class Sampler:
    """Draws the tokens of one choice.

    Its random numbers follow from the seed and the number of the choice alone, one for each token:
    what else is written at the same time changes none.
    """

    def __init__(self, sampling: Sampling, choice: int = 0) -> None:
        """Begin with the first draw.

        Args:
            sampling: how.
            choice: number among those of one prompt.
        """
        self._sampling = sampling
        seeds = np.random.SeedSequence([sampling.seed, choice])
        self._random = np.random.Generator(np.random.PCG64(seeds))

    def draw(self, logits: Tensor) -> int:
        """Return the next token.

        Args:
            logits: (vocabulary,) float64.

        Raises:
            RequestError: a logit is NaN, or none is finite.
        """
        best = logits.max()
        if not bool(torch.isfinite(best)):
            raise RequestError(
                "the model's logits are not finite; take a recipe with wider formats",
                status=500,
                code="not_finite",
            )
        if self._sampling.temperature == 0:
            return int((logits == best).nonzero()[0])
        scaled = (logits - best) / self._sampling.temperature
        order = torch.sort(scaled, descending=True, stable=True)
        shares = torch.softmax(order.values, dim=0).cumsum(0)
        kept = int((shares < self._sampling.top_p).sum()) + 1
        shares = shares[:kept]
        drawn = self._random.random() * float(shares[-1])
        place = min(int((shares <= drawn).sum()), len(shares) - 1)
        return int(order.indices[place])
