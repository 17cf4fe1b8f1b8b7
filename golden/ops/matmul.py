"""matmul: the matrix unit's GEMM, block by block in ascending K."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from ..codec import Codes, NanReplacedWarning, code_dtype
from ..float_environment import in_default_environment
from ..formats import FormatError, Scalar
from ..hardware import HardwareConfig
from ..mx import MxArray
from .cast import cast
from .dot import (
    accumulate,
    block_exp,
    element_integers,
    product_bits,
    require_same_block,
    round_partial,
    special_blocks,
)


@in_default_environment
def matmul(a: MxArray, b: MxArray, hw: HardwareConfig) -> Codes:
    """Return a @ b as the matrix unit computes it.

    For each output: every block of K gives one exact dot, rounded once to the accumulator format
    and added to the accumulator with one rounding; blocks go in ascending K from +0. The last
    accumulator is cast once to the vector format. Walking K in steps of MLEN is the same order.

    Args:
        a: MxArray (…, m, k), blocks along the last axis.
        b: MxArray (…, k, n), blocks along the axis before the last, same block size.
        hw: accumulator and vector formats.

    Returns:
        Codes of hw.vector_format, (…, m, n). Overflow saturates; a block with a NaN scale makes its
        outputs NaN (the largest value where the vector format has none). Empty where m or n is 0,
        +0 where k is.

    Raises:
        FormatError: shapes, block axes or block sizes do not fit.

    >>> from plena_cosim import golden
    >>> mx, hw = golden.get_format("mxint8"), golden.HardwareConfig()
    >>> a, b = golden.quantize([[1.0, 2.0]], mx), golden.quantize([[3.0], [0.5]], mx, axis=0)
    >>> [hex(c) for c in golden.ops.matmul(a, b, hw)[0]]
    ['0x4080']
    """
    total = sums(a, b, hw.accumulator_format)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NanReplacedWarning)  # V without NaN: stated above
        return cast(total, hw.accumulator_format, hw.vector_format)


def sums(a: MxArray, b: MxArray, acc: Scalar, start: Codes | None = None) -> Codes:
    """Return the accumulators of a @ b: block after block of K, in ascending order.

    Args:
        a, b: as in `matmul`.
        acc: accumulator format.
        start: codes of `acc` that the sums go on from, (…, m, n); +0 when None.

    Returns:
        Codes of `acc`, (…, m, n).

    Raises:
        FormatError: shapes, block axes or block sizes do not fit.
    """
    _check(a, b)
    dot_bits = product_bits(a.mx, b.mx, a.mx.block_size)
    ints_a, ints_b = element_integers(a.codes, a.mx), element_integers(b.codes, b.mx)
    exp_a, exp_b = block_exp(a.scales, a.mx), block_exp(b.scales, b.mx)
    total = start
    for index in range(a.scales.shape[-1]):
        block = slice(index * a.mx.block_size, (index + 1) * a.mx.block_size)
        rows, columns = ints_a[..., block], ints_b[..., block, :]
        special = (
            special_blocks(a.codes[..., block], a.scales[..., index], a.mx)[..., :, None]
            | special_blocks(
                np.swapaxes(b.codes[..., block, :], -1, -2), b.scales[..., index, :], b.mx
            )[..., None, :]
        )
        exp = exp_a[..., index][..., :, None] + exp_b[..., index, :][..., None, :]
        dots = _exact_product(rows, columns, dot_bits)
        partial = round_partial(dots, exp, special, acc)
        total = accumulate(np.zeros_like(partial) if total is None else total, partial, acc)
    if total is None:  # k is 0
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        total = np.zeros((*batch, a.shape[-2], b.shape[-1]), code_dtype(acc.width_bits))
    return total


def _exact_product(
    rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64], dot_bits: int
) -> npt.NDArray[Any]:
    """Return the exact rows @ columns of integers, as float64 where it holds them."""
    product: npt.NDArray[Any]
    if dot_bits <= 53:  # every partial sum is an integer that float64 holds, in any order
        product = rows.astype(np.float64) @ columns.astype(np.float64)
    else:
        product = rows.astype(object) @ columns.astype(object)
    return product


def _check(a: MxArray, b: MxArray) -> None:
    if len(a.shape) < 2 or len(b.shape) < 2 or a.shape[-1] != b.shape[-2]:
        raise FormatError(
            f"matmul: cannot multiply {a.shape} by {b.shape}; need (…, m, k) and (…, k, n)"
        )
    if a.axis != len(a.shape) - 1 or b.axis != len(b.shape) - 2:
        raise FormatError(
            f"matmul: blocks must run along k: axis {len(a.shape) - 1} of a and "
            f"{len(b.shape) - 2} of b, got {a.axis} and {b.axis}"
        )
    require_same_block(a.mx, b.mx)
