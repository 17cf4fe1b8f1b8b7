"""Integers with a shared exponent: those with micro-exponents, and those that make room."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from plena_cosim.golden.blocks import Bfp, MicroMx
from plena_cosim.golden.blocks.formats import PAIR

from .carrier import DOUBLE
from .element import ElementRounder
from .scale import scale_exponent


def micro_rounder(fmt: MicroMx, x: Tensor) -> Callable[[Tensor], Tensor]:
    """Return what rounds blocks as golden's `quantize_micro`.

    Args:
        fmt: the format.
        x: the whole tensor, which is not looked at.

    Returns:
        A function from blocks (…, block_size) to values, float64.
    """

    def round_blocks(blocks: Tensor) -> Tensor:
        values, special = finite_double(blocks)
        shared = block_exponent(values, fmt)
        pairs = torch.maximum(values[..., ::PAIR].abs(), values[..., 1::PAIR].abs())
        micro = (pairs < DOUBLE.power_of_two(shared)).to(shared.dtype)
        rounded = torch.empty_like(values)
        exp = (shared - micro).repeat_interleave(PAIR, -1)
        ElementRounder(exp, fmt.mx, DOUBLE).round(values, rounded)
        return rounded.masked_fill_(special.any(-1, keepdim=True), math.nan)

    return round_blocks


def bfp_rounder(fmt: Bfp, x: Tensor) -> Callable[[Tensor], Tensor]:
    """Return what rounds blocks as golden's `quantize_bfp`; arguments, results as `micro_rounder`.

    Args:
        fmt: the format.
        x: the whole tensor, which is not looked at.
    """
    element = fmt.mx.element

    def round_blocks(blocks: Tensor) -> Tensor:
        values, special = finite_double(blocks)
        exp = block_exponent(values, fmt)
        codes = (values / DOUBLE.power_of_two(exp + element.lsb_exp)).round_()
        beyond = (codes > element.max_code) | (codes < -element.max_code - 1)
        exp += beyond.any(-1, keepdim=True).to(exp.dtype)
        rounder = ElementRounder(exp.clamp_(max=fmt.mx.max_scale_exp), fmt.mx, DOUBLE)
        rounded = torch.empty_like(values)
        rounder.round(values, rounded)
        extreme = torch.where(blocks == -math.inf, -rounder.highest, rounder.highest)
        zero = (values == 0).all(-1, keepdim=True)
        return torch.where(special & ~zero, extreme, rounded)

    return round_blocks


def finite_double(blocks: Tensor) -> tuple[Tensor, Tensor]:
    """Return blocks as float64 with zeros for NaN and Inf, and where those were."""
    special = ~blocks.isfinite()
    return blocks.double().masked_fill_(special, 0.0), special


def block_exponent(values: Tensor, fmt: Bfp | MicroMx) -> Tensor:
    """Return floor(log2 amax) of float64 blocks, clamped to the exponent's range, as int32."""
    amax = values.abs().amax(-1, keepdim=True)
    return scale_exponent(amax.view(DOUBLE.int_dtype), fmt.mx, DOUBLE)
