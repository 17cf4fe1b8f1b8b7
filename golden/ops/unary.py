"""How a correctly rounded function of one code is evaluated: once per code, then by table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import inf, nan

import numpy as np
import numpy.typing as npt

from ..codec import Codes, check_codes, decode, encode
from ..exact import Values
from ..formats import Minifloat, Overflow, Rounding, as_enum


@dataclass(frozen=True, kw_only=True)
class Function:
    """A real function as values: exact (rounded to odd) where it is not a special case.

    Attributes:
        finite: value at n * 2^k for the integers (n, k), n != 0, as float64 rounded to odd.
        at_zero, at_minus_zero, at_inf, at_minus_inf: values there.
    """

    finite: Callable[[int, int], float]
    at_zero: float
    at_minus_zero: float
    at_inf: float
    at_minus_inf: float

    def __call__(self, value: float) -> float:
        """Return the function's value at one float64, itself exact."""
        if value != value:
            return nan
        if value == 0:
            return self.at_minus_zero if np.signbit(value) else self.at_zero
        if abs(value) == inf:
            return self.at_inf if value > 0 else self.at_minus_inf
        numerator, denominator = float(value).as_integer_ratio()
        twos = (numerator & -numerator).bit_length() - 1
        return self.finite(numerator >> twos, twos + 1 - denominator.bit_length())


def evaluate(
    function: Function,
    a: npt.ArrayLike,
    fmt: Minifloat,
    *,
    rounding: Rounding | str,
    overflow: Overflow | str,
) -> Codes:
    """Return RN(function(a)); formats of up to 16 bits take it from a table made at first use.

    Args:
        function: the real function, with its special cases.
        a: codes of `fmt`, any shape.
        fmt: format of operand and result.
        rounding, overflow: as in `encode`.

    Returns:
        Codes of `fmt`, in the shape of `a`. NaN becomes the largest value where `fmt` has none. As
        in `encode`, stochastic rounding takes one random number an element, in C order.

    Raises:
        FormatError: a code too wide for `fmt`, or an unknown mode.
    """
    codes = check_codes(a, fmt.width_bits, fmt.name)
    mode = as_enum(Rounding, rounding, "rounding mode")
    limit = as_enum(Overflow, overflow, "overflow mode")
    if mode is Rounding.STOCHASTIC:  # a random number an element: by table go only the values
        return _encode_or_max(_values_of(function, codes, fmt), fmt, mode, limit)
    if fmt.width_bits <= 16:
        return _table(function, fmt, mode, limit)[codes]
    unique, place = np.unique(codes, return_inverse=True)
    results = _encode_or_max(_values(function, unique, fmt), fmt, mode, limit)
    return results[place].reshape(codes.shape)


def _values_of(function: Function, codes: Codes, fmt: Minifloat) -> Values:
    """Return function(codes) rounded to odd, in the shape of `codes`, each code once."""
    unique, place = np.unique(codes, return_inverse=True)
    values: Values = _values(function, unique, fmt)[place].reshape(codes.shape)
    return values


def _encode_or_max(values: Values, fmt: Minifloat, rounding: Rounding, overflow: Overflow) -> Codes:
    """Round values into `fmt`; NaN silently becomes the largest value where there is no NaN."""
    if not fmt.has_nan:
        values = np.where(np.isnan(values), fmt.max_value, values)
    return encode(values, fmt, rounding=rounding, overflow=overflow)


@lru_cache(maxsize=128)
def _table(function: Function, fmt: Minifloat, rounding: Rounding, overflow: Overflow) -> Codes:
    codes = np.arange(1 << fmt.width_bits, dtype=np.uint32)
    return _encode_or_max(_values(function, codes, fmt), fmt, rounding, overflow)


def _values(function: Function, codes: Codes, fmt: Minifloat) -> Values:
    return np.array([function(value) for value in decode(codes, fmt)], dtype=np.float64)
