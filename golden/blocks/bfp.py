"""Block floating point with room: the exponent goes up where a code would not fit."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..codec import Codes, Values, decode, encode
from ..float_environment import in_default_environment
from ..formats import FixedPoint
from ..mx import MxArray, scale_exponent
from .formats import Bfp
from .rows import Rows


@in_default_environment
def quantize_bfp(rows: Rows, fmt: Bfp) -> MxArray:
    """Return an array in blocks of block floating point.

    With amax for the largest finite magnitude of a block and W = element_bits, the step is
    2^(floor(log2 amax) - W + 2). Codes are RN(x / step), ties to even, made with room for overflow
    first: where one is 2^(W-1) or more, or below -2^(W-1), amax is doubled and codes are made
    again.

    Args:
        rows: the array.
        fmt: the format.

    Returns:
        MxArray of fmt.mx: scale code s stands for a step of 2^(s - 127 - W + 2), s in 0..254; where
        254 is not enough codes saturate. -0 becomes 0. An all-zero block has scale code 0 and zero
        elements. NaN and Inf count as 0 for amax and ask for no room; NaN and +Inf become the
        largest element, -Inf minus the largest, and 0 where the finite elements are all zero.

    Source: AMD Quark's bfp16; what becomes of NaN, Inf and the ends of the range is ours.
    """
    mx, blocks = fmt.mx, rows.blocks
    special: npt.NDArray[np.bool_] = np.logical_not(np.isfinite(blocks))
    finite = np.where(special, 0.0, blocks)
    amax = np.abs(finite).max(axis=-1)
    exp = scale_exponent(amax, mx)
    exp = np.minimum(exp + _overflows(np.ldexp(finite, -exp[:, None]), fmt), mx.max_scale_exp)
    codes = encode(np.ldexp(finite, -exp[:, None]), mx.element)
    codes = np.where(special, _largest_codes(blocks, fmt), codes)
    codes = np.where((amax == 0)[:, None], codes.dtype.type(0), codes)
    return MxArray(
        codes=rows.together(codes),
        scales=rows.together((exp + mx.scale_bias).astype(np.uint8), fmt.block_size),
        mx=mx,
        axis=rows.axis,
        has_special=bool(special.any()),
    )


def _overflows(scaled: Values, fmt: Bfp) -> npt.NDArray[np.bool_]:
    """Return which blocks have an element that rounds to beyond what a code holds."""
    element = fmt.mx.element
    with_room = FixedPoint(int_bits=3, frac_bits=fmt.element_bits - 2)
    rounded = decode(encode(scaled, with_room), with_room)
    lowest = -np.ldexp(element.max_code + 1, element.lsb_exp)
    beyond = (rounded > element.max_value) | (rounded < lowest)
    overflows: npt.NDArray[np.bool_] = beyond.any(axis=-1)
    return overflows


def _largest_codes(blocks: Values, fmt: Bfp) -> Codes:
    largest = fmt.mx.element.max_value
    return encode(np.where(blocks == -np.inf, -largest, largest), fmt.mx.element)
