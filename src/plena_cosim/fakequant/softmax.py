"""softmax of rows of values: maximum, exponentials and their sum, normalisation."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from plena_cosim.golden import Minifloat
from plena_cosim.golden.formats import as_minifloat

from .backend import operation
from .kernels import compiled
from .operands import operands, selection
from .pieces import rows_in_pieces
from .reduce import check_rows, max_rows, sum_rows
from .rounder import rounder
from .unary import lookup, table_of


@operation
def softmax(
    x: Tensor,
    mask: Tensor | int,
    fmt: Minifloat | str,
    red: Minifloat | str,
    *,
    lanes: int | None = None,
) -> Tensor:
    """Return the softmax of each row: golden.ops.softmax, as values.

    Args:
        x: values of `fmt`, shape (…, n).
        mask: nonzero where an element takes part, broadcastable to the shape of `x`.
        fmt: format V of elements and results, up to 16 bits.
        red: format R of the two reductions.
        lanes: VLEN; it orders the sum. One vector a row by default.

    Returns:
        Values of `fmt`, shape (…, n), each step rounded once; +0 where masked. What Inf, NaN and
        rows masked throughout give is golden's.

    Raises:
        FormatError: a format wider than 16 bits, no elements, or shapes that do not fit.
        ExactnessError: this thread flushes subnormals to zero.

    >>> from plena_cosim import golden
    >>> bf16, fp32 = golden.get_format("bf16"), golden.get_format("fp32")
    >>> softmax(torch.tensor([1.0, 2.0, 3.0]), 1, bf16, fp32)
    tensor([0.0908, 0.2451, 0.6680])
    """
    fmt, red = as_minifloat(fmt), as_minifloat(red)
    (values,) = operands(fmt, x)
    check_rows(values, lanes)
    selected = selection(mask, values)
    given = [] if selected is None else [selected]
    if compiled(values, *given):
        from .kernels import calls

        tables = table_of("exp", fmt, values.device), table_of("reciprocal", fmt, values.device)
        done = calls.softmax(values, selected, tables, fmt, red, lanes=lanes)
        if done is not None:
            return done
    return rows_in_pieces(partial(_softmax, fmt=fmt, red=red, lanes=lanes), values, *given)


def _softmax(
    x: Tensor,
    selected: Tensor | None = None,
    *,
    fmt: Minifloat,
    red: Minifloat,
    lanes: int | None,
) -> Tensor:
    v = rounder(fmt)
    exponentials = lookup("exp", v.sub(x, row_max(x, selected, fmt, red)), fmt)
    total = row_sum(exponentials, selected, fmt, red, lanes=lanes)
    results = v.mul(exponentials, lookup("reciprocal", total, fmt))
    return results if selected is None else results.masked_fill_(~selected, 0.0)


def row_max(x: Tensor, selected: Tensor | None, fmt: Minifloat, red: Minifloat) -> Tensor:
    """Return the maximum of each row (…, 1), from the lowest value of `red`, cast to `fmt`.

    Args:
        x: values of `fmt`, shape (…, n), n >= 1.
        selected: bool, broadcastable to the shape of `x`: what takes part; None: everything.
        fmt: format V of elements and results.
        red: format R of the reduction.
    """
    lowest = torch.full((1,), -red.max_value, dtype=rounder(red).dtype, device=x.device)
    found = max_rows(x, lowest, selected, src=fmt, dst=red, lanes=None)
    return rounder(fmt).take(found, red)


def row_sum(
    x: Tensor, selected: Tensor | None, fmt: Minifloat, red: Minifloat, *, lanes: int | None
) -> Tensor:
    """Return the sum of each row (…, 1), from +0, cast to `fmt`.

    Args:
        x, selected, fmt, red: as in `row_max`.
        lanes: VLEN, >= 1; the length of a row where None.
    """
    zero = torch.zeros((1,), dtype=rounder(red).dtype, device=x.device)
    total = sum_rows(x, zero, selected, src=fmt, dst=red, lanes=lanes)
    return rounder(fmt).take(total, red)
