"""sigmoid: the logistic function, correctly rounded."""

from __future__ import annotations

import numpy.typing as npt

from ..codec import Codes
from ..float_environment import in_default_environment
from ..formats import Minifloat, Overflow, Rounding, as_minifloat
from ..transcendental import logistic
from .unary import Function, evaluate

_SIGMOID = Function(finite=logistic, at_zero=0.5, at_minus_zero=0.5, at_inf=1.0, at_minus_inf=0.0)


@in_default_environment
def sigmoid(
    a: npt.ArrayLike,
    fmt: Minifloat | str,
    *,
    rounding: Rounding | str = Rounding.RNE,
    overflow: Overflow | str = Overflow.SATURATE,
) -> Codes:
    """Return RN(1 / (1 + e^-a)), correctly rounded for every code.

    Args:
        a: codes of `fmt`.
        fmt: format of operand and result.
        rounding, overflow: as in `encode`.

    Returns:
        Codes. Zero gives 1/2, -Inf gives +0, +Inf gives 1.

    Raises:
        FormatError: a code too wide for `fmt`, or `fmt` is not a Minifloat.

    >>> from plena_cosim import golden
    >>> [hex(c) for c in golden.ops.sigmoid([0x0000, 0x3F80], golden.get_format("bf16"))]
    ['0x3f00', '0x3f3b']
    """
    fmt = as_minifloat(fmt)
    return evaluate(_SIGMOID, a, fmt, rounding=rounding, overflow=overflow)
