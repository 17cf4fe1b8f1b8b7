"""fp_to_nvfp4: blocks of scalar codes to elements and a scale beside one of the tensor."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..codec import Codes, Values, decode, encode
from ..float_environment import in_default_environment
from ..formats import FormatError, Minifloat, Overflow, as_minifloat


@in_default_environment
def fp_to_nvfp4(
    x: npt.ArrayLike,
    t: npt.ArrayLike,
    src: Minifloat | str,
    fmt: Minifloat | str = "fp32",
    element: Minifloat | str = "e2m1",
    scale: Minifloat | str = "e4m3",
) -> tuple[Codes, Codes]:
    """Quantise blocks of codes of `src` with the scale of a tensor that is known before.

    With L for the largest element, and RN for one operation of `fmt` as of IEEE 754:
    x' = RN(x); c = RN_scale(RN(RN(amax / L) * t)), amax that of x'; s = RN(c / t); an element is
    RN_element(RN(x' / s)).

    Args:
        x: codes of `src`, shape (n, lanes), one block a row; NVFP4's have 16 lanes.
        t: codes of `fmt`, (n,): what group scales are multiplied by before they are rounded, which
            is 448 * (6 / amax of the tensor) in NVFP4.
        src: format of the input.
        fmt: format of t and of every step.
        element: a minifloat with -0 and without Inf.
        scale: format of c.

    Returns:
        Element codes (n, lanes) and scale codes c (n,): what golden.blocks gives for "nvfp4", the
        same values and the same t. Codes saturate, ties go to the even one. Where s is 0 elements
        are +0; elsewhere -0 stays -0, and a negative that underflows keeps its sign. A block with a
        NaN or Inf in x', or with a t that is not positive and finite, has elements +0 and the NaN
        scale, the largest where there is none.

    Raises:
        FormatError: shapes other than (n, lanes) and (n,), a code that is too wide, or an element
            format with Inf or without -0.

    Source: AMD Quark's FP4PerGroupSpec, see golden.blocks.

    >>> from plena_cosim import golden
    >>> x, t = [[0x4040, 0xBF80]], golden.encode([896.0], "fp32")  # 3, -1; the tensor has 3
    >>> codes, scales = golden.ops.fp_to_nvfp4(x, t, "bf16")
    >>> codes.tolist(), scales.tolist()
    ([[7, 12]], [126])
    """
    src, fmt, element, scale = (as_minifloat(given) for given in (src, fmt, element, scale))
    if element.has_inf or not element.has_negative_zero:
        raise FormatError(
            f"fp_to_nvfp4: an element has -0 and no Inf, such as e2m1; got {element.name}"
        )
    given, of_tensor = decode(x, src), decode(t, fmt)
    if given.ndim != 2 or given.shape[1] == 0 or of_tensor.shape != given.shape[:1]:
        raise FormatError(
            f"fp_to_nvfp4: need codes of shape (n, lanes) and one t a block, (n,); got "
            f"{given.shape} and {of_tensor.shape}"
        )
    values = _step(np.where(np.isfinite(given), given, 0.0), fmt)
    special = ~(np.isfinite(given) & np.isfinite(values))
    bad = special.any(axis=1) | ~(np.isfinite(of_tensor) & (of_tensor > 0))
    values, of_tensor = np.where(special, 0.0, values), np.where(bad, 1.0, of_tensor)
    amax = np.abs(values).max(axis=1)
    share = _step(amax / element.max_value, fmt)
    scales = encode(_step(share * of_tensor, fmt), scale)
    steps = _step(decode(scales, scale) / of_tensor, fmt)[:, None]
    usable = (steps != 0) & ~bad[:, None]
    quotients = np.divide(values, steps, out=np.zeros_like(values), where=usable)
    codes = encode(_step(quotients, fmt), element)
    none = scale.nan_code if scale.has_nan else scale.max_code
    return codes, np.where(bad, none, scales).astype(scales.dtype)


def _step(values: Values, fmt: Minifloat) -> Values:
    """Return RN_fmt of real numbers, beyond the range as of IEEE 754.

    Products of two numbers are exact in float64. Quotients are rounded there first, which changes
    nothing: a quotient of two numbers of p bits is 2^-(2p + 1) of itself away from every midpoint
    of p bits, or more, and float64 errs by 2^-53 where p is at most 24.
    """
    return decode(encode(values, fmt, overflow=Overflow.IEEE), fmt)
