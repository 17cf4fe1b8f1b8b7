"""exp and exp2: the exponential functions, correctly rounded."""

from __future__ import annotations

from math import inf

import numpy.typing as npt

from ..codec import Codes
from ..float_environment import in_default_environment
from ..formats import Minifloat, Overflow, Rounding, as_minifloat
from ..transcendental import exponential, exponential_base_2
from .unary import Function, evaluate

_EXP = Function(finite=exponential, at_zero=1.0, at_minus_zero=1.0, at_inf=inf, at_minus_inf=0.0)

_EXP2 = Function(
    finite=exponential_base_2, at_zero=1.0, at_minus_zero=1.0, at_inf=inf, at_minus_inf=0.0
)


@in_default_environment
def exp(
    a: npt.ArrayLike,
    fmt: Minifloat | str,
    *,
    rounding: Rounding | str = Rounding.RNE,
    overflow: Overflow | str = Overflow.SATURATE,
) -> Codes:
    """Return RN(e^a), correctly rounded for every code.

    Args:
        a: codes of `fmt`.
        fmt: format of operand and result.
        rounding, overflow: as in `encode`.

    Returns:
        Codes. Zero gives 1, -Inf gives +0, NaN gives the canonical NaN; overflow saturates by
        default.

    Raises:
        FormatError: a code too wide for `fmt`, or `fmt` is not a Minifloat.

    >>> from plena_cosim import golden
    >>> [hex(c) for c in golden.ops.exp([0x0000, 0x3F80, 0xC000], golden.get_format("bf16"))]
    ['0x3f80', '0x402e', '0x3e0b']
    """
    fmt = as_minifloat(fmt)
    return evaluate(_EXP, a, fmt, rounding=rounding, overflow=overflow)


@in_default_environment
def exp2(
    a: npt.ArrayLike,
    fmt: Minifloat | str,
    *,
    rounding: Rounding | str = Rounding.RNE,
    overflow: Overflow | str = Overflow.SATURATE,
) -> Codes:
    """Return RN(2^a), correctly rounded for every code.

    Args:
        a: codes of `fmt`.
        fmt: format of operand and result.
        rounding, overflow: as in `encode`.

    Returns:
        Codes. As `exp`; whole numbers give exact powers of two.

    Raises:
        FormatError: a code too wide for `fmt`, or `fmt` is not a Minifloat.

    >>> from plena_cosim import golden
    >>> [hex(c) for c in golden.ops.exp2([0x3F80, 0xC000, 0x3F00], golden.get_format("bf16"))]
    ['0x4000', '0x3e80', '0x3fb5']
    """
    fmt = as_minifloat(fmt)
    return evaluate(_EXP2, a, fmt, rounding=rounding, overflow=overflow)
