"""mx_tile: an output-stationary tile of the matrix unit, one step of K at a time."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt

from ..codec import Codes, NanReplacedWarning
from ..float_environment import in_default_environment
from ..formats import FormatError, Mx, Scalar, as_mx, as_scalar
from .cast import cast
from .mx_pe import mx_pe


@in_default_environment
def mx_tile(
    a_codes: npt.ArrayLike,
    a_scale: npt.ArrayLike,
    b_codes: npt.ArrayLike,
    b_scale: npt.ArrayLike,
    first: npt.ArrayLike,
    write: npt.ArrayLike,
    a: Mx | str,
    b: Mx | str,
    acc: Scalar | str,
    v: Scalar | str,
    rows: int,
    cols: int,
) -> Codes:
    """Return the tile's sums after each step of K: rows x cols lanes, cast to V.

    Args:
        a_codes, a_scale: (n, rows): element k of each row of A, and its block's scale.
        b_codes, b_scale: (n, cols): element k of each column of B, and its block's scale.
        first: (n,), nonzero where all sums restart from +0; an unfinished block is dropped.
        write: (n,), nonzero where the unit gives a result. It changes no sum; between the ends of
            blocks what is written are the sums of the complete ones.
        a, b, acc: formats as in `mx_pe`.
        v: the vector format of the results.
        rows, cols: size of the tile.

    Returns:
        Codes of `v`, (n, rows * cols), row-major, for every beat, written or not: each sum of
        `mx_pe`, cast once. Overflow saturates; NaN is the largest value where `v` has none.

    Raises:
        FormatError: block sizes differ, or shapes do not fit.

    Source: the systolic array of the PLENA architecture (M_MM, M_MM_WO).

    >>> from plena_cosim import golden
    >>> mx, fp32 = golden.get_format("mxint8", block_size=2), golden.get_format("fp32")
    >>> a, b, one = [[64], [32]], [[64, 32], [64, 64]], [[127], [127]]
    >>> flags, formats = ([1, 0], [0, 1]), (mx, mx, fp32, fp32)
    >>> y = golden.ops.mx_tile(a, one, b, [[127, 128]] * 2, *flags, *formats, rows=1, cols=2)
    >>> [[hex(code) for code in row] for row in y]
    [['0x0', '0x0'], ['0x3fc00000', '0x40000000']]
    """
    a, b, acc, v = as_mx(a), as_mx(b), as_scalar(acc), as_scalar(v)
    left, left_scale, right, right_scale = map(np.asarray, (a_codes, a_scale, b_codes, b_scale))
    starts, writes = np.asarray(first), np.asarray(write)
    count = starts.size
    wanted = ((count, rows), (count, rows), (count, cols), (count, cols), (count,), (count,))
    given = tuple(x.shape for x in (left, left_scale, right, right_scale, starts, writes))
    if given != wanted:
        raise FormatError(f"mx_tile: need arrays of shapes {wanted}, got {given}")
    # Lane after lane in one row of beats; each begins with a restart.
    restarts = np.tile(starts != 0, (rows * cols, 1))
    restarts[:, :1] = True
    sums = mx_pe(
        np.repeat(left.T, cols, axis=0).ravel(),
        np.repeat(left_scale.T, cols, axis=0).ravel(),
        np.tile(right.T, (rows, 1)).ravel(),
        np.tile(right_scale.T, (rows, 1)).ravel(),
        restarts.ravel(),
        a,
        b,
        acc,
    ).reshape(rows * cols, count)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NanReplacedWarning)  # V without NaN: stated above
        return cast(sums.T, acc, v)
