"""MXFP4 with the better of two scales: the sums of squared errors are compared exactly."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..codec import Values, decode, encode
from ..float_environment import in_default_environment
from ..mx import MxArray, scale_exponent
from ..rounding import Int64
from .formats import LeastSquaresMx
from .rows import Rows, scale_codes


@in_default_environment
def quantize_least_squares(rows: Rows, fmt: LeastSquaresMx) -> MxArray:
    """Return an array in MXFP4 blocks, each with the better of two scales.

    With amax for the largest magnitude of a block: the exponents e = ceil(log2 amax) - 2 and e - 1
    are tried, e clamped to -127..127. e - 1 is taken where it is in that range and its sum of
    squares of x - Q(x) is less than that of e; the sums are compared as the rational numbers that
    they are.

    Args:
        rows: the array.
        fmt: the format.

    Returns:
        MxArray of fmt.mx; elements, zero blocks, NaN and Inf are as in golden.quantize.

    Source: AMD Quark's OCP_MXFP4Diffs, whose sums are float32's.
    """
    mx, blocks = fmt.mx, rows.blocks
    special: npt.NDArray[np.bool_] = np.logical_not(np.isfinite(blocks))
    finite = np.where(special, 0.0, blocks)
    amax = np.abs(finite).max(axis=-1)
    exp = scale_exponent(amax, mx)
    fits = amax <= np.ldexp(1.0, exp + mx.element.emax)  # else e itself is clamped, and so is x
    tried = fits & (exp > mx.min_scale_exp)
    exp = exp - (tried & (_excess(np.where(tried[:, None], finite, 0.0), exp, fmt) < 0))
    codes = encode(np.ldexp(finite, -exp[:, None]), mx.element)
    bad = np.asarray(special.any(axis=-1))
    codes = np.where((bad | (amax == 0))[:, None], codes.dtype.type(0), codes)
    return MxArray(
        codes=rows.together(codes),
        scales=rows.together(scale_codes(exp, bad, mx), fmt.block_size),
        mx=mx,
        axis=rows.axis,
        has_special=bool(special.any()),
    )


def _excess(blocks: Values, exp: Int64, fmt: LeastSquaresMx) -> npt.NDArray[np.object_]:
    """Return how much more e - 1 errs than e: Python integers, whose sign is that of the excess.

    An element that both round to zero errs alike, and is left out: what stays is at least 2^-3
    after division by 2^e, so that its float64 error is a multiple of 2^-55, and exact.
    """
    x = np.ldexp(blocks, -exp[:, None])
    coarse, fine = _rounded(x, fmt), _rounded(x * 2.0, fmt) / 2.0
    counts = (coarse != 0) | (fine != 0)
    errors = [np.where(counts, x - rounded, 0.0) for rounded in (coarse, fine)]
    units = [np.asarray(np.ldexp(each, 55)).astype(np.int64).astype(object) for each in errors]
    excess: npt.NDArray[np.object_] = (units[1] ** 2 - units[0] ** 2).sum(axis=-1)
    return excess


def _rounded(x: Values, fmt: LeastSquaresMx) -> Values:
    return decode(encode(x, fmt.mx.element), fmt.mx.element)
