"""mx_pe: one processing element of the matrix unit, a pair of elements at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..codec import Codes
from ..float_environment import in_default_environment
from ..formats import FormatError, Mx, Scalar, as_mx, as_scalar
from .dot import mx_dot, require_same_block


def block_places(first: npt.ArrayLike, block_size: int) -> npt.NDArray[np.int64]:
    """Return each beat's place in its block, 0 … block_size - 1, shape (n,).

    Beats count up from the start and from every nonzero `first`; what was begun is dropped there.

    >>> block_places([0, 0, 0, 1, 0, 0], 2).tolist()
    [0, 1, 0, 0, 1, 0]
    """
    restart = np.asarray(first) != 0
    beats = np.arange(restart.size)
    starts = np.maximum.accumulate(np.where(restart, beats, 0))
    places: npt.NDArray[np.int64] = (beats - starts) % block_size
    return places


@in_default_environment
def mx_pe(
    a_codes: npt.ArrayLike,
    a_scale: npt.ArrayLike,
    b_codes: npt.ArrayLike,
    b_scale: npt.ArrayLike,
    first: npt.ArrayLike,
    a: Mx | str,
    b: Mx | str,
    acc: Scalar | str,
) -> Codes:
    """Return the accumulator after each pair of elements, as the processing element shows it.

    Beats are counted off in blocks of block_size. With the last pair of a block its exact dot is
    rounded once and added to the accumulator with one rounding, as in `mx_dot`.

    Args:
        a_codes, b_codes: element codes (n,), one pair a beat.
        a_scale, b_scale: scale codes (n,); those of a block's last beat count, others do not.
        first: (n,), nonzero where the sum restarts from +0; an unfinished block is dropped.
        a, b, acc: formats as in `dot`.

    Returns:
        Codes of `acc`, (n,): the sum of the blocks that are complete since `first`; +0 before the
        first of them. An Inf or NaN element anywhere in a block, or a NaN scale with its last beat,
        makes the partial NaN (the largest value where `acc` has no NaN).

    Raises:
        FormatError: block sizes differ, or shapes do not fit.

    >>> from plena_cosim import golden
    >>> mx, fp32 = golden.get_format("mxint8", block_size=2), golden.get_format("fp32")
    >>> codes, one = [64, 32, 64, 64], [127] * 4
    >>> [hex(c) for c in golden.ops.mx_pe(codes, one, codes, one, [1, 0, 0, 0], mx, mx, fp32)]
    ['0x0', '0x3fa00000', '0x3fa00000', '0x40500000']
    """
    a, b, acc = as_mx(a), as_mx(b), as_scalar(acc)
    require_same_block(a, b)
    arrays = [np.asarray(array) for array in (a_codes, a_scale, b_codes, b_scale, first)]
    shapes = [array.shape for array in arrays]
    if len(set(shapes)) > 1 or len(shapes[0]) != 1:
        raise FormatError(f"mx_pe: need five arrays of one shape (n,), got {shapes}")
    left, left_scale, right, right_scale, restart = arrays
    complete = np.flatnonzero(block_places(restart, a.block_size) == a.block_size - 1)
    block = complete[:, None] + np.arange(1 - a.block_size, 1)
    sums = np.cumsum(restart != 0)
    begins = np.diff(sums[complete], prepend=-1) != 0
    totals = mx_dot(
        left[block], left_scale[complete], right[block], right_scale[complete], begins, a, b, acc
    )
    # Each beat shows the total of the last complete block (0: none) if that is of its own sum.
    latest = np.searchsorted(complete, np.arange(left.size), side="right")
    known = np.append(-1, sums[complete])[latest] == sums
    shown: Codes = np.where(known, np.append(0, totals)[latest], 0).astype(totals.dtype)
    return shown
