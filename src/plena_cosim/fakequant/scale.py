"""The shared scale of each block, from the bits of its largest magnitude."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from plena_cosim.golden import FixedPoint, Mx, ScaleRule
from plena_cosim.golden.formats import CLIP_BELOW

from .carrier import Carrier


@lru_cache(maxsize=256)
def _threshold(mx: Mx, man_bits: int) -> tuple[int, int]:
    """Return (bump_from, offset): exponent = that of amax, + 1 from this fraction on, - offset."""
    element, one = mx.element, 1 << man_bits
    rule = ScaleRule(mx.scale_rule)
    if rule is ScaleRule.MASE:
        # MXINT: LSB = 2^(ceil(log2 amax) - (W - 1)), and the scale is 2^(W - 2) LSBs.
        return (1, 1) if isinstance(element, FixedPoint) else (one, element.emax)
    if rule is ScaleRule.CEIL:
        return 1, element.emax
    if rule is ScaleRule.EVEN:
        return one - (one >> (element.man_bits + 1)), element.emax
    if rule is ScaleRule.RCEIL:
        return int(np.ldexp(element.max_value, man_bits - element.emax)) - one + 1, element.emax
    if rule is ScaleRule.CLIP:
        return int(CLIP_BELOW * one), element.emax + 1
    return one, element.emax


def scale_exponent(bits: Tensor, mx: Mx, carrier: Carrier) -> Tensor:
    """Return the exponent of the scale of each block.

    Args:
        bits: of the largest magnitudes; those of a NaN or Inf give an arbitrary exponent.
        mx: format and scale rule.
        carrier: their layout.

    Returns:
        int32, clamped to the range of the scale; the smallest for zero.
    """
    bump_from, offset = _threshold(mx, carrier.man_bits)
    # A subnormal amax reads as one binade below the normals: under every scale's smallest exponent
    # in float64; in float32 the caller sends such blocks to float64 unless the clamp decides.
    exp = (bits >> carrier.man_bits) - (carrier.bias + offset)
    if bump_from < 1 << carrier.man_bits:
        exp += (bits & ((1 << carrier.man_bits) - 1)) >= bump_from
    return exp.clamp_(mx.min_scale_exp, mx.max_scale_exp).to(torch.int32)
