"""rope: rotary position embedding of a vector by given cosines and sines."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..codec import Codes, check_codes
from ..formats import FormatError, Minifloat
from .add import add
from .mul import mul

STYLES = ("half", "interleaved")
"""Which elements turn together: i and i + n/2 (Llama in transformers), or 2i and 2i + 1."""


def rope(
    x: npt.ArrayLike,
    cos: npt.ArrayLike,
    sin: npt.ArrayLike,
    fmt: Minifloat,
    *,
    style: str = "half",
) -> Codes:
    """Return add(mul(x, cos), mul(rotate(x), sin)), each step rounded once to `fmt`.

    For a pair (a, b) that turns together, rotate(x) holds (-b, a): the sign bit is flipped, which
    rounds nothing.

    Args:
        x: codes of `fmt`, shape (…, n), n even.
        cos, sin: codes of `fmt`, broadcastable to the shape of `x`, one entry an element: see
            `rope_tables`.
        fmt: format of elements, tables and results.
        style: "half": pairs (i, i + n/2); "interleaved": pairs (2i, 2i + 1).

    Returns:
        Codes of `fmt`, shape (…, n).

    Raises:
        FormatError: an odd n or an unknown style.

    Source: Su et al., "RoFormer", 2021, equation 34 (interleaved); rotate_half of transformers.

    >>> from plena_cosim import golden
    >>> x, cos, sin = [0x3F80, 0x4000], [0x0000] * 2, [0x3F80] * 2     # 1, 2, turned by 90 degrees
    >>> [hex(c) for c in golden.ops.rope(x, cos, sin, golden.get_format("bf16"))]
    ['0xc000', '0x3f80']
    """
    codes = check_codes(x, fmt.width_bits, fmt.name)
    return add(mul(codes, cos, fmt), mul(_rotate(codes, fmt, style), sin, fmt), fmt)


def _rotate(codes: Codes, fmt: Minifloat, style: str) -> Codes:
    require_style(style)
    length = codes.shape[-1] if codes.ndim else 0
    if length == 0 or length % 2:
        raise FormatError(f"rope: need an even number of elements, got shape {codes.shape}")
    pair_axis = -2 if style == "half" else -1
    shape = (2, length // 2) if style == "half" else (length // 2, 2)
    pairs = codes.reshape(*codes.shape[:-1], *shape)
    turned = np.flip(pairs, axis=pair_axis).copy()
    first = turned[..., 0, :] if style == "half" else turned[..., 0]
    first ^= codes.dtype.type(fmt.sign_mask)
    return turned.reshape(codes.shape)


def require_style(style: str) -> None:
    """FormatError unless `style` is one of STYLES."""
    if style not in STYLES:
        raise FormatError(f"unknown rope style {style!r}; known: {', '.join(STYLES)}")
