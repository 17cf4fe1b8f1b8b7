"""The matrix unit's sums by kernels, called with tensors."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from plena_cosim.golden import FixedPoint, Scalar

from ..rounder import rounder
from . import partials
from .bits import format_bits
from .spread import spread
from .view import as_array

_WIDEST = 50
_FEW = 4
_LEAST = 1 << 17
"""Products that are worth a thread."""
_NO_BITS = np.zeros(16, np.int32)


def sums(
    x: Tensor, w: Tensor, block: int, acc: Scalar, *, rounds: bool, in_single: bool
) -> Tensor | None:
    """Return x @ w, block after block of k, as values of `acc`; None where no kernel does it.

    Args:
        x: (m, k), exact in its dtype, float32 or float64.
        w: (k, n), the same; the dots of a block are exact, too.
        block: of k.
        acc: the accumulator format.
        rounds: partials and sums are rounded to it; else they are as float32 adds them.
        in_single: every dot that is not zero is within float32's normal range.

    Returns:
        float32, or float64 where `acc` is fixed point.
    """
    kind, bits, limits = partials.EXACT, _NO_BITS, (1.0, 0.0, 0.0)
    dtype = torch.float32
    if isinstance(acc, FixedPoint):
        if acc.wrap or acc.width_bits > _WIDEST:
            return None
        lowest = -acc.max_code - (0 if acc.symmetric else 1)
        kind, dtype = partials.FIXED, torch.float64
        limits = math.ldexp(1.0, -acc.lsb_exp), float(lowest), float(acc.max_code)
    elif rounds:
        found = format_bits(acc)
        wide = x.dtype == torch.float64
        if found is None or rounder(acc).native is torch.float32:
            return None
        if rounder(acc).carrier.dtype != torch.float32 or (wide and not in_single):
            return None
        kind, bits = partials.ROUNDED_WIDE if wide else partials.ROUNDED, found
    total = torch.zeros(x.shape[0], w.shape[1], dtype=dtype)
    left, right = as_array(x.contiguous()), as_array(w.mT.contiguous())
    rows, depth = left.shape
    columns = right.shape[0]
    given = left, right, block, as_array(total), kind, bits, limits
    if rows < _FEW and depth % block == 0:
        spread(partials.few_rows, columns, *given, least=max(1, _LEAST // (rows * depth)))
    else:
        panels = -(-columns // partials.WIDTH)
        least = max(1, _LEAST // (rows * depth * partials.WIDTH))
        spread(partials.product, panels, *given, least=least)
    return total if kind != partials.FIXED else total.mul_(math.ldexp(1.0, acc.lsb_exp))
