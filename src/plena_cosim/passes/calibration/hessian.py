"""Hessian: what a layer's operands say about the cost of changing its weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(kw_only=True)
class Hessian:
    """Sums over the operands x of one matrix, in float32.

    The error of an output is (Wq - W) x, and its squared sum tr((Wq - W) H (Wq - W)^T).

    Attributes:
        second: (n, n), the sum of w x x^T.
        cross: (n, n), the sum of w (t - x) x^T with t the operand that is wanted in its place; None
            where it is not asked for.
        tokens: how many operands.
        unit: each token's weight w is one over its mean square; else 1.
    """

    second: Tensor
    cross: Tensor | None
    tokens: int = 0
    unit: bool

    @classmethod
    def zeros(cls, n: int, *, unit: bool, cross: bool, device: torch.device) -> Hessian:
        """Return sums of nothing."""
        empty = torch.zeros(n, n, device=device)
        return cls(second=empty, cross=empty.clone() if cross else None, unit=unit)

    def add(self, operands: Tensor, true: Tensor | None = None) -> None:
        """Add operands (…, n), and with `cross` what is wanted in their place."""
        x = operands.flatten(0, -2).float()
        weight = torch.ones(len(x), 1, device=x.device)
        if self.unit:
            # A token of zeros adds nothing, whatever it counts.
            weight = x.square().mean(-1, keepdim=True).clamp_min(_TINY).rsqrt()
        scaled = x * weight
        self.second.addmm_(scaled.T, scaled)
        if self.cross is not None:
            assert true is not None
            self.cross.addmm_(((true.flatten(0, -2).float() - x) * weight).T, scaled)
        self.tokens += len(x)


_TINY = 1e-30
