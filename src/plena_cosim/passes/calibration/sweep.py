"""The columns of one block, quantised in turn, errors fed forward within it."""

from __future__ import annotations

import torch
from torch import Tensor

from plena_cosim.fakequant.carrier import SINGLE
from plena_cosim.fakequant.element import ElementRounder
from plena_cosim.fakequant.kernels.choice import compiled
from plena_cosim.golden import Mx


def sweep(
    block: Tensor, factor: Tensor, exponents: Tensor, mx: Mx, first: Tensor
) -> tuple[Tensor, Tensor]:
    """Quantise the columns of a block in turn, once for each of k scales.

    The error of a column times each element of U is rounded to float32, and the product taken off
    its column, in the order of the columns: torch and the kernel give the same bits.

    Args:
        block: (elements, rows) float32, finite.
        factor: (elements, elements) float32, of U.
        exponents: (k, rows) int32, of scales.
        mx: the format.
        first: (rows,) float32, what is rounded of the first column.

    Returns:
        Values, and what each is off by, over U's diagonal; both (elements, k, rows) float32.
    """
    if compiled(block, factor, exponents, first):
        from .sweep_kernel import sweep_columns

        return sweep_columns(block, factor, exponents, mx, first)
    shape = (len(block), *exponents.shape)
    left = block[:, None].expand(shape).contiguous()
    values, errors = torch.empty_like(left), torch.empty_like(left)
    rounder = ElementRounder(exponents, mx, SINGLE)
    for i, column in enumerate(left):
        rounded = column if i else first.expand(exponents.shape).contiguous()
        rounder.round(rounded, values[i])
        torch.sub(column, values[i], out=errors[i]).div_(factor[i, i])
        left[i + 1 :].sub_(factor[i, i + 1 :, None, None] * errors[i])
    return values, errors
