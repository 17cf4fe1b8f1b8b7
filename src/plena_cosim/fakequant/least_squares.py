"""MXFP4 with the better of two scales, the sums of squared errors compared exactly."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from plena_cosim.golden.blocks import LeastSquaresMx

from .carrier import DOUBLE, SINGLE
from .element import ElementRounder
from .integer_blocks import finite_double
from .scale import scale_exponent


def least_squares_rounder(fmt: LeastSquaresMx, x: Tensor) -> Callable[[Tensor], Tensor]:
    """Return what rounds blocks as golden's `quantize_least_squares`.

    Args:
        fmt: the format.
        x: the whole tensor, which is not looked at.

    Returns:
        A function from blocks (…, block_size) of float32 or narrower to values, float64.
    """
    mx = fmt.mx

    def at(exp: Tensor, values: Tensor) -> Tensor:
        rounded = torch.empty_like(values)
        ElementRounder(exp, mx, DOUBLE).round(values, rounded)
        return rounded

    def round_blocks(blocks: Tensor) -> Tensor:
        values, special = finite_double(blocks)
        amax = values.abs().amax(-1, keepdim=True)
        exp = scale_exponent(amax.view(DOUBLE.int_dtype), mx, DOUBLE)
        lower = (exp - 1).clamp_(min=mx.min_scale_exp)
        coarse, fine = at(exp, values), at(lower, values)
        # What both round to zero errs alike. All else is at least 2^(exp - 3) with 24 bits: errors
        # are multiples of this unit, at most 2^26 of them, and 1024 squares fit int64.
        unit = DOUBLE.power_of_two(exp - (3 + SINGLE.man_bits))
        counts = (coarse != 0) | (fine != 0)
        errors = [((values - each) / unit).mul_(counts).long() for each in (coarse, fine)]
        excess = (errors[1].square() - errors[0].square()).sum(-1, keepdim=True)
        rounded = torch.where((excess < 0) & (lower < exp), fine, coarse)
        rounded.masked_fill_(amax == 0, 0.0)  # also where the input was -0
        return rounded.masked_fill_(special.any(-1, keepdim=True), math.nan)

    return round_blocks
