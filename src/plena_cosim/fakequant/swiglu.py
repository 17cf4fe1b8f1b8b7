"""swiglu: the SiLU of a gate times its partner."""

from __future__ import annotations

from torch import Tensor

from plena_cosim.golden import Minifloat
from plena_cosim.golden.formats import as_minifloat

from .backend import operation
from .kernels import compiled
from .operands import operands
from .pieces import in_pieces
from .rounder import rounder
from .unary import lookup, table_of


@operation
def swiglu(gate: Tensor, up: Tensor, fmt: Minifloat | str) -> Tensor:
    """Return mul(silu(gate), up): golden.ops.swiglu, as values.

    Args:
        gate, up: values of `fmt`, broadcastable.
        fmt: format of elements and results, up to 16 bits.

    Returns:
        Values of `fmt`.

    Raises:
        FormatError: a format wider than 16 bits, or `gate` is not a floating-point tensor.
        ExactnessError: this thread flushes subnormals to zero.

    >>> import torch
    >>> from plena_cosim import golden
    >>> swiglu(torch.tensor([1.0]), torch.tensor([2.0]), golden.get_format("bf16"))
    tensor([1.4609])
    """
    fmt = as_minifloat(fmt)
    values = operands(fmt, gate, up)
    if compiled(*values):
        from .kernels import calls

        done = calls.lookup_times(
            values[0], table_of("silu", fmt, values[0].device), values[1], fmt
        )
        if done is not None:
            return done
    v = rounder(fmt)
    return in_pieces(lambda g, u: v.mul(lookup("silu", g, fmt), u), *values)
