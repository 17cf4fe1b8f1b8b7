"""add and sub: the correctly rounded sum of two codes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..codec import Codes, decode, encode
from ..exact import Values, sum_to_odd
from ..float_environment import in_default_environment
from ..formats import Minifloat, Overflow, Rounding, as_enum, as_minifloat


@in_default_environment
def add(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    fmt: Minifloat | str,
    *,
    rounding: Rounding | str = Rounding.RNE,
    overflow: Overflow | str = Overflow.SATURATE,
) -> Codes:
    """Return RN(a + b), rounded once from the exact sum.

    Args:
        a, b: codes of `fmt`, broadcastable.
        fmt: format of operands and result.
        rounding, overflow: as in `encode`.

    Returns:
        Codes. x + (-x) is +0 (-0 under rdown), -0 + -0 is -0, Inf - Inf and any NaN give the
        canonical NaN, a finite sum beyond the largest value saturates by default.

    Raises:
        FormatError: a code too wide for `fmt`, or `fmt` is not a Minifloat.

    Source: IEEE 754-2019 §5.4.1 and §6.3.

    >>> from plena_cosim import golden
    >>> bf16 = golden.get_format("bf16")
    >>> [hex(c) for c in golden.ops.add([0x3F80, 0x3F80], [0x3F80, 0xBF80], bf16)]
    ['0x4000', '0x0']
    """
    fmt = as_minifloat(fmt)
    return _round_sum(decode(a, fmt), decode(b, fmt), fmt, rounding, overflow)


@in_default_environment
def sub(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    fmt: Minifloat | str,
    *,
    rounding: Rounding | str = Rounding.RNE,
    overflow: Overflow | str = Overflow.SATURATE,
) -> Codes:
    """Return RN(a - b); exactly `add` with the sign of `b` flipped.

    Arguments, results and errors are those of `add`.

    >>> from plena_cosim import golden
    >>> [hex(c) for c in golden.ops.sub([0x4000], [0x3F80], golden.get_format("bf16"))]
    ['0x3f80']
    """
    fmt = as_minifloat(fmt)
    return _round_sum(decode(a, fmt), -decode(b, fmt), fmt, rounding, overflow)


def _round_sum(
    a: Values, b: Values, fmt: Minifloat, rounding: Rounding | str, overflow: Overflow | str
) -> Codes:
    total = sum_to_odd(a, b)
    if as_enum(Rounding, rounding, "rounding mode") is Rounding.RDOWN:
        cancelled = (total == 0) & ~((a == 0) & (b == 0) & (np.signbit(a) == np.signbit(b)))
        total = np.where(cancelled, -0.0, total)
    return encode(total, fmt, rounding=rounding, overflow=overflow)
