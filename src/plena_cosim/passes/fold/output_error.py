"""The error that quantising makes in the outputs of a group, for given scales of its channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..modules.hadamard import rotate, rotation_size
from ..modules.operand import fake_quantize, fake_quantize_rotated
from ..recipe.formats import RotationMode
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
        found = quantised_operand(small, self.selector) @ quantised_weight(large, self.selector).T
        return float((self.exact - found).square().sum(dtype=torch.float64))


def quantised_operand(x: Tensor, selector: Selector) -> Tensor:
    """Return what a quantised weight multiplies, (…, in), in the basis of `quantised_weight`.

    Args:
        x: the input of its module.
        selector: the module's, with its online rotation.
    """
    size = _rotation(x, selector)
    if size is not None and selector.semantics is RotationMode.FUSED:
        x, size = rotate(x, size), None
    return fake_quantize_rotated(x, selector.formats.data_in, size)


def quantised_weight(weight: Tensor, selector: Selector) -> Tensor:
    """Return a weight, (…, out, in), rounded to nearest in the basis of its operands.

    Args:
        weight: in floating point.
        selector: the module's, with its online rotation.
    """
    size = _rotation(weight, selector)
    if size is not None and selector.semantics is RotationMode.FUSED:
        weight = rotate(weight, size)
    return fake_quantize(weight, selector.formats.weight)


def _rotation(x: Tensor, selector: Selector) -> int | None:
    wanted = selector.online_rotate
    if not wanted:
        return None
    return rotation_size(x.shape[-1], None if wanted < 0 else wanted, selector.key)


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
