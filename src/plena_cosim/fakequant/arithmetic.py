"""add, sub, mul and neg of values of one format, each rounded once."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from plena_cosim.golden import Minifloat
from plena_cosim.golden.formats import as_minifloat

from .backend import operation
from .kernels import compiled
from .operands import operands
from .pieces import in_pieces
from .rounder import rounder


@operation
def add(a: Tensor, b: Tensor | float, fmt: Minifloat | str) -> Tensor:
    """Return RN(a + b): golden.ops.add, as values.

    Args:
        a: values of `fmt`.
        b: values of `fmt`, or one number; broadcastable.
        fmt: format of operands and result.

    Returns:
        Values in float32 where that holds all of `fmt`, else float64. As in golden: x + (-x) is +0,
        a finite sum beyond the largest value saturates, Inf - Inf is NaN. There is no gradient.

    Raises:
        FormatError: `a` is not a floating-point tensor or `fmt` not a Minifloat.
        ExactnessError: this thread flushes subnormals to zero.

    >>> import torch
    >>> from plena_cosim import golden
    >>> add(torch.tensor([256.0, 1.0]), 1.0, golden.get_format("bf16"))
    tensor([256.,   2.])
    """
    fmt = as_minifloat(fmt)
    return _each("ADD", rounder(fmt).add, fmt, a, b)


@operation
def sub(a: Tensor, b: Tensor | float, fmt: Minifloat | str) -> Tensor:
    """Return RN(a - b); arguments and errors are those of `add`.

    >>> import torch
    >>> from plena_cosim import golden
    >>> sub(torch.tensor([2.0]), 1.0, golden.get_format("bf16"))
    tensor([1.])
    """
    fmt = as_minifloat(fmt)
    return _each("SUB", rounder(fmt).sub, fmt, a, b)


@operation
def mul(a: Tensor, b: Tensor | float, fmt: Minifloat | str) -> Tensor:
    """Return RN(a * b): golden.ops.mul, as values.

    Arguments and errors are those of `add`. Signs multiply, those of zeros too; 0 * Inf is NaN; a
    finite product beyond the largest value saturates.

    >>> import torch
    >>> from plena_cosim import golden
    >>> mul(torch.tensor([1.0078125]), 1.0078125, golden.get_format("bf16"))
    tensor([1.0156])
    """
    fmt = as_minifloat(fmt)
    return _each("MUL", rounder(fmt).mul, fmt, a, b)


def _each(
    kernel: str,
    steps: Callable[[Tensor, Tensor], Tensor],
    fmt: Minifloat,
    *given: Tensor | float,
) -> Tensor:
    """Return one operation of two operands by its kernel, or by torch's steps."""
    left, right = operands(fmt, *given)
    if compiled(left, right):
        from .kernels import calls

        done = calls.binary(getattr(calls, kernel), left, right, fmt)
        if done is not None:
            return done
    return in_pieces(steps, left, right)


@operation
def neg(a: Tensor, fmt: Minifloat | str) -> Tensor:
    """Return -a: the sign bit flipped, that of a zero too where `fmt` has -0."""
    fmt = as_minifloat(fmt)
    negated = -operands(fmt, a)[0]
    return negated if fmt.has_negative_zero else negated + 0.0
