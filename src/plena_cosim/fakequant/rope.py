"""rope: rotary position embedding of values by given cosines and sines."""

from __future__ import annotations

import torch
from torch import Tensor

from plena_cosim.golden import Minifloat
from plena_cosim.golden.formats import as_minifloat
from plena_cosim.golden.ops.rope import checked_stride

from .backend import operation
from .kernels import compiled
from .operands import operands
from .pieces import rows_in_pieces
from .rounder import rounder


@operation
def rope(
    x: Tensor, cos: Tensor, sin: Tensor, fmt: Minifloat | str, *, stride: int | None = None
) -> Tensor:
    """Return add(mul(x, cos), mul(rotate(x), sin)): golden.ops.rope, as values.

    Args:
        x: values of `fmt`, shape (…, n).
        cos, sin: values of `fmt`, broadcastable to the shape of `x`; see golden.ops.rope_tables.
        fmt: format of elements, tables and results.
        stride: distance between the two elements of a pair; n / 2 by default.

    Returns:
        Values of `fmt`, shape (…, n), each step rounded once.

    Raises:
        FormatError: n is no multiple of 2 * stride.
        ExactnessError: this thread flushes subnormals to zero.

    >>> from plena_cosim import golden
    >>> x, cos, sin = torch.tensor([1.0, 2.0]), torch.zeros(2), torch.ones(2)   # 90 degrees
    >>> rope(x, cos, sin, golden.get_format("bf16"))
    tensor([-2.,  1.])
    """
    fmt = as_minifloat(fmt)
    values, cosines, sines = operands(fmt, x, cos, sin)
    step = checked_stride(stride, values.shape[-1] if values.ndim else 0)
    if compiled(values, cosines, sines):
        from .kernels import calls

        done = calls.rope(values, cosines, sines, fmt, step)
        if done is not None:
            return done
    v = rounder(fmt)

    def turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        first, second = x.reshape(*x.shape[:-1], -1, 2, step).unbind(-2)
        turned = torch.stack((-second, first), -2).view(x.shape)
        return v.add(v.mul(x, cos), v.mul(turned, sin))

    return rows_in_pieces(turn, values, cosines, sines)
