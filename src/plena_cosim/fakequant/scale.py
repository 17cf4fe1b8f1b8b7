"""The shared scale of each block, from the bits of its largest magnitude."""

from __future__ import annotations

import torch
from torch import Tensor

from plena_cosim.golden import Mx
from plena_cosim.golden.scale_threshold import scale_threshold

from .carrier import Carrier


def scale_exponent(bits: Tensor, mx: Mx, carrier: Carrier) -> Tensor:
    """Return the exponent of the scale of each block.

    Args:
        bits: of the largest magnitudes; those of a NaN or Inf give an arbitrary exponent.
        mx: format and scale rule.
        carrier: their layout.

    Returns:
        int32, clamped to the range of the scale; the smallest for zero.
    """
    bump_from, offset = scale_threshold(mx, carrier.man_bits)
    # A subnormal amax reads as one binade below the normals: under every scale's smallest exponent
    # in float64; in float32 the caller sends such blocks to float64 unless the clamp decides.
    exp = (bits >> carrier.man_bits) - (carrier.bias + offset)
    if bump_from < 1 << carrier.man_bits:
        exp += (bits & ((1 << carrier.man_bits) - 1)) >= bump_from
    return exp.clamp_(mx.min_scale_exp, mx.max_scale_exp).to(torch.int32)
