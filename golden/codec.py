"""encode: exact real -> code, and decode: code -> exact real, for every scalar format."""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from .float_environment import in_default_environment
from .formats import (
    FixedPoint,
    FormatError,
    Minifloat,
    Overflow,
    Rounding,
    Scalar,
    as_enum,
    as_scalar,
)
from .rounding import Bool, Int64, round_to_unit

Codes = npt.NDArray[np.unsignedinteger[Any]]
Values = npt.NDArray[np.float64]


class NanReplacedWarning(UserWarning):
    """A NaN went into a format that has none and became the largest value."""


def code_dtype(width_bits: int) -> npt.DTypeLike:
    """Return the smallest unsigned NumPy dtype that holds codes of `width_bits` bits."""
    return np.uint8 if width_bits <= 8 else np.uint16 if width_bits <= 16 else np.uint32


def check_codes(codes: npt.ArrayLike, width_bits: int, what: str) -> Codes:
    """Return `codes` as an unsigned array of the smallest dtype; the same array if it is one.

    Args:
        codes: integers of any dtype, any shape.
        width_bits: bits of a code, up to 32.
        what: whose codes they are, for messages.

    Raises:
        FormatError: not integers, or one that is negative or wider than `width_bits`.
    """
    given = np.asarray(codes)
    if given.dtype.kind not in "ui":
        raise FormatError(f"{what}: codes must be integers, got dtype {given.dtype}")
    if given.size and (int(given.min()) < 0 or int(given.max()) >> width_bits):
        index = np.unravel_index(
            int(np.argmax((given < 0) | (given.astype(np.uint64) >> np.uint64(width_bits) != 0))),
            given.shape,
        )
        place = "".join(f"[{int(i)}]" for i in index)
        raise FormatError(
            f"{what}: code {int(given[index]):#x} at {place or 'top level'} does not fit; "
            f"a code has {width_bits} bits (0..{(1 << width_bits) - 1:#x})"
        )
    return given.astype(code_dtype(width_bits), copy=False)


@in_default_environment
def decode(codes: npt.ArrayLike, fmt: Scalar | str) -> Values:
    """Return the exact value of each code.

    Args:
        codes: unsigned integers of `fmt.width_bits` bits, any shape.
        fmt: Minifloat or FixedPoint (two's complement).

    Returns:
        float64 array of the same shape. -0, subnormals, Inf and NaN are themselves; every value of
        every format is exact in float64.

    Raises:
        FormatError: a code wider than the format.

    >>> from plena_cosim import golden
    >>> golden.decode([0x38, 0x7E, 0x01], golden.get_format("e4m3")).tolist()
    [1.0, 448.0, 0.001953125]
    """
    fmt = as_scalar(fmt)
    given = check_codes(codes, fmt.width_bits, fmt.name)
    if fmt.width_bits <= 16:
        return np.asarray(_table(fmt)[given])
    return _decode_bits(given, fmt)


@lru_cache(maxsize=256)
def _table(fmt: Scalar) -> Values:
    table = _decode_bits(np.arange(1 << fmt.width_bits, dtype=np.uint32), fmt)
    table.setflags(write=False)
    return table


def _decode_bits(codes: Codes, fmt: Scalar) -> Values:
    """Decode from the fields of each code; formats of up to 16 bits do it once for every code."""
    bits = codes.astype(np.int64)
    if isinstance(fmt, FixedPoint):
        signed = np.where(bits > fmt.max_code, bits - (1 << fmt.width_bits), bits)
        fixed: Values = np.ldexp(signed.astype(np.float64), fmt.lsb_exp)
        return fixed
    magnitude = bits & (fmt.sign_mask - 1)
    exp_field = magnitude >> fmt.man_bits
    fraction = magnitude & ((1 << fmt.man_bits) - 1)
    hidden = np.where(exp_field > 0, np.int64(1 << fmt.man_bits), np.int64(0))
    unit_exp = np.maximum(exp_field, 1) - 1 + fmt.lsb_exp
    values = np.ldexp((hidden + fraction).astype(np.float64), unit_exp)
    if fmt.has_nan:
        values = np.where(magnitude > fmt.max_code, np.nan, values)
    if fmt.has_inf:
        values = np.where(magnitude == fmt.inf_code, np.inf, values)
    if not fmt.has_negative_zero:
        values = np.where(bits == fmt.nan_code, np.nan, values)
    signed_values: Values = np.where(bits & fmt.sign_mask, -values, values)
    return signed_values


@in_default_environment
def encode(
    values: npt.ArrayLike,
    fmt: Scalar | str,
    *,
    rounding: Rounding | str = Rounding.RNE,
    overflow: Overflow | str = Overflow.SATURATE,
    strict: bool = False,
    seed: int = 0,
) -> Codes:
    """Return the code of `fmt` that each value rounds to; each value is rounded once.

    Args:
        values: real numbers, any shape; taken as float64, and that is the only precision assumed.
        fmt: the destination.
        rounding: how; RNE by default.
        overflow: what a finite value beyond the largest becomes; a wrapping FixedPoint wraps.
        strict: a NaN or Inf that `fmt` cannot hold is an error instead of being replaced.
        seed: for stochastic rounding; see `rounding.round_to_unit`.

    Returns:
        Unsigned codes of the smallest dtype that holds them. -0 stays -0 and a negative that
        underflows keeps its sign where the format has -0, Inf stays Inf where it has Inf, NaN
        becomes the canonical NaN. Where the format has no NaN it becomes the largest value,
        with a NanReplacedWarning.

    Raises:
        FormatError: strict, and a value that `fmt` cannot hold.

    >>> from plena_cosim import golden
    >>> golden.encode([0.1, 448.0, 1e9, -0.0], golden.get_format("e4m3")).tolist()
    [29, 126, 126, 128]
    """
    fmt = as_scalar(fmt)
    x = np.asarray(values, dtype=np.float64)
    mode = as_enum(Rounding, rounding, "rounding mode")
    limit = as_enum(Overflow, overflow, "overflow mode")
    nan, inf = np.isnan(x), np.isinf(x)
    _check_specials(x, nan, inf, fmt, strict=strict)
    fraction, exponent = np.frexp(np.where(nan | inf, 0.0, np.abs(x)))
    significand = np.ldexp(fraction, 53).astype(np.int64)
    exp = exponent.astype(np.int64) - 53
    negative = np.signbit(x)
    if isinstance(fmt, FixedPoint):
        return _encode_fixed(significand, exp, negative, inf, nan, fmt, mode, seed)
    return _encode_minifloat(significand, exp, negative, inf, nan, fmt, mode, limit, seed)


def _check_specials(x: Values, nan: Bool, inf: Bool, fmt: Scalar, *, strict: bool) -> None:
    lost = int(np.count_nonzero(nan)) if not fmt.has_nan else 0
    if strict:
        has_inf = isinstance(fmt, Minifloat) and fmt.has_inf
        bad = (nan & (not fmt.has_nan)) | (inf & (not has_inf))
        if bad.any():
            index = np.unravel_index(int(np.argmax(bad)), x.shape)
            place = "".join(f"[{int(i)}]" for i in index)
            raise FormatError(
                f"{fmt.name} cannot hold {x[index]} (value{place}, {int(bad.sum())} such values); "
                "give finite values, or strict=False to replace them by the largest"
            )
    elif lost:
        warnings.warn(
            f"{fmt.name} has no NaN: {lost} NaN became {fmt.max_value}",
            NanReplacedWarning,
            stacklevel=4,  # past encode and its guard
        )


def _encode_minifloat(
    significand: Int64,
    exp: Int64,
    negative: Bool,
    inf: Bool,
    nan: Bool,
    fmt: Minifloat,
    rounding: Rounding,
    overflow: Overflow,
    seed: int,
) -> Codes:
    # The significand is normalised: its leading bit weighs 2^(exp + 52).
    binade = np.maximum(np.where(significand > 0, exp + 52, fmt.emin), fmt.emin)
    # Normal: the units carry the hidden bit, which adds one to the exponent field. Subnormal: they
    # do not. A carry out of the fraction bumps the exponent by itself, also from subnormal to
    # normal.
    magnitude = round_to_unit(
        significand,
        binade - fmt.man_bits - exp,
        negative=negative,
        rounding=rounding,
        base=(binade - fmt.emin) << fmt.man_bits,
        seed=seed,
    )
    beyond = magnitude > fmt.max_code
    magnitude = np.where(beyond, fmt.max_code, magnitude)
    if overflow is Overflow.IEEE:
        stays_finite = np.zeros(negative.shape, dtype=bool)
        if rounding is Rounding.RTZ:
            stays_finite = ~stays_finite
        elif rounding is Rounding.RUP:
            stays_finite = negative
        elif rounding is Rounding.RDOWN:
            stays_finite = ~negative
        magnitude = np.where(beyond & ~stays_finite, _infinity(fmt, overflow), magnitude)
    magnitude = np.where(inf, _infinity(fmt, overflow), magnitude)
    sign = np.where(negative, fmt.sign_mask, 0)
    if not fmt.has_negative_zero:
        sign = np.where(magnitude == 0, 0, sign)
    if fmt.has_nan:
        sign = np.where(nan | (magnitude > fmt.max_code) & (not fmt.has_inf), 0, sign)
        magnitude = np.where(nan, fmt.nan_code, magnitude)
    else:
        sign = np.where(nan, 0, sign)
        magnitude = np.where(nan, fmt.max_code, magnitude)
    codes: Codes = (sign | magnitude).astype(code_dtype(fmt.width_bits))
    return codes


def _infinity(fmt: Minifloat, overflow: Overflow) -> int:
    """Magnitude code of an infinite value: Inf, else NaN (ieee only), else the largest value."""
    if fmt.has_inf:
        return fmt.inf_code
    return fmt.nan_code if overflow is Overflow.IEEE and fmt.has_nan else fmt.max_code


def _encode_fixed(
    significand: Int64,
    exp: Int64,
    negative: Bool,
    inf: Bool,
    nan: Bool,
    fmt: FixedPoint,
    rounding: Rounding,
    seed: int,
) -> Codes:
    drop_bits = fmt.lsb_exp - exp
    # Here the value is a multiple of 2^10 units, at least 2^62: no rounding, only the overflow.
    huge = (significand > 0) & (drop_bits < -9)
    units = round_to_unit(
        np.where(huge, 0, significand), drop_bits, negative=negative, rounding=rounding, seed=seed
    )
    lowest = -fmt.max_code - (0 if fmt.symmetric else 1)
    if fmt.wrap:
        low_bits = significand << np.clip(-drop_bits, 0, 62)  # only bits below the 32nd are read
        units = np.where(huge, low_bits, units)
        signed = np.where(negative, -units, units)
    else:
        units = np.where(huge, np.int64(1) << 62, units)
        signed = np.clip(np.where(negative, -units, units), lowest, fmt.max_code)
    signed = np.where(inf, np.where(negative, lowest, fmt.max_code), signed)
    signed = np.where(nan, fmt.max_code, signed)
    codes: Codes = (signed & ((1 << fmt.width_bits) - 1)).astype(code_dtype(fmt.width_bits))
    return codes
