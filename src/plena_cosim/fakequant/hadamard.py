"""hadamard: the orthonormal Walsh-Hadamard transform of blocks of values."""

from __future__ import annotations

import torch
from torch import Tensor

from plena_cosim.golden import FormatError, Minifloat
from plena_cosim.golden.formats import as_minifloat

from .backend import operation
from .constant import root_of_power
from .operands import operands
from .pieces import rows_in_pieces
from .rounder import rounder


@operation
def hadamard(x: Tensor, fmt: Minifloat | str, *, block: int | None = None) -> Tensor:
    """Return the orthonormal Hadamard transform of each block: golden.ops.hadamard, as values.

    Args:
        x: values of `fmt`, shape (…, n).
        fmt: format of every step.
        block: length of one transform, a power of two that divides n. The largest by default.

    Returns:
        Values of `fmt`, shape (…, n), each butterfly and the final gain rounded once.

    Raises:
        FormatError: `block` is no power of two or does not divide n.
        ExactnessError: this thread flushes subnormals to zero.

    >>> from plena_cosim import golden
    >>> hadamard(torch.tensor([1.0, 2.0, 3.0, 4.0]), golden.get_format("bf16"))
    tensor([ 5., -1., -2.,  0.])
    """
    fmt = as_minifloat(fmt)
    (values,) = operands(fmt, x)
    length = values.shape[-1] if values.ndim else 0
    size = length & -length if block is None else block
    if size < 1 or size & (size - 1) or length == 0 or length % size:
        raise FormatError(
            f"hadamard: block must be a power of two that divides the {length} elements of a row, "
            f"got {size}"
        )
    stages = size.bit_length() - 1
    v = rounder(fmt)
    gain = values.new_full((1,), root_of_power(-stages, fmt))

    def transform(x: Tensor) -> Tensor:
        for stage in range(stages):
            low, high = x.reshape(*x.shape[:-1], -1, 2, 1 << stage).unbind(-2)
            x = torch.stack((v.add(low, high), v.sub(low, high)), -2).view(x.shape)
        return v.mul(x, gain)

    return rows_in_pieces(transform, values)
