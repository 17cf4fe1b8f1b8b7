"""rms_norm and layer_norm of rows of values."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from plena_cosim.golden import Minifloat
from plena_cosim.golden.formats import as_minifloat

from .backend import operation
from .constant import reciprocal_value
from .kernels import compiled
from .operands import operands
from .pieces import rows_in_pieces
from .reduce import check_rows
from .rounder import rounder
from .softmax import row_sum
from .unary import lookup, table_of


@operation
def rms_norm(
    x: Tensor,
    gamma: Tensor | float,
    eps: Tensor | float,
    fmt: Minifloat | str,
    red: Minifloat | str,
    *,
    lanes: int | None = None,
) -> Tensor:
    """Return x / rms(x) * gamma: golden.ops.rms_norm, as values.

    Args:
        x: values of `fmt`, shape (…, n).
        gamma: values of `fmt`, broadcastable to the shape of `x`.
        eps: values of `fmt`, broadcastable to (…).
        fmt: format V of elements and results, up to 16 bits.
        red: format R of the sum.
        lanes: VLEN; it orders the sum. One vector a row by default.

    Returns:
        Values of `fmt`, shape (…, n), each of golden's steps rounded once.

    Raises:
        FormatError: a format wider than 16 bits, no elements, or shapes that do not fit.
        ExactnessError: this thread flushes subnormals to zero.

    >>> import torch
    >>> from plena_cosim import golden
    >>> bf16, fp32 = golden.get_format("bf16"), golden.get_format("fp32")
    >>> rms_norm(torch.tensor([1.0, -7.0]), 1.0, 0.0, bf16, fp32)
    tensor([ 0.2002, -1.3984])
    """
    fmt, red = as_minifloat(fmt), as_minifloat(red)
    values, gain, small = operands(fmt, x, gamma, eps)
    check_rows(values, lanes)
    done = _compiled(values, gain, None, small, fmt, red, lanes=lanes)
    if done is not None:
        return done
    normalise = partial(_rms_norm, fmt=fmt, red=red, lanes=lanes)
    return rows_in_pieces(normalise, values, gain, small[..., None])


@operation
def layer_norm(
    x: Tensor,
    gamma: Tensor | float,
    beta: Tensor | float,
    eps: Tensor | float,
    fmt: Minifloat | str,
    red: Minifloat | str,
    *,
    lanes: int | None = None,
) -> Tensor:
    """Return the layer normalisation of each row: golden.ops.layer_norm, as values.

    Args:
        x: values of `fmt`, shape (…, n).
        gamma, beta: values of `fmt`, broadcastable to the shape of `x`.
        eps, fmt, red, lanes: as in `rms_norm`.

    Returns:
        Values of `fmt`, shape (…, n), each of golden's steps rounded once.

    Raises:
        FormatError, ExactnessError: as in `rms_norm`.

    >>> import torch
    >>> from plena_cosim import golden
    >>> bf16, fp32 = golden.get_format("bf16"), golden.get_format("fp32")
    >>> layer_norm(torch.tensor([1.0, 3.0]), 1.0, 0.0, 0.0, bf16, fp32)
    tensor([-1.,  1.])
    """
    fmt, red = as_minifloat(fmt), as_minifloat(red)
    values, gain, shift, small = operands(fmt, x, gamma, beta, eps)
    check_rows(values, lanes)
    done = _compiled(values, gain, shift, small, fmt, red, lanes=lanes)
    if done is not None:
        return done
    v = rounder(fmt)

    def normalise(x: Tensor, gain: Tensor, shift: Tensor, small: Tensor) -> Tensor:
        centred = v.sub(x, _mean(x, fmt=fmt, red=red, lanes=lanes))
        return v.add(_rms_norm(centred, gain, small, fmt=fmt, red=red, lanes=lanes), shift)

    return rows_in_pieces(normalise, values, gain, shift, small[..., None])


def _compiled(
    x: Tensor,
    gain: Tensor,
    shift: Tensor | None,
    eps: Tensor,
    fmt: Minifloat,
    red: Minifloat,
    *,
    lanes: int | None,
) -> Tensor | None:
    """Return what a kernel computes; None where there is none."""
    if not compiled(x, gain, eps, *(() if shift is None else (shift,))):
        return None
    from .kernels import calls

    share = reciprocal_value(x.shape[-1], fmt)
    tables = table_of("sqrt", fmt, x.device), table_of("reciprocal", fmt, x.device)
    return calls.norm(x, gain, shift, eps, share, tables, fmt, red, lanes=lanes)


def _rms_norm(
    x: Tensor, gamma: Tensor, eps: Tensor, *, fmt: Minifloat, red: Minifloat, lanes: int | None
) -> Tensor:
    v = rounder(fmt)
    mean_square = _mean(v.mul(x, x), fmt=fmt, red=red, lanes=lanes)
    root = lookup("sqrt", v.add(mean_square, eps), fmt)
    return v.mul(v.mul(x, lookup("reciprocal", root, fmt)), gamma)


def _mean(x: Tensor, *, fmt: Minifloat, red: Minifloat, lanes: int | None) -> Tensor:
    """Return the sum of each row times RN(1 / n), (…, 1)."""
    total = row_sum(x, None, fmt, red, lanes=lanes)
    share = total.new_full((1,), reciprocal_value(x.shape[-1], fmt))
    return rounder(fmt).mul(total, share)
