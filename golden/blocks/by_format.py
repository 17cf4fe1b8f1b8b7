"""quantize: arrays of reals to any block format."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy.typing as npt

from ..mx import MxArray
from .bfp import quantize_bfp
from .formats import Bfp, BlockFormat, LeastSquaresMx, MicroMx, TwoLevel, as_block_format
from .least_squares import quantize_least_squares
from .micro import MicroArray, quantize_micro
from .rows import Rows
from .two_level import TwoLevelArray, quantize_two_level

BlockArray = MicroArray | MxArray | TwoLevelArray
"""What `quantize` returns: codes, scales, and `dequantize`."""

_QUANTIZE: dict[type, Callable[[Rows, Any], BlockArray]] = {
    MicroMx: quantize_micro,
    Bfp: quantize_bfp,
    LeastSquaresMx: quantize_least_squares,
    TwoLevel: quantize_two_level,
}


def quantize(
    x: npt.ArrayLike, fmt: BlockFormat | str, axis: int = -1, *, strict: bool = False
) -> BlockArray:
    """Quantise an array to a block format along one axis.

    Args:
        x: float16, bfloat16 (ml_dtypes), float32 or float64 array of at least one dimension; other
            real numbers are taken as float64.
        fmt: the format, or its name.
        axis: where blocks run. A ragged tail is a short block (as if padded with zeros); a block
            never spans two rows.
        strict: a NaN or Inf in `x` is an error.

    Returns:
        MicroArray (MX4, MX6, MX9), MxArray (BFP16, MXFP4Diffs) or TwoLevelArray (NVFP4). What
        becomes of zero blocks, subnormals, NaN and Inf, `quantize_micro` and its like say.

    Raises:
        FormatError: `fmt` is no block format, `x` is complex, `axis` does not exist or has no
            elements, or strict and a value is not finite.

    >>> q = quantize([1.0, -0.3, 0.3, 0.05], "mx6")
    >>> q.codes.tolist(), q.micro.tolist(), q.scales.tolist(), q.dequantize().tolist()
    ([8, 30, 5, 1], [0, 1], [127], [1.0, -0.25, 0.3125, 0.0625])
    """
    fmt = as_block_format(fmt)
    rows = Rows.of(x, axis, fmt.block_size)
    if strict:
        rows.require_finite(fmt.name)
    return _QUANTIZE[type(fmt)](rows, fmt)
