"""The error that quantising makes in the outputs of a group, for given scales of its channels."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ..operand import narrow
from ..rotation import rotate, rotation_size
from ..selector import Selector
from .channels import Channels
from .matrix import Matrix


def output_error(channels: Channels, scales: Tensor, chosen: Mapping[str, Selector]) -> float:
    """Return Σ ‖X Wᵀ − Q(X / s) Q(W diag(s))ᵀ‖² over the quantised targets and the kept tokens.

    Q are the recipe's own formats, behind its own online rotation. Tokens reach only the experts
    that they are routed to.

    Args:
        channels: of the group, with rows.
        scales: (channels,) of the source.
        chosen: selector by the name of each quantised module.
    """
    spread = channels.group.spread(scales)
    x = torch.cat(channels.rows)
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    error = 0.0
    for target in channels.group.targets:
        selector = chosen.get(target.module)
        if selector is None:
            continue
        for rows, weight in _products(target, x, channels):
            error += _product_error(rows, weight.detach().to(x), spread.to(x), selector)
    return error


def _products(target: Matrix, x: Tensor, channels: Channels) -> list[tuple[Tensor, Tensor]]:
    """Return inputs and weight of each product, (tokens, in) and (out, in)."""
    weight = target.rows()
    if weight.ndim == 2:
        return [(x, weight)]
    experts = torch.cat(channels.experts[target.name])
    return [
        (x[(experts == number).any(-1)], matrix)
        for number, matrix in enumerate(weight)
        if bool((experts == number).any())
    ]


def _product_error(x: Tensor, weight: Tensor, spread: Tensor, selector: Selector) -> float:
    small, large = x / spread, weight * spread
    wanted = selector.online_rotate
    if wanted:
        size = rotation_size(x.shape[-1], None if wanted < 0 else wanted, selector.key)
        small, large = rotate(small, size), rotate(large, size)
    formats = selector.formats
    found = narrow(small, formats.data_in) @ narrow(large, formats.weight).T
    return float((x @ weight.T - found).double().square().sum())
