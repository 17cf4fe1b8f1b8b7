"""reduce_sum and reduce_max: rows of values to one number each, by a balanced tree."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from plena_cosim.golden import FormatError, Minifloat
from plena_cosim.golden.formats import as_minifloat

from .backend import operation
from .carrier import is_finite
from .kernels import compiled
from .max import larger, largest
from .operands import operands, selection
from .pieces import rows_in_pieces
from .rounder import rounder

Reduction = Callable[[Tensor, Tensor | int, Tensor | float, Minifloat, Minifloat], Tensor]
"""reduce_sum, reduce_max: (x, mask, seed, src, dst) -> values of dst."""


@operation
def reduce_sum(
    x: Tensor, mask: Tensor | int, seed: Tensor | float, src: Minifloat | str, dst: Minifloat | str
) -> Tensor:
    """Return seed + the sum of the lanes that `mask` selects: golden.ops.reduce_sum, as values.

    Args:
        x: values of `src`, shape (…, lanes), lanes >= 1.
        mask: nonzero where a lane takes part; broadcastable to the shape of `x`.
        seed: values of `dst`, shape (…), or one number.
        src: format of the lanes, V.
        dst: format of every sum, R.

    Returns:
        Values of `dst`, shape (…): each addition of the tree rounded once, in golden's order. The
        sums saturate; all lanes masked: the seed.

    Raises:
        FormatError: no lanes, or shapes that do not fit.
        ExactnessError: this thread flushes subnormals to zero.

    >>> from plena_cosim import golden
    >>> bf16, fp32 = golden.get_format("bf16"), golden.get_format("fp32")
    >>> reduce_sum(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1, 1, 0]), 0.5, bf16, fp32)
    tensor(3.5000)
    """
    src, dst = as_minifloat(src), as_minifloat(dst)
    return reduce_rows(reduce_sum, x, seed, src, dst, mask=mask)


@operation
def reduce_max(
    x: Tensor, mask: Tensor | int, seed: Tensor | float, src: Minifloat | str, dst: Minifloat | str
) -> Tensor:
    """Return the largest of the seed and the lanes that `mask` selects, in `dst`.

    Arguments and errors are those of `reduce_sum`. NaN loses to every number; +0 is larger than -0.

    >>> from plena_cosim import golden
    >>> bf16, fp32 = golden.get_format("bf16"), golden.get_format("fp32")
    >>> reduce_max(torch.tensor([1.0, torch.nan, 3.0]), torch.tensor([1, 1, 0]), 0.5, bf16, fp32)
    tensor(1.)
    """
    src, dst = as_minifloat(src), as_minifloat(dst)
    return reduce_rows(reduce_max, x, seed, src, dst, mask=mask)


@operation
def reduce_rows(
    reduction: Reduction,
    x: Tensor,
    seed: Tensor | float,
    src: Minifloat | str,
    dst: Minifloat | str,
    *,
    mask: Tensor | int = 1,
    lanes: int | None = None,
) -> Tensor:
    """Return the reduction of rows of any length on hardware with `lanes` lanes.

    Args:
        reduction: reduce_sum or reduce_max.
        x: values of `src`, shape (…, n), n >= 1.
        seed, src, dst: as in `reduce_sum`.
        mask: nonzero where an element takes part; broadcastable to the shape of `x`.
        lanes: VLEN, >= 1; the length of a row by default. The vectors of a row are taken in
            ascending order, the result of one being the seed of the next.

    Returns:
        Values of `dst`, shape (…).

    Raises:
        FormatError: as in `reduce_sum`, lanes < 1, or another reduction.

    >>> from plena_cosim import golden
    >>> bf16, fp32 = golden.get_format("bf16"), golden.get_format("fp32")
    >>> reduce_rows(reduce_sum, torch.tensor([1.0, 2.0, 3.0]), 0.0, bf16, fp32, lanes=2)
    tensor(6.)
    """
    src, dst = as_minifloat(src), as_minifloat(dst)
    if reduction not in (reduce_sum, reduce_max):
        raise FormatError(f"reduce_rows: need reduce_sum or reduce_max, got {reduction!r}")
    (values,) = operands(src, x)
    check_rows(values, lanes)
    start = torch.as_tensor(seed, dtype=rounder(dst).dtype, device=x.device).detach()
    if start.ndim and start.shape != values.shape[:-1]:
        raise FormatError(
            f"need one seed a vector, {tuple(values.shape[:-1])}, got shape {tuple(start.shape)}"
        )
    selected = selection(mask, values)
    if compiled(values, start, *(() if selected is None else (selected,))):
        from .kernels import calls

        done = calls.reduce_rows(
            values, start, selected, src, dst, lanes=lanes, largest=reduction is reduce_max
        )
        if done is not None:
            return done
    given = [start[..., None]] if selected is None else [start[..., None], selected]
    rows = sum_rows if reduction is reduce_sum else max_rows
    reduce = partial(rows, src=src, dst=dst, lanes=lanes)
    return rows_in_pieces(reduce, values, *given).squeeze(-1)


def sum_rows(
    x: Tensor,
    seed: Tensor,
    selected: Tensor | None = None,
    *,
    src: Minifloat,
    dst: Minifloat,
    lanes: int | None,
) -> Tensor:
    """As `reduce_rows` of `reduce_sum`, unchecked, and not piece by piece.

    Args:
        x: values of `src`, shape (…, n), n >= 1.
        seed: values of `dst` in its dtype, broadcastable to (…, 1).
        selected: bool, broadcastable to the shape of `x`: what takes part; None: everything.
        src: format of the lanes, V.
        dst: format of every sum, R.
        lanes: VLEN, >= 1; the length of a row where None.

    Returns:
        Values of `dst`, shape (…, 1).
    """
    into = rounder(dst)
    level = into.take(x, src)
    if selected is not None:
        level = level.masked_fill(~selected, -0.0)
    # A vector's missing lanes change no sum, so a short row needs none.
    size = x.shape[-1] if lanes is None else min(lanes, x.shape[-1])
    if missing := -x.shape[-1] % size:
        level = torch.nn.functional.pad(level, (0, missing), value=-0.0)
    vectors = level.reshape(*level.shape[:-1], -1, size)
    if into.native is torch.float32:
        total = _fold(torch.add, vectors, seed)
        if is_finite(total):  # nothing overflowed: an Inf would have stayed, or become NaN
            return total
    return _fold(into.add, vectors, seed)


def _fold(add: Callable[[Tensor, Tensor], Tensor], vectors: Tensor, seed: Tensor) -> Tensor:
    """Return seed + tree of vector 0 + tree of vector 1 …, for vectors (…, count, lanes)."""
    while vectors.shape[-1] > 1:
        paired = vectors.shape[-1] // 2 * 2
        joined = add(vectors[..., 0:paired:2], vectors[..., 1:paired:2])
        alone = vectors[..., paired:]
        vectors = torch.cat([joined, alone], -1) if alone.shape[-1] else joined
    total = seed
    for tree in vectors.unbind(-2):
        total = add(total, tree)
    return total


def max_rows(
    x: Tensor,
    seed: Tensor,
    selected: Tensor | None = None,
    *,
    src: Minifloat,
    dst: Minifloat,
    lanes: int | None,
) -> Tensor:
    """As `reduce_rows` of `reduce_max`, unchecked, and not piece by piece.

    Arguments and results are those of `sum_rows`. A maximum only chooses: neither the order nor
    `lanes` matter.
    """
    level = rounder(dst).take(x, src)
    if selected is not None:
        # -Inf loses to every seed but NaN, and spares `largest` its slow way.
        level = level.masked_fill(~selected, math.nan if bool(seed.isnan().any()) else -math.inf)
    return larger(seed, largest(level))


def check_rows(x: Tensor, lanes: int | None) -> None:
    """FormatError where a row has no elements or lanes < 1."""
    if x.ndim == 0 or x.shape[-1] == 0:
        raise FormatError(f"need rows of at least one element, got shape {tuple(x.shape)}")
    if lanes is not None and lanes < 1:
        raise FormatError(f"lanes must be at least 1, got {lanes}")
