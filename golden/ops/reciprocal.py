"""reciprocal: 1 / a, correctly rounded."""

from __future__ import annotations

from math import inf

import numpy.typing as npt

from ..codec import Codes
from ..float_environment import in_default_environment
from ..formats import Minifloat, Overflow, Rounding, as_minifloat
from ..transcendental import reciprocal_of
from .unary import Function, evaluate

_RECIPROCAL = Function(
    finite=reciprocal_of, at_zero=inf, at_minus_zero=-inf, at_inf=0.0, at_minus_inf=-0.0
)


@in_default_environment
def reciprocal(
    a: npt.ArrayLike,
    fmt: Minifloat | str,
    *,
    rounding: Rounding | str = Rounding.RNE,
    overflow: Overflow | str = Overflow.SATURATE,
) -> Codes:
    """Return RN(1 / a), correctly rounded for every code.

    Args:
        a: codes of `fmt`.
        fmt: format of operand and result.
        rounding, overflow: as in `encode`.

    Returns:
        Codes. A zero gives Inf of its sign, Inf a zero of its sign. Where there is no Inf, a zero
        gives the largest value of its sign; under overflow="ieee" NaN, if there is one.

    Raises:
        FormatError: a code too wide for `fmt`, or `fmt` is not a Minifloat.

    >>> from plena_cosim import golden
    >>> [hex(c) for c in golden.ops.reciprocal([0x4040, 0x8000], golden.get_format("bf16"))]
    ['0x3eab', '0xff80']
    """
    fmt = as_minifloat(fmt)
    return evaluate(_RECIPROCAL, a, fmt, rounding=rounding, overflow=overflow)
