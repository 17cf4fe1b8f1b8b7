"""max and min of two codes; they only choose, so nothing rounds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..codec import Codes, check_codes, decode
from ..float_environment import in_default_environment
from ..formats import Minifloat, as_minifloat


@in_default_environment
def max(a: npt.ArrayLike, b: npt.ArrayLike, fmt: Minifloat | str) -> Codes:
    """Return the larger of two codes.

    Args:
        a, b: codes of `fmt`, broadcastable.
        fmt: format of operands and result.

    Returns:
        Codes. +0 is larger than -0. A NaN loses to a number; two NaNs give the canonical NaN.

    Raises:
        FormatError: a code too wide for `fmt`, or `fmt` is not a Minifloat.

    Source: maximumNumber of IEEE 754-2019 §9.6.

    >>> from plena_cosim import golden
    >>> bf16 = golden.get_format("bf16")
    >>> [hex(c) for c in golden.ops.max([0x8000, 0x7FC1], [0x0000, 0x3F80], bf16)]
    ['0x0', '0x3f80']
    """
    fmt = as_minifloat(fmt)
    return _choose(a, b, fmt, largest=True)


@in_default_environment
def min(a: npt.ArrayLike, b: npt.ArrayLike, fmt: Minifloat | str) -> Codes:
    """Return the smaller of two codes; -0 is smaller than +0, a NaN loses to a number.

    Arguments, results and errors are those of `max`.

    >>> from plena_cosim import golden
    >>> bf16 = golden.get_format("bf16")
    >>> [hex(c) for c in golden.ops.min([0x8000, 0x7FC1], [0x0000, 0x3F80], bf16)]
    ['0x8000', '0x3f80']
    """
    fmt = as_minifloat(fmt)
    return _choose(a, b, fmt, largest=False)


def _choose(a: npt.ArrayLike, b: npt.ArrayLike, fmt: Minifloat, *, largest: bool) -> Codes:
    code_a = check_codes(a, fmt.width_bits, fmt.name)
    code_b = check_codes(b, fmt.width_bits, fmt.name)
    a_nan, b_nan = np.isnan(decode(code_a, fmt)), np.isnan(decode(code_b, fmt))
    order_a, order_b = _order(code_a, fmt), _order(code_b, fmt)
    take_a = (order_a >= order_b) if largest else (order_a <= order_b)
    chosen = np.where((take_a & ~a_nan) | b_nan, code_a, code_b)
    if fmt.has_nan:
        chosen = np.where(a_nan & b_nan, code_a.dtype.type(fmt.nan_code), chosen)
    return chosen


def _order(codes: Codes, fmt: Minifloat) -> npt.NDArray[np.int64]:
    """Map codes to integers in the order of their values, -0 just below +0."""
    bits = codes.astype(np.int64)
    magnitude = bits & (fmt.sign_mask - 1)
    return np.where(bits & fmt.sign_mask, -magnitude - 1, magnitude)
