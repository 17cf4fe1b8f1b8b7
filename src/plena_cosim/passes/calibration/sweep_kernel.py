"""The sweep over a block's columns, compiled: rows are walked in tiles that stay in the cache.

It computes in the calling thread, whose rounding and treatment of subnormals torch has, too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from plena_cosim.fakequant.carrier import SINGLE
from plena_cosim.fakequant.element import limits
from plena_cosim.fakequant.kernels.compile import kernel
from plena_cosim.golden import FixedPoint, Mx

Floats = np.ndarray[Any, Any]

_TILE = 256  # rows: 32 columns of them take 32 KiB
_EXPONENT = np.int32(SINGLE.exp_mask)
_MAN_BITS = np.int32(SINGLE.man_bits)


def sweep_columns(
    block: Tensor, factor: Tensor, exponents: Tensor, mx: Mx, first: Tensor
) -> tuple[Tensor, Tensor]:
    """As `sweep`, of tensors in this memory; arguments and results are those.

    Args:
        block: (elements, rows) float32, finite.
        factor: (elements, elements) float32.
        exponents: (k, rows) int32.
        mx: the format.
        first: (rows,) float32.

    Returns:
        Values and errors, (elements, k, rows) float32.
    """
    shape = (len(block), *exponents.shape)
    values, errors = block.new_empty(shape), block.new_empty(shape)
    lowest, highest = limits(exponents, mx, SINGLE)
    element = mx.element
    if isinstance(element, FixedPoint):
        shift = 1.5 * SINGLE.power_of_two(exponents + (element.lsb_exp + SINGLE.man_bits))
        rest: tuple[Any, ...] = (shift, values, errors)
        sweep: Any = _fixed
    else:
        smallest = SINGLE.power_of_two(exponents + element.emin).view(SINGLE.int_dtype)
        # What Carrier.rounding_constants adds to the bits of a binade.
        up = SINGLE.man_bits - element.man_bits << SINGLE.man_bits
        above = np.int32(up + (1 << SINGLE.man_bits - 1))
        flags = above, element.man_bits == 0, element.has_negative_zero
        rest = (smallest, *flags, values, errors)
        sweep = _minifloat
    given = (block, factor, first, lowest, highest, *rest)
    sweep(*(x.detach().contiguous().numpy() if isinstance(x, Tensor) else x for x in given))
    return values, errors


@kernel
def _fixed(
    block: Floats,
    factor: Floats,
    first: Floats,
    lowest: Floats,
    highest: Floats,
    shift: Floats,
    values: Floats,
    errors: Floats,
) -> None:
    """Sweep with elements of one unit, rounded as `ElementRounder` does."""
    columns, scales, rows = values.shape
    left = np.empty((columns, _TILE), np.float32)
    off = np.empty(_TILE, np.float32)
    for begin in range(0, rows, _TILE):
        width = min(_TILE, rows - begin)
        for k in range(scales):
            low, high = lowest[k, begin:], highest[k, begin:]
            unit = shift[k, begin:]
            for j in range(columns):
                left[j, :width] = block[j, begin : begin + width]
            for i in range(columns):
                rounded = first[begin:] if i == 0 else left[i]
                column, found, kept = left[i], values[i, k, begin:], errors[i, k, begin:]
                diagonal = factor[i, i]
                for r in range(width):
                    x = min(max(rounded[r], low[r]), high[r])
                    value = (x + unit[r]) - unit[r]
                    found[r] = value
                    off[r] = (column[r] - value) / diagonal
                    kept[r] = off[r]
                for j in range(i + 1, columns):
                    weight, later = factor[i, j], left[j]
                    for r in range(width):
                        later[r] -= weight * off[r]


@kernel
def _minifloat(
    block: Floats,
    factor: Floats,
    first: Floats,
    lowest: Floats,
    highest: Floats,
    smallest: Floats,
    above: np.int32,
    powers_only: bool,
    keeps_sign: bool,
    values: Floats,
    errors: Floats,
) -> None:
    """Sweep with minifloat elements, rounded as `ElementRounder` does."""
    columns, scales, rows = values.shape
    left = np.empty((columns, _TILE), np.float32)
    off = np.empty(_TILE, np.float32)
    clamped = np.empty(_TILE, np.float32)
    bits = clamped.view(np.int32)
    adders = np.empty(_TILE, np.int32)
    adder = adders.view(np.float32)
    for begin in range(0, rows, _TILE):
        width = min(_TILE, rows - begin)
        for k in range(scales):
            low, high = lowest[k, begin:], highest[k, begin:]
            least = smallest[k, begin:]
            for j in range(columns):
                left[j, :width] = block[j, begin : begin + width]
            for i in range(columns):
                rounded = first[begin:] if i == 0 else left[i]
                column, found, kept = left[i], values[i, k, begin:], errors[i, k, begin:]
                diagonal = factor[i, i]
                for r in range(width):
                    clamped[r] = min(max(rounded[r], low[r]), high[r])
                for r in range(width):
                    binade = max(np.int32(bits[r] & _EXPONENT), least[r])
                    if powers_only:
                        binade += np.int32(np.int32((binade - least[r]) >> _MAN_BITS) & np.int32(1))
                    adders[r] = np.int32(binade + above)
                for r in range(width):
                    value = (clamped[r] + adder[r]) - adder[r]
                    if keeps_sign:
                        value = np.copysign(value, rounded[r])
                    found[r] = value
                    off[r] = (column[r] - value) / diagonal
                    kept[r] = off[r]
                for j in range(i + 1, columns):
                    weight, later = factor[i, j], left[j]
                    for r in range(width):
                        later[r] -= weight * off[r]
