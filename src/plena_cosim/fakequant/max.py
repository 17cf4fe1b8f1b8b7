"""max and min of values: they only choose, so nothing rounds."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from plena_cosim.golden import Minifloat
from plena_cosim.golden.formats import as_minifloat

from .backend import operation
from .carrier import DOUBLE, SINGLE
from .kernels import compiled
from .operands import operands
from .pieces import in_pieces


@operation
def max(a: Tensor, b: Tensor | float, fmt: Minifloat | str) -> Tensor:
    """Return the larger of two values: golden.ops.max.

    Args:
        a: values of `fmt`.
        b: values of `fmt`, or one number; broadcastable.
        fmt: format of operands and result.

    Returns:
        Values. +0 is larger than -0; NaN loses to a number.

    Raises:
        FormatError: `a` is not a floating-point tensor or `fmt` not a Minifloat.

    >>> from plena_cosim import golden
    >>> max(torch.tensor([-0.0, torch.nan]), torch.tensor([0.0, 1.0]), golden.get_format("bf16"))
    tensor([0., 1.])
    """
    fmt = as_minifloat(fmt)
    return _each(larger, operands(fmt, a, b))


@operation
def min(a: Tensor, b: Tensor | float, fmt: Minifloat | str) -> Tensor:
    """Return the smaller of two values; -0 is smaller than +0, a NaN loses to a number.

    Arguments and errors are those of `max`.

    >>> from plena_cosim import golden
    >>> min(torch.tensor([-0.0, torch.nan]), torch.tensor([0.0, 1.0]), golden.get_format("bf16"))
    tensor([-0., 1.])
    """
    fmt = as_minifloat(fmt)
    return _each(smaller, operands(fmt, a, b))


def _each(choose: Callable[[Tensor, Tensor], Tensor], values: list[Tensor]) -> Tensor:
    if compiled(*values):
        from .kernels import calls

        done = calls.larger(*values, smaller=choose is smaller)
        if done is not None:
            return done
    return in_pieces(choose, *values)


def larger(a: Tensor, b: Tensor) -> Tensor:
    """As `max`, without its checks."""
    # Equal values have equal bits, unless they are zeros: there AND keeps a minus sign of both.
    both = (_bits(a) & _bits(b)).view(a.dtype)
    return torch.where(a == b, both, torch.fmax(a, b))


def smaller(a: Tensor, b: Tensor) -> Tensor:
    """As `min`, without its checks."""
    either = (_bits(a) | _bits(b)).view(a.dtype)
    return torch.where(a == b, either, torch.fmin(a, b))


def largest(x: Tensor) -> Tensor:
    """Return the `max` of all elements along the last axis, which stays; NaN where all are NaN."""
    found = x.amax(-1, keepdim=True)
    if not bool((found.isnan() | (found == 0)).any()):
        return found
    # amax passes NaN on and takes either zero. As integers the order of the bits is that of `max`.
    carrier = SINGLE if x.dtype == SINGLE.dtype else DOUBLE
    bits = _bits(x)
    ordered = bits ^ ((bits >> (8 * x.element_size() - 1)) & carrier.magnitude_mask)
    below = torch.iinfo(carrier.int_dtype).min
    top = ordered.masked_fill_(x.isnan(), below).amax(-1, keepdim=True)
    values = torch.where(top < 0, top ^ carrier.magnitude_mask, top).view(carrier.dtype)
    return values.masked_fill(top == below, torch.nan)


def _bits(x: Tensor) -> Tensor:
    return x.view(SINGLE.int_dtype if x.dtype == SINGLE.dtype else DOUBLE.int_dtype)
