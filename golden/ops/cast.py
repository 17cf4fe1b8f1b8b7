"""cast: a code of one scalar format to the nearest code of another."""

from __future__ import annotations

import numpy.typing as npt

from ..codec import Codes, decode, encode
from ..float_environment import in_default_environment
from ..formats import Overflow, Rounding, Scalar, as_scalar


@in_default_environment
def cast(
    a: npt.ArrayLike,
    src: Scalar | str,
    dst: Scalar | str,
    *,
    rounding: Rounding | str = Rounding.RNE,
    overflow: Overflow | str = Overflow.SATURATE,
    strict: bool = False,
) -> Codes:
    """Return the codes of `dst` nearest to the values that `a` stands for in `src`.

    Args:
        a: codes of `src`.
        src, dst: Minifloat or FixedPoint.
        rounding, overflow, strict: as in `encode`.

    Returns:
        Codes of `dst`. Overflow saturates by default; Inf stays Inf where `dst` has it; NaN becomes
        the canonical NaN, or the largest value (with a NanReplacedWarning) where there is none.

    Raises:
        FormatError: strict, and a NaN or Inf that `dst` cannot hold.

    >>> from plena_cosim import golden
    >>> bf16, e2m1 = golden.get_format("bf16"), golden.get_format("e2m1")
    >>> golden.ops.cast([0x4020, 0x4120, 0xBF00], bf16, e2m1).tolist()        # 2.5, 10, -0.5
    [4, 7, 9]
    """
    src, dst = as_scalar(src), as_scalar(dst)
    return encode(decode(a, src), dst, rounding=rounding, overflow=overflow, strict=strict)
