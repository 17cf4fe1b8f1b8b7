"""quantize: arrays of reals to any block format."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..formats import FormatError
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
    x: npt.ArrayLike,
    fmt: BlockFormat | str,
    axis: int = -1,
    *,
    strict: bool = False,
    tensor_amax: float | None = None,
) -> BlockArray:
    """Quantise an array to a block format along one axis.

    Args:
        x: float16, bfloat16 (ml_dtypes), float32 or float64 array of at least one dimension; other
            real numbers are taken as float64.
        fmt: the format, or its name.
        axis: where blocks run. A ragged tail is a short block (as if padded with zeros); a block
            never spans two rows.
        strict: a NaN or Inf in `x` is an error.
        tensor_amax: of NVFP4 only: what its tensor scale follows from in the place of the largest
            magnitude in `x` (static quantisation); rounded to fp32.

    Returns:
        MicroArray (MX4, MX6, MX9), MxArray (BFP16, MXFP4Diffs) or TwoLevelArray (NVFP4). What
        becomes of zero blocks, subnormals, NaN and Inf, `quantize_micro` and its like say.

    Raises:
        FormatError: `fmt` is no block format, `x` is complex, `axis` does not exist or has no
            elements, strict and a value is not finite, or a `tensor_amax` that the format does not
            take, or that is negative or not finite.

    >>> q = quantize([1.0, -0.3, 0.3, 0.05], "mx6")
    >>> q.codes.tolist(), q.micro.tolist(), q.scales.tolist(), q.dequantize().tolist()
    ([8, 30, 5, 1], [0, 1], [127], [1.0, -0.25, 0.3125, 0.0625])
    """
    fmt = as_block_format(fmt)
    rows = Rows.of(x, axis, fmt.block_size)
    if strict:
        rows.require_finite(fmt.name)
    if tensor_amax is not None:
        return quantize_two_level(rows, *as_tensor_amax(tensor_amax, fmt))
    return _QUANTIZE[type(fmt)](rows, fmt)


def as_tensor_amax(given: float, fmt: BlockFormat) -> tuple[TwoLevel, np.float32]:
    """Return a format that has a tensor scale, and what that follows from in fp32.

    Args:
        given: the largest magnitude of calibration data.
        fmt: the format.

    Raises:
        FormatError: the format has no tensor scale, or `given` is negative or not finite in fp32.
    """
    if not isinstance(fmt, TwoLevel):
        raise FormatError(
            f"{fmt.name} has no scale of the tensor that tensor_amax (got {given!r}) could give; "
            "nvfp4 and nvfp4_two_stage have one"
        )
    with np.errstate(over="ignore"):
        amax = np.float32(given)
    if not (np.isfinite(amax) and amax >= 0):
        raise FormatError(f"{fmt.name}: tensor_amax is 0 or more and finite in fp32, got {given!r}")
    return fmt, np.abs(amax)
