"""The error that quantising makes in the outputs of a group, for given scales of its channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..modules.hadamard import rotate, rotation_size
from ..modules.operand import narrow, narrow_rotated
from ..recipe.formats import Semantics
from ..recipe.selector import Selector
from .channels import Channels
from .matrix import Matrix


class OutputError:
    """Σ ‖X Wᵀ − Q(X / s) Q(W diag(s))ᵀ‖² over the quantised targets and the kept tokens.

    Q are the recipe's own formats, behind its own online rotation. Tokens reach only the experts
    that they are routed to.
    """

    def __init__(self, channels: Channels, chosen: Mapping[str, Selector]) -> None:
        """Compute the exact outputs.

        Args:
            channels: of the group, with rows.
            chosen: selector by the name of each quantised module.
        """
        self.group = channels.group
        x = torch.cat(channels.rows)
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        self.products = [
            _Product(x=rows, weight=weight.to(x), exact=rows @ weight.to(x).T, selector=selector)
            for target in self.group.targets
            if (selector := chosen.get(target.module)) is not None
            for rows, weight in _operands(target, x, channels)
        ]

    def of(self, scales: Tensor) -> float:
        """Return the error for scales of the source's channels, (channels,)."""
        spread = self.group.spread(scales)
        return sum(product.error(spread) for product in self.products)


@dataclass(frozen=True, kw_only=True)
class _Product:
    """One matrix and what it multiplies, (out, in) and (tokens, in)."""

    x: Tensor
    weight: Tensor
    exact: Tensor
    selector: Selector

    def error(self, spread: Tensor) -> float:
        small, large = self.x / spread.to(self.x), self.weight * spread.to(self.x)
        formats, size = self.selector.formats, self._rotation()
        if size is not None and self.selector.semantics is Semantics.FUSED:
            small, large = rotate(small, size), rotate(large, size)
            size = None
        found = narrow_rotated(small, formats.data_in, size) @ narrow(large, formats.weight).T
        return float((self.exact - found).square().sum(dtype=torch.float64))

    def _rotation(self) -> int | None:
        wanted = self.selector.online_rotate
        if not wanted:
            return None
        return rotation_size(self.x.shape[-1], None if wanted < 0 else wanted, self.selector.key)


def _operands(target: Matrix, x: Tensor, channels: Channels) -> list[tuple[Tensor, Tensor]]:
    weight = target.rows().detach()
    if weight.ndim == 2:
        return [(x, weight)]
    experts = torch.cat(channels.experts[target.name])
    return [
        (x[(experts == number).any(-1)], matrix)
        for number, matrix in enumerate(weight)
        if bool((experts == number).any())
    ]
