"""Matrix: one weight of a model, and what is folded into it from its two sides."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

_AT_ONCE = 1 << 24
"""Elements that are widened to float64 together: 128 MiB."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """What happens along one axis of a weight: each element times a gain, then a rotation.

    Attributes:
        gain: (n,) or None.
        rotation: (b, b) float64, orthonormal, for each run of b elements; None for none.
    """

    gain: Tensor | None = None
    rotation: Tensor | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing happens."""
        return self.gain is None and self.rotation is None

    def apply(self, x: Tensor) -> Tensor:
        """Return x with its last axis changed: x diag(gain) R, block by block."""
        if self.gain is not None:
            x = x * self.gain.to(x)
        if self.rotation is None:
            return x
        rotation = self.rotation.to(x)
        blocks = x.reshape(*x.shape[:-1], -1, len(rotation))
        return (blocks @ rotation).reshape(x.shape)


_NOTHING = Side()


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """One weight that multiplies activations, or one for each expert.

    Attributes:
        name: of the parameter in the model, for messages.
        module: name of the module that owns it.
        weight: (…, out, in); an embedding's is (tokens, width) with the width as `in`.
        transposed: the weight is (…, in, out) instead.
        bias: (…, out), if there is one.
    """

    name: str
    module: str
    weight: nn.Parameter
    transposed: bool = False
    bias: nn.Parameter | None = None

    @property
    def inputs(self) -> int:
        """Length of the contraction axis."""
        return self.weight.shape[-2 if self.transposed else -1]

    @property
    def outputs(self) -> int:
        """Length of the output axis."""
        return self.weight.shape[-1 if self.transposed else -2]

    def largest_by_input(self) -> Tensor:
        """Return the largest magnitude of each input channel, (in,) float64."""
        rows = self.rows().detach().abs()
        return rows.flatten(0, -2).amax(0).double()

    def energy_by_input(self) -> Tensor:
        """Return the sum of squares of each input channel, (in,) float64."""
        rows = self.rows().detach().double().square()
        return rows.flatten(0, -2).sum(0)

    def rows(self) -> Tensor:
        """Return the weight as (…, out, in)."""
        return self.weight.mT if self.transposed else self.weight

    @torch.no_grad()
    def fold(self, *, inputs: Side = _NOTHING, outputs: Side = _NOTHING) -> None:
        """Change weight and bias in place, computed in float64 and rounded once.

        Args:
            inputs: what undoes a change of the input; of y = x Wᵀ, W becomes W diag(gain) R.
            outputs: what becomes of the output: y becomes y diag(gain) R.
        """
        for rows in self._matrices():
            self._fold(rows, inputs, outputs)
        if self.bias is not None:
            self.bias.copy_(outputs.apply(self.bias.double()))

    def _matrices(self) -> list[Tensor]:
        rows = self.rows()
        return list(rows) if rows.ndim == 3 else [rows]

    def _fold(self, rows: Tensor, inputs: Side, outputs: Side) -> None:
        if outputs.is_empty:  # row by row, so a vocabulary of any size fits
            step = max(1, _AT_ONCE // rows.shape[-1])
            for start in range(0, rows.shape[0], step):
                part = rows[start : start + step]
                part.copy_(inputs.apply(part.double()))
            return
        rows.copy_(outputs.apply(inputs.apply(rows.double()).mT).mT)
