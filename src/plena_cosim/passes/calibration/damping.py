"""Damping: what is added to a Hessian's diagonal, so that it can be inverted."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..recipe.calibration_tables import GptqTable
from .gptq import factorise

_ITERATIONS = 30


@dataclass(frozen=True, kw_only=True)
class Damping:
    """How a Hessian is factorised.

    Attributes:
        share: of the mean of its diagonal that is added to the diagonal.
        unit: the Hessian is divided by it first, and the factor by its root: other roundings.
    """

    share: float
    unit: float = 1.0

    def factor(self, gram: Tensor, *, more: float = 1.0) -> Tensor:
        """Return U of `factorise`.

        Args:
            gram: (n, n), the Hessian.
            more: how many times the share is added.
        """
        found: Tensor = factorise(gram / self.unit, self.share * more) / self.unit**0.5
        return found


def damping_of_mean(table: GptqTable, gram: Tensor) -> Damping:
    """Return that of GPTQ: damp_percent of the mean of the diagonal."""
    return Damping(share=table.damp_percent)


def damping_of_eigenvalue(table: GptqTable, gram: Tensor) -> Damping:
    """Return that of Qronos: alpha times the largest eigenvalue, in units of beta."""
    mean = float(gram.double().diagonal().mean()) or 1.0
    return Damping(share=table.alpha * largest_eigenvalue(gram) / mean, unit=table.beta)


def largest_eigenvalue(gram: Tensor) -> float:
    """Return what 30 steps of power iteration from equal numbers find, in float64.

    Args:
        gram: (n, n), symmetric, positive semidefinite.
    """
    h = gram.double()
    direction = torch.ones(len(h), dtype=h.dtype, device=h.device)
    for _ in range(_ITERATIONS):
        direction = direction / direction.norm().clamp_min(torch.finfo(h.dtype).tiny)
        direction = h @ direction
    return float(direction.norm())
