"""GPTQ for MX blocks: quantise one column after the other, and let later columns make up for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from plena_cosim.fakequant import MxTensor
from plena_cosim.fakequant.carrier import SINGLE
from plena_cosim.fakequant.element import ElementRounder
from plena_cosim.golden import Mx

from ..weights.spec_tensor import CalibratedWeight
from .block_scale import ScaleSearch, Tried, scales_to_try
from .sweep import sweep


@dataclass(frozen=True, kw_only=True)
class Solution:
    """A calibrated weight.

    Attributes:
        weight: (rows, n), blocks along the last axis.
        offsets: (rows, blocks) int8: scale exponents less those of the format's scale rule; (rows,
            0) where scales are no powers of two that were searched.
        loss: (rows,) float64: (Wq - W) H (Wq - W)^T of each row, by what each column adds to it.
        gain: (rows,) float64: what the choice of scales took off it, block by block as they were
            quantised.
    """

    weight: CalibratedWeight
    offsets: Tensor
    loss: Tensor
    gain: Tensor

    def split(self, sizes: Sequence[int]) -> list[Solution]:
        """Return runs of rows as solutions of their own; of MX blocks only.

        Args:
            sizes: rows of each, in order; all of them together are the rows of this one.
        """
        assert isinstance(self.weight, MxTensor)
        parts = (self.weight.values, self.weight.scales, self.offsets, self.loss, self.gain)
        return [
            Solution(
                weight=replace(self.weight, values=values, scales=scales),
                offsets=offsets,
                loss=loss,
                gain=gain,
            )
            for values, scales, offsets, loss, gain in zip(
                *(torch.split(part, list(sizes)) for part in parts), strict=True
            )
        ]


def factorise(hessian: Tensor, damp: float) -> Tensor:
    """Return the upper triangular U, float64, with U^T U the inverse of the damped Hessian.

    Args:
        hessian: (n, n) float32 or float64, symmetric, positive semidefinite.
        damp: this share of the mean of the diagonal is added to the diagonal; doubled as long as
            the matrix is not positive definite in float64.
    """
    _, root = _damp(hessian, damp)
    eye = torch.eye(len(root), dtype=root.dtype, device=root.device)
    found: Tensor = torch.linalg.solve_triangular(root, eye, upper=True)
    return found


def damped(hessian: Tensor, damp: float) -> Tensor:
    """Return the Hessian that `factorise` has factorised, (n, n) float64; arguments as there."""
    return _damp(hessian, damp)[0]


def _damp(hessian: Tensor, damp: float) -> tuple[Tensor, Tensor]:
    """Return the damped Hessian H and its root M: H = M M^T, upper triangular; U is 1 / M."""
    h = hessian.double()
    mean = float(h.diagonal().mean()) or 1.0
    eye = torch.eye(len(h), dtype=h.dtype, device=h.device)
    while True:
        made = h + damp * mean * eye
        # By Cholesky from the last column backwards.
        lower, failed = torch.linalg.cholesky_ex(made.flip(0, 1))
        if not int(failed):
            return made, lower.flip(0, 1)
        damp = max(2 * damp, 1e-6)


def solve(
    weight: Tensor,
    factor: Tensor,
    mx: Mx,
    search: ScaleSearch,
    order: list[int] | None = None,
    *,
    first: Tensor | None = None,
) -> Solution:
    """Return the weight quantised by GPTQ to MX blocks.

    A block's scale is fixed when the block is entered, from its columns as they are by then; inside
    the block and beyond it, the error of each column is fed forward to those that come later.

    Args:
        weight: (rows, n) of any floating-point dtype, finite; computed with in float32.
        factor: (n, n), of `factorise`, its columns in the order in which they are quantised.
        mx: the format.
        search: how scales are chosen.
        order: which block comes when; None for 0, 1, 2 …
        first: (rows,) float32, rounded in the place of the column that comes first, whose error
            stays its distance from the weight; None: that column is rounded.

    Returns:
        Weight and offsets with their columns in the order of `weight`, whatever `order` is.

    Source: Frantar et al. 2022, arXiv:2210.17323, algorithm 1.
    """
    rows, n = weight.shape
    # Rows and columns are swapped here: what a step touches lies side by side.
    left = weight.detach().float().T.contiguous()
    factor = factor.float()
    count = -(-n // mx.block_size)
    values = torch.empty_like(left)
    scales = torch.zeros(count, rows, dtype=torch.uint8, device=weight.device)
    offsets = torch.zeros(count, rows, dtype=torch.int8, device=weight.device)
    loss = torch.zeros(rows, dtype=torch.float64, device=weight.device)
    gain = torch.zeros_like(loss)
    numbers = list(range(count)) if order is None else order
    left = left[block_columns(numbers, n, mx.block_size)] if order is not None else left
    start = 0
    for number in numbers:
        place = slice(number * mx.block_size, min((number + 1) * mx.block_size, n))
        end = start + place.stop - place.start
        own = factor[start:end, start:end]
        block = quantise_block(left[start:end], own, mx, search, None if start else first)
        values[place] = block.values
        loss += block.errors.double().square().sum(0)
        gain += block.gain
        scales[number] = block.scales
        offsets[number] = block.offsets
        left[end:].addmm_(factor[start:end, end:].T, block.errors, alpha=-1)
        start = end
    quantised = MxTensor(values=values.T.contiguous(), scales=scales.T.contiguous(), mx=mx, axis=1)
    return Solution(weight=quantised, offsets=offsets.T.contiguous(), loss=loss, gain=gain)


def block_columns(order: list[int], n: int, size: int) -> list[int]:
    """Return the columns of n in an order of blocks.

    Args:
        order: numbers of blocks.
        n: columns in all; the last block may have fewer than `size`.
        size: columns of a block.
    """
    return [column for b in order for column in range(b * size, min((b + 1) * size, n))]


@dataclass(frozen=True, kw_only=True)
class Block:
    """One block of every row, as it was quantised.

    Attributes:
        values, errors: (elements, rows); an error is what a column is off by, over U's diagonal.
        scales: (rows,) uint8 codes.
        offsets: (rows,) exponents of the scales less those of the format's scale rule.
        gain: (rows,) float64: what the choice of scales took off the loss.
    """

    values: Tensor
    errors: Tensor
    scales: Tensor
    offsets: Tensor
    gain: Tensor


def quantise_block(
    block: Tensor, factor: Tensor, mx: Mx, search: ScaleSearch, first: Tensor | None = None
) -> Block:
    """Quantise one block of every row, column after column, by the best of the scales to try.

    Args:
        block: (elements, rows) float32, finite.
        factor: (elements, elements) float32, the part of U on its diagonal.
        mx: the format.
        search: how scales are chosen.
        first: (rows,) of `solve`, where the block holds that column.

    Returns:
        Values, errors, scales and offsets; a row of zeros has scale code 0.
    """
    seen = block if first is None else torch.cat([first[None], block[1:]])
    tried = scales_to_try(seen, mx, search)
    ruled = tried.exponents[0]
    if not search.by_output and len(tried.exponents) > 1:
        chosen = tried.exponents.gather(0, _least_weight_error(seen, tried, mx))
        tried = Tried(  # the rule's scale is swept too, to tell what the choice has gained
            rule=tried.rule,
            exponents=torch.cat([ruled[None], chosen]),
            allowed=torch.stack([torch.zeros_like(ruled, dtype=torch.bool), ruled == ruled]),
        )
    values, errors = sweep(block, factor, tried.exponents, mx, seen[0])
    if len(tried.exponents) == 1:  # nothing to choose, nothing to gather
        values, errors, exponents = values[:, 0], errors[:, 0], ruled
        gain = torch.zeros(len(ruled), dtype=torch.float64, device=block.device)
    else:
        lost = errors.square().sum(0)
        best = lost.masked_fill(~tried.allowed, torch.inf).argmin(0, keepdim=True)
        take = best.expand(len(block), 1, -1)
        values, errors = values.gather(1, take)[:, 0], errors.gather(1, take)[:, 0]
        exponents = tried.exponents.gather(0, best)[0]
        gain = (lost[0] - lost.gather(0, best)[0]).double()
    nothing = (values == 0).all(0)
    return Block(
        values=values,
        errors=errors,
        scales=(exponents + mx.scale_bias).masked_fill(nothing, 0).to(torch.uint8),
        offsets=exponents - tried.rule,
        gain=gain,
    )


def _least_weight_error(block: Tensor, tried: Tried, mx: Mx) -> Tensor:
    """Return which of the scales to try has the least squared error of rounding, (1, rows)."""
    x = block[:, None].expand(-1, len(tried.exponents), -1).contiguous()
    rounded = torch.empty_like(x)
    ElementRounder(tried.exponents, mx, SINGLE).round(x, rounded)
    error = (rounded - x).square().sum(0).masked_fill_(~tried.allowed, torch.inf)
    return error.argmin(0, keepdim=True)
