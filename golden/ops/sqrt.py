"""sqrt and rsqrt, correctly rounded."""

from __future__ import annotations

from math import inf, nan

import numpy.typing as npt

from ..codec import Codes
from ..float_environment import in_default_environment
from ..formats import Minifloat, Overflow, Rounding, as_minifloat
from ..transcendental import reciprocal_square_root, square_root
from .unary import Function, evaluate

_SQRT = Function(finite=square_root, at_zero=0.0, at_minus_zero=-0.0, at_inf=inf, at_minus_inf=nan)

_RSQRT = Function(
    finite=reciprocal_square_root, at_zero=inf, at_minus_zero=-inf, at_inf=0.0, at_minus_inf=nan
)


@in_default_environment
def sqrt(
    a: npt.ArrayLike,
    fmt: Minifloat | str,
    *,
    rounding: Rounding | str = Rounding.RNE,
    overflow: Overflow | str = Overflow.SATURATE,
) -> Codes:
    """Return RN(sqrt(a)), correctly rounded for every code.

    Args:
        a: codes of `fmt`.
        fmt: format of operand and result.
        rounding, overflow: as in `encode`.

    Returns:
        Codes. -0 gives -0, a negative number NaN. A NaN result is the largest value where the
        format has none.

    Raises:
        FormatError: a code too wide for `fmt`, or `fmt` is not a Minifloat.

    >>> from plena_cosim import golden
    >>> [hex(c) for c in golden.ops.sqrt([0x4000, 0x4080], golden.get_format("bf16"))]
    ['0x3fb5', '0x4000']
    """
    fmt = as_minifloat(fmt)
    return evaluate(_SQRT, a, fmt, rounding=rounding, overflow=overflow)


@in_default_environment
def rsqrt(
    a: npt.ArrayLike,
    fmt: Minifloat | str,
    *,
    rounding: Rounding | str = Rounding.RNE,
    overflow: Overflow | str = Overflow.SATURATE,
) -> Codes:
    """Return RN(1 / sqrt(a)), correctly rounded for every code.

    Args:
        a: codes of `fmt`.
        fmt: format of operand and result.
        rounding, overflow: as in `encode`.

    Returns:
        Codes. A zero gives Inf of its sign, a negative number NaN, +Inf gives +0. Where there is no
        Inf, a zero gives the largest value of its sign; under overflow="ieee" NaN, if there is one.
        A NaN result is the largest value where the format has none.

    Raises:
        FormatError: a code too wide for `fmt`, or `fmt` is not a Minifloat.

    >>> from plena_cosim import golden
    >>> [hex(c) for c in golden.ops.rsqrt([0x4080, 0x4000], golden.get_format("bf16"))]
    ['0x3f00', '0x3f35']
    """
    fmt = as_minifloat(fmt)
    return evaluate(_RSQRT, a, fmt, rounding=rounding, overflow=overflow)
