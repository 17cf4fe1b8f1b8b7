"""Functions of one value, by a table of all values of the format that golden makes."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from plena_cosim import golden
from plena_cosim.golden import FormatError, Minifloat
from plena_cosim.golden.formats import as_minifloat

from .backend import operation
from .carrier import DOUBLE, SINGLE
from .cast import native_dtype, value_dtype
from .kernels import compiled
from .operands import operands
from .pieces import in_pieces

_WIDEST = 16


def lookup(name: str, x: Tensor, fmt: Minifloat) -> Tensor:
    """Return golden.ops.<name>(x, fmt) as values, in the shape of `x`, which is not checked.

    Args:
        name: of a function of one code.
        x: values of `fmt`, in the dtype of its values.
        fmt: format of operand and result, up to 16 bits.

    Raises:
        FormatError: `fmt` is wider than 16 bits.
    """
    table = table_of(name, fmt, x.device)
    if compiled(x):
        from .kernels import calls

        done = calls.lookup(x, table, fmt)
        if done is not None:
            return done
    return torch.index_select(table, 0, codes_of(x, fmt).reshape(-1)).view(x.shape)


def _evaluate(name: str, x: Tensor, fmt: Minifloat) -> Tensor:
    """As `lookup`, with checks and piece by piece."""
    (values,) = operands(fmt, x)
    if compiled(values):
        return lookup(name, values, fmt)
    return in_pieces(lambda piece: lookup(name, piece, fmt), values)


@lru_cache(maxsize=128)
def table_of(name: str, fmt: Minifloat, device: torch.device) -> Tensor:
    """Return the results of a function of one code for every code, as values.

    Args:
        name: of the function in golden.ops.
        fmt: format of operand and result, up to 16 bits.
        device: where the table lies.

    Raises:
        FormatError: `fmt` is wider than 16 bits.
    """
    if fmt.width_bits > _WIDEST:
        raise FormatError(
            f"{name} comes from a table of every value, so that a format may have up to {_WIDEST} "
            f"bits; {fmt.name} has {fmt.width_bits}"
        )
    results = getattr(golden.ops, name)(np.arange(1 << fmt.width_bits), fmt)
    values = torch.from_numpy(golden.decode(results, fmt))
    return values.to(device=device, dtype=value_dtype(fmt))


def codes_of(x: Tensor, fmt: Minifloat) -> Tensor:
    """Return the code of each value as int32, some NaN's code for a NaN.

    Args:
        x: values of `fmt`, in the dtype of its values.
        fmt: a format of up to 16 bits.
    """
    native = native_dtype(fmt)
    if native is not None and x.dtype == SINGLE.dtype:
        return x.to(native).view(torch.int16).to(torch.int32).bitwise_and_(0xFFFF)
    # Exponent fields count from the smallest normal number. Once that is the carrier's, the bits
    # of a value are its code, followed by zeros. (8 exponent bits, all finite, need float64.)
    carrier = SINGLE if x.dtype == SINGLE.dtype and fmt.exp_bits < 8 else DOUBLE
    x = x.to(carrier.dtype)
    for factor in _powers_of_two(carrier.min_exp - fmt.emin):
        x = x * factor
    bits = x.view(carrier.int_dtype)
    last = fmt.inf_code if fmt.has_inf else fmt.nan_code if fmt.has_nan else fmt.max_code
    codes = ((bits & carrier.magnitude_mask) >> (carrier.man_bits - fmt.man_bits)).clamp_(max=last)
    if fmt.has_inf:  # else a NaN already has the last code
        codes.masked_fill_(x.isnan(), fmt.nan_code)
    negative = bits < 0 if fmt.has_negative_zero else (bits < 0) & (codes != 0)
    codes |= negative.to(carrier.int_dtype) << (fmt.width_bits - 1)
    return codes.to(torch.int32)


def _powers_of_two(exp: int) -> list[float]:
    """Return two powers of two whose product is 2^exp, which may lie outside of the carrier."""
    half = exp // 2
    return [math.ldexp(1.0, half), math.ldexp(1.0, exp - half)]


@operation
def exp(a: Tensor, fmt: Minifloat | str) -> Tensor:
    """Return RN(e^a), correctly rounded: golden.ops.exp, as values.

    Args:
        a: values of `fmt`.
        fmt: format of operand and result, up to 16 bits.

    Returns:
        Values in float32 where that holds all of `fmt`, else float64; what zeros, Inf and NaN give
        is golden's. The table is made at the first use (half a second for 16 bits).

    Raises:
        FormatError: a format wider than 16 bits, or `a` is not a floating-point tensor.

    >>> exp(torch.tensor([0.0, 1.0, -2.0]), golden.get_format("bf16"))
    tensor([1.0000, 2.7188, 0.1357])
    """
    fmt = as_minifloat(fmt)
    return _evaluate("exp", a, fmt)


@operation
def exp2(a: Tensor, fmt: Minifloat | str) -> Tensor:
    """Return RN(2^a); arguments and errors are those of `exp`."""
    fmt = as_minifloat(fmt)
    return _evaluate("exp2", a, fmt)


@operation
def reciprocal(a: Tensor, fmt: Minifloat | str) -> Tensor:
    """Return RN(1 / a); arguments and errors are those of `exp`."""
    fmt = as_minifloat(fmt)
    return _evaluate("reciprocal", a, fmt)


@operation
def sqrt(a: Tensor, fmt: Minifloat | str) -> Tensor:
    """Return RN(sqrt(a)); arguments and errors are those of `exp`."""
    fmt = as_minifloat(fmt)
    return _evaluate("sqrt", a, fmt)


@operation
def rsqrt(a: Tensor, fmt: Minifloat | str) -> Tensor:
    """Return RN(1 / sqrt(a)); arguments and errors are those of `exp`."""
    fmt = as_minifloat(fmt)
    return _evaluate("rsqrt", a, fmt)


@operation
def sigmoid(a: Tensor, fmt: Minifloat | str) -> Tensor:
    """Return RN(1 / (1 + e^-a)); arguments and errors are those of `exp`."""
    fmt = as_minifloat(fmt)
    return _evaluate("sigmoid", a, fmt)


@operation
def silu(x: Tensor, fmt: Minifloat | str) -> Tensor:
    """Return golden.ops.silu as values, one table for its whole sequence; errors as `exp`.

    >>> silu(torch.tensor([1.0, -1.0]), golden.get_format("bf16"))
    tensor([ 0.7305, -0.2695])
    """
    fmt = as_minifloat(fmt)
    return _evaluate("silu", x, fmt)


@operation
def gelu_sigmoid(x: Tensor, fmt: Minifloat | str) -> Tensor:
    """Return golden.ops.gelu_sigmoid as values, one table for its whole sequence."""
    fmt = as_minifloat(fmt)
    return _evaluate("gelu_sigmoid", x, fmt)


@operation
def gelu_tanh(x: Tensor, fmt: Minifloat | str) -> Tensor:
    """Return golden.ops.gelu_tanh as values, one table for its whole sequence."""
    fmt = as_minifloat(fmt)
    return _evaluate("gelu_tanh", x, fmt)
