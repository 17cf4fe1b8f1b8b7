"""GPTQ of one linear layer against the plainest form of the same algorithm.

The plain form is the loop of the GPTQ paper in torch, a column at a time, with `fakequant` rounding
each column to the scale that its block has on entry. Both work on the same weight and Hessian;
factorising the Hessian is included.
"""

from __future__ import annotations

import torch
from torch import Tensor

from plena_cosim import golden
from plena_cosim.fakequant.carrier import SINGLE
from plena_cosim.fakequant.element import ElementRounder
from plena_cosim.fakequant.scale import scale_exponent
from plena_cosim.golden import Mx
from plena_cosim.ground.progress import Progress
from plena_cosim.passes.calibration.block_scale import ScaleSearch
from plena_cosim.passes.calibration.gptq import factorise, solve

from .effort import Effort
from .part import Part, Row, ratio_row
from .timing import Work, race

FORMATS = {
    "MXINT4": golden.get_format("mxint4", block_size=32),
    "MXFP4": golden.get_format("mxfp4_e2m1", block_size=32, scale_rule="even"),
}
SEARCHES = {
    "one scale": ScaleSearch(),
    "neighbours, by weight": ScaleSearch(neighbours=1),
    "neighbours, by output": ScaleSearch(neighbours=1, by_output=True),
}
AT_MOST = 0.25
DAMP = 0.01


def plain(weight: Tensor, hessian: Tensor, mx: Mx) -> Tensor:
    """Return the weight quantised as the paper writes it down.

    Args:
        weight: (rows, n) float32.
        hessian: (n, n) float32.
        mx: the format.
    """
    h = hessian.clone()
    h.diagonal().add_(DAMP * h.diagonal().mean())
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(h))
    factor = torch.linalg.cholesky(inverse, upper=True)
    left, found = weight.clone(), torch.empty_like(weight)
    rounder = None
    for column in range(weight.shape[1]):
        if column % mx.block_size == 0:
            block = left[:, column : column + mx.block_size].abs().amax(1, keepdim=True)
            exponent = scale_exponent(block.contiguous().view(SINGLE.int_dtype), mx, SINGLE)
            rounder = ElementRounder(exponent, mx, SINGLE)
        assert rounder is not None
        value = left[:, column : column + 1].contiguous()
        rounded = torch.empty_like(value)
        rounder.round(value, rounded)
        found[:, column] = rounded[:, 0]
        error = (value - rounded) / factor[column, column]
        left[:, column:] -= error @ factor[column : column + 1, column:]
    return found


def problem(shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return a random weight of a shape and the Hessian of correlated inputs."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(shape, generator=generator)
    operands = torch.randn(4096, shape[1], generator=generator)
    operands += operands.roll(1, 1) + 0.5 * operands.roll(7, 1)
    return weight, operands.T @ operands


def measure(effort: Effort, progress: Progress) -> list[Row]:
    """Return a row for each shape, format and search."""
    shapes = ((1536, 576), (576, 1536)) if effort.full else ((64, 64),)
    rows: list[Row] = []
    steps = len(shapes) * len(FORMATS)
    for shape in shapes:
        weight, hessian = problem(shape)
        for name, mx in FORMATS.items():
            progress("gptq", len(rows) // len(SEARCHES), steps)
            work: dict[str, Work] = {"plain loop": lambda w=weight, h=hessian, m=mx: plain(w, h, m)}
            for what, search in SEARCHES.items():
                work[what] = lambda w=weight, h=hessian, m=mx, s=search: solve(
                    w, factorise(h, DAMP), m, s
                )
            times = race(work, effort, at_most_seconds=30)
            for what in SEARCHES:
                label = f"{shape[0]} × {shape[1]}, {name}, {what}"
                goal = AT_MOST if what == "one scale" else None
                rows.append(ratio_row(times, what, "plain loop", label=label, at_most=goal))
    progress("gptq", steps, steps)
    return rows


PART = Part(
    name="gptq",
    about="One linear layer, the Hessian's factor included; beside it the paper's loop in torch.",
    minutes=2.5,
    measure=measure,
    quick=True,
)
