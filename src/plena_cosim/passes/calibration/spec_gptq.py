"""GPTQ for formats by their axes: a scale a tensor, a row or a group of columns."""

from __future__ import annotations

import torch
from torch import Tensor

from ..recipe.spec_format import SpecFormat
from ..weights.spec_tensor import SpecTensor
from .column_scales import ColumnScales
from .gptq import Solution


def solve_spec(
    weight: Tensor,
    factor: Tensor,
    fmt: SpecFormat,
    *,
    block_size: int = 128,
    static_groups: bool = False,
    original: Tensor | None = None,
    order: list[int] | None = None,
    first: Tensor | None = None,
) -> Solution:
    """Return the weight quantised by GPTQ, column after column.

    Args:
        weight: (rows, n) of any floating-point dtype, finite, one matrix: its rows may share a
            scale. Computed with in float32.
        factor: (n, n), of `factorise`, its columns in the order in which they are quantised.
        fmt: one stage with an affine format.
        block_size: the columns after so many are updated together, once these are quantised; each
            of these by those before it. Another size changes how sums round, and nothing else.
        static_groups: groups have the scales of the weight as it was; else those of their columns
            as they are when the first of them is reached, all errors until then fed forward.
        original: (rows, n), the weight as it was, whose scales are taken; None: `weight` itself.
        order: which column comes when, with groups for static ones; None for 0, 1, 2 …
        first: (rows,) float32, rounded in the place of the column that comes first, whose error
            stays its distance from the weight; None: that column is rounded.

    Returns:
        The weight with its columns in the order of `weight`, whatever `order` is; no offsets, no
        gain.

    Raises:
        FormatError: as `fakequant.affine_scale`, or a range rule does not take the format.

    Source: Frantar et al. 2022, arXiv:2210.17323, algorithm 1.
    """
    rows, n = weight.shape
    whole = weight.detach().float()
    before = whole if original is None else original.detach().float()
    numbers = list(range(n)) if order is None else order
    # Rows and columns are swapped here: what a step touches lies side by side.
    left = whole.T[numbers].contiguous()
    factor = factor.float()
    (stage,) = fmt.stages
    scales = ColumnScales(before, stage)
    size = None if static_groups else scales.group_size
    assert size is None or order is None
    values, errors = torch.empty_like(left), torch.empty_like(left)
    for start in range(0, n, block_size):
        end = min(start + block_size, n)
        for at in range(start, end):
            if size is not None and at % size == 0:
                group = slice(at, min(at + size, n))
                now = _now(left, factor, errors, start, at, group)
                if first is not None and at == 0:
                    now[0] = first
                scales.enter(at // size, now.T.contiguous())
            column = _now(left, factor, errors, start, at, slice(at, at + 1))[0]
            rounded = column if first is None or at else first
            values[at] = scales.quantize(rounded, numbers[at])
            torch.sub(column, values[at], out=errors[at]).div_(factor[at, at])
        left[end:].addmm_(factor[start:end, end:].T, errors[start:end], alpha=-1)
    found = torch.empty_like(values)
    found[numbers] = values
    return Solution(
        weight=SpecTensor(values=found.T.contiguous(), fmt=fmt, axis=1),
        offsets=torch.empty(rows, 0, dtype=torch.int8, device=weight.device),
        loss=errors.double().square().sum(0),
        gain=torch.zeros(rows, dtype=torch.float64, device=weight.device),
    )


def _now(left: Tensor, factor: Tensor, errors: Tensor, start: int, at: int, place: slice) -> Tensor:
    """Return columns with the errors of this block's columns before `at` fed forward."""
    return left[place] - factor[start:at, place].T @ errors[start:at]
