"""Operands of an operation: values of one format, on one device."""

from __future__ import annotations

import torch
from torch import Tensor

from plena_cosim.golden import FormatError, Minifloat

from .cast import value_dtype
from .platform_check import require_subnormals


def operands(fmt: Minifloat, *given: Tensor | float) -> list[Tensor]:
    """Return values of `fmt` in the dtype that holds them all, without gradient.

    Args:
        fmt: the format of all.
        given: tensors, which hold values of `fmt`, or numbers; the first is a tensor.

    Raises:
        FormatError: the first is not a floating-point tensor.
        ExactnessError: this thread flushes subnormals to zero.
    """
    first = given[0]
    if not isinstance(first, Tensor) or not first.is_floating_point():
        kind = first.dtype if isinstance(first, Tensor) else type(first).__name__
        raise FormatError(
            f"need a floating-point tensor of {fmt.name} values, got {kind}; see fakequant.cast"
        )
    require_subnormals(first.device)
    dtype = value_dtype(fmt)
    return [torch.as_tensor(x, dtype=dtype, device=first.device).detach() for x in given]


def selection(mask: Tensor | int, x: Tensor) -> Tensor | None:
    """Return the mask as booleans that broadcast to the shape of `x`; None where all take part.

    Raises:
        FormatError: it does not broadcast.
    """
    if isinstance(mask, int) and mask:
        return None
    selected = torch.as_tensor(mask, device=x.device) != 0
    try:
        selected.expand(x.shape)
    except RuntimeError:
        raise FormatError(
            f"a mask of shape {tuple(selected.shape)} does not fit values {tuple(x.shape)}"
        ) from None
    return selected
