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
        gram: (n, n) float32, the sum of w x x^T: the Gram matrix of the operands.
        cross_gram: (n, n) float32, the sum of w (t - x) x^T with t the float operand that is wanted
            in the place of x; None where it is not asked for.
        tokens: how many operands were added.
        unit: each token's weight w is one over its mean square; else 1.
    """

    gram: Tensor
    cross_gram: Tensor | None
    tokens: int = 0
    unit: bool

    @classmethod
    def zeros(cls, n: int, *, unit: bool, cross_gram: bool, device: torch.device) -> Hessian:
        """Return sums of nothing.

        Args:
            n: input channels of the matrix.
            unit: whether every token counts alike, whatever its size.
            cross_gram: whether to sum what is wanted in the place of the operands, too.
            device: where the sums lie.
        """
        empty = torch.zeros(n, n, device=device)
        return cls(gram=empty, cross_gram=empty.clone() if cross_gram else None, unit=unit)

    def add(self, operands: Tensor, float_operands: Tensor | None = None) -> None:
        """Add the operands of one batch to the sums, in place.

        Args:
            operands: (…, n), any floating-point dtype.
            float_operands: (…, n), what is wanted in their place; only with a `cross_gram`.
        """
        x = operands.flatten(0, -2).float()
        weight = torch.ones(len(x), 1, device=x.device)
        if self.unit:
            # A token of zeros adds nothing, whatever it counts.
            weight = x.square().mean(-1, keepdim=True).clamp_min(_TINY).rsqrt()
        scaled = x * weight
        self.gram.addmm_(scaled.T, scaled)
        if self.cross_gram is not None:
            assert float_operands is not None
            wanted = float_operands.flatten(0, -2).float()
            self.cross_gram.addmm_(((wanted - x) * weight).T, scaled)
        self.tokens += len(x)


_TINY = 1e-30
