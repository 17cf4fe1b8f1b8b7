"""dot and mx_dot: exact block products, one rounding per block, ordered accumulation."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..codec import Codes, Values, check_codes, decode, encode
from ..exact import integer_to_odd, sum_to_odd
from ..float_environment import in_default_environment
from ..formats import FixedPoint, FormatError, Mx, Scalar, as_mx, as_scalar


def element_integers(codes: Codes, mx: Mx) -> npt.NDArray[np.int64]:
    """Return elements as integers in units of 2^(element.lsb_exp); Inf and NaN elements as 0."""
    values = decode(codes, mx.element)
    finite = np.where(np.isfinite(values), values, 0.0)
    return np.ldexp(finite, -mx.element.lsb_exp).astype(np.int64)


def special_blocks(codes: Codes, scales: Codes, mx: Mx) -> npt.NDArray[np.bool_]:
    """Return which blocks hold an Inf or NaN element or have a NaN scale, bool (…).

    Args:
        codes: element codes (…, k), one block a row; k <= block_size.
        scales: scale codes (…).
        mx: the format.
    """
    special = np.asarray(~np.isfinite(decode(codes, mx.element)).all(axis=-1))
    if mx.scale_nan_code is not None:
        special = special | (scales == mx.scale_nan_code)
    return special


def product_bits(a: Mx, b: Mx, length: int) -> int:
    """Return a width in bits that holds every sum of element products, sign excluded.

    Args:
        a, b: the MX formats of the two sides; elements count in units of 2^lsb_exp.
        length: how many products are summed.
    """

    def width(mx: Mx) -> int:
        return int(np.ldexp(mx.element.max_value, -mx.element.lsb_exp)).bit_length() + 1

    return width(a) + width(b) + max(length - 1, 0).bit_length()


def round_partial(
    dots: npt.NDArray[Any], exp: npt.NDArray[np.int64], special: npt.NDArray[np.bool_], acc: Scalar
) -> Codes:
    """Return the partials RN_acc(dots * 2^exp), NaN where `special`.

    Args:
        dots: exact integers: float64, int64, or Python ints in an object array.
        exp: exponent of one unit of each dot.
        special: which partials are NaN.
        acc: accumulator format.
    """
    if dots.dtype.kind != "f":
        if isinstance(acc, FixedPoint) and acc.wrap:
            dots = _wrap_dots(dots, exp, acc)
        dots = integer_to_odd(dots)
    return encode_acc(np.where(special, np.nan, np.ldexp(dots, exp)), acc)


def _wrap_dots(
    dots: npt.NDArray[Any], exp: npt.NDArray[np.int64], acc: FixedPoint
) -> npt.NDArray[Any]:
    """Return the integers modulo the accumulator's range 2^int_bits.

    A wrapping accumulator keeps the low bits, which rounding a long dot to odd would fold into one.
    The range is an even number of units, so that RNE commutes with it.
    """

    def wrap(dot: int, unit_exp: int) -> int:
        return dot % (1 << max(acc.int_bits - int(unit_exp), 0))

    wrapped: npt.NDArray[Any] = np.frompyfunc(wrap, 2, 1)(dots.astype(object), exp)
    return wrapped


def encode_acc(values: Values, acc: Scalar) -> Codes:
    """Round into the accumulator format; a NaN becomes the largest value where `acc` has none."""
    if not acc.has_nan:
        values = np.where(np.isnan(values), acc.max_value, values)
    return encode(values, acc)


def accumulate(total: Codes, partial: Codes, acc: Scalar) -> Codes:
    """Return RN_acc(total + partial), rounded once from the exact sum.

    Args:
        total, partial: codes of `acc`, broadcastable.
        acc: accumulator format, Minifloat or FixedPoint.

    Returns:
        Codes of `acc`. Sums saturate, those of a wrapping FixedPoint wrap; NaN becomes the largest
        value where `acc` has none.
    """
    return encode_acc(sum_to_odd(decode(total, acc), decode(partial, acc)), acc)


@in_default_environment
def dot(
    a_codes: npt.ArrayLike,
    a_scale: npt.ArrayLike,
    b_codes: npt.ArrayLike,
    b_scale: npt.ArrayLike,
    a: Mx | str,
    b: Mx | str,
    acc: Scalar | str,
) -> Codes:
    """Return the partial of each block pair: RN_acc(sum(a_i * b_i) * 2^(ea + eb)).

    Args:
        a_codes, b_codes: element codes (n, block_size); the two formats may differ (MXINT x MXFP,
            4 x 8 bits …) but not in block size.
        a_scale, b_scale: scale codes (n,).
        a, b: the MX formats.
        acc: accumulator format.

    Returns:
        Codes of `acc`, (n,). The sum is exact; a zero sum is +0. A NaN scale, or an Inf or NaN
        element, makes the partial NaN (the largest value where `acc` has no NaN).

    Raises:
        FormatError: block sizes differ, or shapes do not fit.

    >>> from plena_cosim import golden
    >>> mx, fp32 = golden.get_format("mxint8", block_size=2), golden.get_format("fp32")
    >>> [hex(c) for c in golden.ops.dot([[64, 32]], [127], [[64, 64]], [128], mx, mx, fp32)]
    ['0x40400000']
    """
    a, b, acc = as_mx(a), as_mx(b), as_scalar(acc)
    codes_a = check_codes(a_codes, a.element.width_bits, a.name)
    codes_b = check_codes(b_codes, b.element.width_bits, b.name)
    scale_a = check_codes(a_scale, a.scale_bits, f"{a.name} scale")
    scale_b = check_codes(b_scale, b.scale_bits, f"{b.name} scale")
    require_same_block(a, b)
    if codes_a.ndim != 2 or codes_a.shape != codes_b.shape or codes_a.shape[1] != a.block_size:
        raise FormatError(
            f"dot: need two (n, {a.block_size}) arrays, got {codes_a.shape} and {codes_b.shape}"
        )
    if not codes_a.shape[:1] == scale_a.shape == scale_b.shape:
        raise FormatError(
            f"dot: need one scale a block, {codes_a.shape[:1]}, "
            f"got {scale_a.shape} and {scale_b.shape}"
        )
    integers_a, integers_b = element_integers(codes_a, a), element_integers(codes_b, b)
    if product_bits(a, b, a.block_size) > 62:
        integers_a, integers_b = integers_a.astype(object), integers_b.astype(object)
    dots = (integers_a * integers_b).sum(axis=1)
    special = special_blocks(codes_a, scale_a, a) | special_blocks(codes_b, scale_b, b)
    exp = block_exp(scale_a, a) + block_exp(scale_b, b)
    return round_partial(dots, exp, special, acc)


def require_same_block(a: Mx, b: Mx) -> None:
    """FormatError unless both operands have the same block size."""
    if a.block_size != b.block_size:
        raise FormatError(
            f"operands of a block dot need one block size, got {a.name} with {a.block_size} "
            f"and {b.name} with {b.block_size}"
        )


def block_exp(scales: Codes, mx: Mx) -> npt.NDArray[np.int64]:
    """Return the exponent of one element unit of each block: scale plus element LSB."""
    return scales.astype(np.int64) - mx.scale_bias + mx.element.lsb_exp


@in_default_environment
def mx_dot(
    a_codes: npt.ArrayLike,
    a_scale: npt.ArrayLike,
    b_codes: npt.ArrayLike,
    b_scale: npt.ArrayLike,
    first: npt.ArrayLike,
    a: Mx | str,
    b: Mx | str,
    acc: Scalar | str,
) -> Codes:
    """Return the running accumulator after each block pair, as the dot unit shows it.

    Args:
        a_codes, a_scale, b_codes, b_scale, a, b, acc: as in `dot`, one block pair a step.
        first: (n,), nonzero where the accumulator restarts from +0 before that step.

    Returns:
        Codes of `acc`, (n,): acc = RN_acc(acc + partial), in order. The unit starts at +0.

    Raises:
        FormatError: as in `dot`, or `first` of another shape than (n,).
    """
    a, b, acc = as_mx(a), as_mx(b), as_scalar(acc)
    partials = dot(a_codes, a_scale, b_codes, b_scale, a, b, acc)
    return ordered_sums(partials, first, acc, "mx_dot")


def ordered_sums(partials: Codes, first: npt.ArrayLike, acc: Scalar, op: str) -> Codes:
    """Return the accumulator after each partial: acc = RN_acc(acc + partial), in order, from +0.

    Args:
        partials: codes of `acc`, (n,).
        first: (n,), nonzero where the accumulator restarts from +0 before that step.
        acc: accumulator format.
        op: whose sums they are, for messages.

    Raises:
        FormatError: `first` of another shape than (n,).
    """
    restart = np.asarray(first) != 0
    if restart.shape != partials.shape:
        raise FormatError(f"{op}: need first of shape {partials.shape}, got {restart.shape}")
    # Steps of different sums are independent: walk all sums side by side.
    group = np.cumsum(restart)
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    lengths = np.diff(np.append(starts, partials.size))
    result = np.empty_like(partials)
    total = np.zeros(starts.size, dtype=partials.dtype)
    for step in range(int(lengths.max(initial=0))):
        live = lengths > step
        total[live] = accumulate(total[live], partials[starts[live] + step], acc)
        result[starts[live] + step] = total[live]
    return result
