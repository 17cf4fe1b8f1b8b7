"""fp_to_int: scalar codes to integers with a scale, by way of its reciprocal."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt

from ..codec import Codes, NanReplacedWarning, decode
from ..float_environment import in_default_environment
from ..formats import FixedPoint, FormatError, Minifloat, Overflow, Scalar, as_minifloat, as_scalar
from .cast import cast
from .mul import mul


@in_default_environment
def fp_to_int(
    x: npt.ArrayLike,
    reciprocal: npt.ArrayLike,
    src: Minifloat | str,
    fmt: Minifloat | str = "fp32",
    dst: Scalar | str = "q8.0",
) -> Codes:
    """Return RN_dst(RN(x * reciprocal)), saturating: integers with a scale, without zero point.

    RN is one operation of `fmt` as of IEEE 754. With fp32, and reciprocal = RN(1 / max(s, 2^-126))
    of a scale s, it is what AffineInt(bits=8, quotient="reciprocal") gives under that scale, as
    PyTorch and AMD Quark compute it. A reciprocal belongs to as many values as its scale, so that
    the division is made once for all of them, and not in this unit.

    Args:
        x: codes of `src`.
        reciprocal: codes of `fmt`, broadcastable.
        src: format of x, which is rounded to `fmt` first.
        fmt: format of the reciprocal and of the product.
        dst: an integer format, such as q8.0 (int8) or q4.0, that saturates.

    Returns:
        Codes of `dst`, two's complement. Inf saturates. 0 where the reciprocal is NaN; else a
        product that is NaN (of a NaN, or 0 * Inf) gives the largest code.

    Raises:
        FormatError: a code that is too wide, or a `dst` with fraction bits or one that wraps.

    >>> from plena_cosim import golden
    >>> golden.ops.fp_to_int([0x3F80, 0xC000], golden.encode(60.5, "fp32"), "bf16").tolist()
    [60, 135]
    """
    src, fmt, integer = as_minifloat(src), as_minifloat(fmt), as_scalar(dst)
    if not isinstance(integer, FixedPoint) or integer.frac_bits or integer.wrap:
        raise FormatError(
            f"fp_to_int: dst must be an integer format that saturates, such as q8.0; got {integer}"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NanReplacedWarning)
        value = cast(x, src, fmt, overflow=Overflow.IEEE)
        product = mul(value, reciprocal, fmt, overflow=Overflow.IEEE)
        codes = cast(product, fmt, integer)
    lost = np.isnan(decode(reciprocal, fmt))
    return np.where(lost, codes.dtype.type(0), codes)
