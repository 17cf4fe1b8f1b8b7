"""rope: rotary position embedding of a vector by given cosines and sines."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..codec import Codes, check_codes
from ..float_environment import in_default_environment
from ..formats import FormatError, Minifloat, as_minifloat
from .add import add
from .mul import mul
from .sign import neg


@in_default_environment
def rope(
    x: npt.ArrayLike,
    cos: npt.ArrayLike,
    sin: npt.ArrayLike,
    fmt: Minifloat | str,
    *,
    stride: int | None = None,
) -> Codes:
    """Return add(mul(x, cos), mul(rotate(x), sin)), each step rounded once to `fmt`.

    For a pair (a, b) that turns together, rotate(x) holds (-b, a): the sign bit is flipped, which
    rounds nothing.

    Args:
        x: codes of `fmt`, shape (…, n).
        cos, sin: codes of `fmt`, broadcastable to the shape of `x`, one entry an element: see
            `rope_tables`.
        fmt: format of elements, tables and results.
        stride: distance between the two elements of a pair, in groups of 2 * stride elements that
            divide n. n / 2 by default: pairs (i, i + n/2), as Llama in transformers has them; half
            the size of a head where a vector holds several heads; 1: pairs (2i, 2i + 1).

    Returns:
        Codes of `fmt`, shape (…, n).

    Raises:
        FormatError: n is no multiple of 2 * stride.

    Source: Su et al., "RoFormer", 2021, equation 34 (stride 1); rotate_half of transformers.

    >>> from plena_cosim import golden
    >>> x, cos, sin = [0x3F80, 0x4000], [0x0000] * 2, [0x3F80] * 2     # 1, 2, turned by 90 degrees
    >>> [hex(c) for c in golden.ops.rope(x, cos, sin, golden.get_format("bf16"))]
    ['0xc000', '0x3f80']
    """
    fmt = as_minifloat(fmt)
    codes = check_codes(x, fmt.width_bits, fmt.name)
    length = codes.shape[-1] if codes.ndim else 0
    pairs = codes.reshape(*codes.shape[:-1], -1, 2, checked_stride(stride, length))
    turned = np.flip(pairs, axis=-2).copy()
    turned[..., 0, :] = neg(turned[..., 0, :], fmt)
    return add(mul(codes, cos, fmt), mul(turned.reshape(codes.shape), sin, fmt), fmt)


def checked_stride(stride: int | None, length: int) -> int:
    """Return the stride, length / 2 for None; FormatError unless pairs fill the length."""
    step = length // 2 if stride is None else stride
    if length < 2 or step < 1 or length % (2 * step):
        raise FormatError(
            f"rope: {length} elements are no groups of 2 * stride, stride {stride or 'n / 2'}"
        )
    return step
