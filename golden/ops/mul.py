"""mul: the correctly rounded product of two codes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..codec import Codes, decode, encode
from ..float_environment import in_default_environment
from ..formats import Minifloat, Overflow, Rounding, as_minifloat


@in_default_environment
def mul(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    fmt: Minifloat | str,
    *,
    rounding: Rounding | str = Rounding.RNE,
    overflow: Overflow | str = Overflow.SATURATE,
) -> Codes:
    """Return RN(a * b), rounded once from the exact product.

    Args:
        a, b: codes of `fmt`, broadcastable.
        fmt: format of operands and result.
        rounding, overflow: as in `encode`.

    Returns:
        Codes. The sign is the XOR of the signs, zeros included; 0 * Inf and any NaN give the
        canonical NaN, a finite product beyond the largest value saturates by default.

    Raises:
        FormatError: a code too wide for `fmt`, or `fmt` is not a Minifloat.

    Source: IEEE 754-2019 §5.4.1 and §6.3.

    >>> from plena_cosim import golden
    >>> [hex(c) for c in golden.ops.mul([0x3F80], [0x0001], golden.get_format("bf16"))]
    ['0x1']
    """
    fmt = as_minifloat(fmt)
    with np.errstate(invalid="ignore"):
        product = decode(a, fmt) * decode(b, fmt)  # exact: 24 + 24 significant bits at most
    return encode(product, fmt, rounding=rounding, overflow=overflow)
