"""Descent: quantise block after block again while all others stay, so that early ones make up too.

GPTQ lets a column make up for those before it only. Here each block is fitted once more to what the
others have left, as often as asked for: block coordinate descent on the loss that GPTQ has.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from plena_cosim.fakequant import MxTensor
from plena_cosim.golden import Mx

from .block_scale import ScaleSearch
from .gptq import Solution, factorise, quantise_block


def descend(
    solution: Solution,
    weight: Tensor,
    hessian: Tensor,
    mx: Mx,
    search: ScaleSearch,
    *,
    sweeps: int,
) -> Solution:
    """Return a solution with a loss that is no larger.

    With E = Wq - W, the loss tr(E H E^T) depends on a block b of E, all else as it is, by
    (E_b + P) H_bb (E_b + P)^T with P H_bb the part of E H that other blocks put into b. So
    W_b - P takes the place of W_b, and H_bb that of H. A row takes what was found if that lowers
    its loss.

    Args:
        solution: of `solve`; not changed.
        weight: (rows, n), what was quantised.
        hessian: (n, n) float64, damped: positive definite.
        mx: the format.
        search: how scales are chosen.
        sweeps: how often each block is quantised again.

    Returns:
        Another solution of the same shape; its gain is that of `solution`.
    """
    assert isinstance(solution.weight, MxTensor)
    # Rows and columns are swapped here, as in `solve`.
    values = solution.weight.values.T.contiguous()
    scales = solution.weight.scales.T.contiguous()
    offsets = solution.offsets.T.contiguous()
    h = hessian.float()
    pull = h @ (values - weight.float().T)
    won = torch.zeros_like(solution.loss)
    places = [slice(at, min(at + mx.block_size, len(h))) for at in range(0, len(h), mx.block_size)]
    factors = [factorise(hessian[place, place], 0.0).float() for place in places]
    for _ in range(sweeps):
        for number, (place, factor) in enumerate(zip(places, factors, strict=True)):
            old = values[place]
            off = factor @ pull[place]
            block = quantise_block(old - factor.T @ off, factor, mx, search)
            less = off.square().sum(0) - block.errors.square().sum(0)
            better = less > 0
            new = torch.where(better, block.values, old)
            pull.addmm_(h[:, place], new - old)
            values[place] = new
            scales[number] = torch.where(better, block.scales, scales[number])
            offsets[number] = torch.where(better, block.offsets.to(offsets.dtype), offsets[number])
            won += less.clamp_min(0).double()
    made = replace(solution.weight, values=values.T.contiguous(), scales=scales.T.contiguous())
    return replace(
        solution,
        weight=made,
        offsets=offsets.T.contiguous(),
        loss=solution.loss - won,
    )
