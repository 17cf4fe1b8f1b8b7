"""mx_mm, mx_mv, mx_bmm: the matrix unit's products, a slice of K at a time."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt

from ..codec import Codes, NanReplacedWarning
from ..float_environment import in_default_environment
from ..formats import FormatError, Mx, Scalar, as_mx, as_scalar
from .cast import cast
from .dot import mx_dot, require_same_block


@in_default_environment
def mx_bmm(
    a_codes: npt.ArrayLike,
    a_scale: npt.ArrayLike,
    b_codes: npt.ArrayLike,
    b_scale: npt.ArrayLike,
    transposed: npt.ArrayLike,
    first: npt.ArrayLike,
    write: npt.ArrayLike,
    a: Mx | str,
    b: Mx | str,
    acc: Scalar | str,
    v: Scalar | str,
    heads: int,
    rows: int,
    cols: int,
    depth: int,
) -> Codes:
    """Return the sums after each slice of K: per head acc += (rows, depth) @ (depth, cols).

    Args:
        a_codes: (n, heads * rows * depth): per head a slice of A, row-major.
        a_scale: (n, heads * rows * depth / block_size): (rows, blocks) a head; all blocks run along
            depth.
        b_codes: (n, heads * depth * cols): per head a slice of B, (depth, cols) row-major, or
            (cols, depth) row-major where `transposed`.
        b_scale: (n, heads * depth / block_size * cols): (blocks, cols) a head, or (cols, blocks)
            where `transposed`.
        transposed: (n,), nonzero where b comes as (cols, depth).
        first: (n,), nonzero where all sums restart from +0 before this slice.
        write: (n,), nonzero where the unit gives a result; it changes no sum.
        a, b, acc: formats as in `mx_dot`.
        v: the vector format of the results.
        heads, rows, cols, depth: sizes; depth is a multiple of the block size.

    Returns:
        Codes of `v`, (n, heads * rows * cols), row-major per head, for every beat, written or not:
        the sums of `matmul` over all slices since `first`, in ascending order. Overflow saturates;
        NaN is the largest value where `v` has none.

    Raises:
        FormatError: block sizes differ, depth is no multiple of them, or shapes do not fit.

    Source: M_BMM and M_BTMM of the PLENA instruction set.

    >>> from plena_cosim import golden
    >>> mx, fp32 = golden.get_format("mxint8", block_size=1), golden.get_format("fp32")
    >>> a, b, one = [[64, 32]], [[64, 16]], [[127, 127]]                 # two heads of 1 x 1 x 1
    >>> flags, size = ([0], [1], [1]), {"heads": 2, "rows": 1, "cols": 1, "depth": 1}
    >>> y = golden.ops.mx_bmm(a, one, b, one, *flags, mx, mx, fp32, fp32, **size)
    >>> [hex(code) for code in y[0]]
    ['0x3f800000', '0x3e000000']
    """
    a, b, acc, v = as_mx(a), as_mx(b), as_scalar(acc), as_scalar(v)
    require_same_block(a, b)
    size = a.block_size
    if depth < 1 or depth % size:
        raise FormatError(f"mx_bmm: depth {depth} is no positive multiple of block size {size}")
    blocks = depth // size
    arrays = [np.asarray(x) for x in (a_codes, a_scale, b_codes, b_scale, transposed, first, write)]
    count = len(arrays[0])
    lanes = (rows * depth, rows * blocks, cols * depth, cols * blocks)
    wanted = [*((count, heads * number) for number in lanes), *[(count,)] * 3]
    given = [array.shape for array in arrays]
    if given != wanted:
        raise FormatError(f"mx_bmm: need arrays of shapes {wanted}, got {given}")

    left = arrays[0].reshape(count, heads, rows, blocks, size)
    left_scale = arrays[1].reshape(count, heads, rows, blocks)
    flipped = arrays[4] != 0
    right = _columns(arrays[2], flipped, heads, depth).reshape(count, heads, cols, blocks, size)
    right_scale = _columns(arrays[3], flipped, heads, blocks)
    # Output after output in one row of blocks; each begins with a restart.
    begins = np.zeros((heads, rows, cols, count, blocks), dtype=bool)
    begins[..., 0] = arrays[5] != 0
    begins[..., :1, 0] = True
    totals = mx_dot(
        _for_each_output(left, 2, begins.shape),
        _for_each_output(left_scale, 2, begins.shape),
        _for_each_output(right, 1, begins.shape),
        _for_each_output(right_scale, 1, begins.shape),
        begins.ravel(),
        a,
        b,
        acc,
    )
    sums = totals.reshape(heads * rows * cols, count, blocks)[:, :, -1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NanReplacedWarning)  # V without NaN: stated above
        return cast(sums.T, acc, v)


def _columns(
    given: npt.NDArray[np.int64], transposed: npt.NDArray[np.bool_], heads: int, length: int
) -> npt.NDArray[np.int64]:
    """Return b by columns, (n, heads, cols, length), whatever order each beat has."""
    count, lanes = given.shape
    cols = lanes // (heads * length)
    by_columns = given.reshape(count, heads, cols, length)
    by_rows = given.reshape(count, heads, length, cols).swapaxes(-1, -2)
    return np.where(transposed[:, None, None, None], by_columns, by_rows)


def _for_each_output(
    lines: npt.NDArray[np.int64], axis: int, outputs: tuple[int, ...]
) -> npt.NDArray[np.int64]:
    """Return (n, heads, lines, blocks, …) repeated along an axis of `outputs`, block after block.

    `outputs` is (heads, rows, cols, n, blocks): rows of A repeat along axis 2, columns of B along
    axis 1.
    """
    moved = np.moveaxis(lines, 0, 2)
    tail = moved.shape[4:]
    return np.broadcast_to(np.expand_dims(moved, axis), (*outputs, *tail)).reshape(-1, *tail)


@in_default_environment
def mx_mm(
    a_codes: npt.ArrayLike,
    a_scale: npt.ArrayLike,
    b_codes: npt.ArrayLike,
    b_scale: npt.ArrayLike,
    transposed: npt.ArrayLike,
    first: npt.ArrayLike,
    write: npt.ArrayLike,
    a: Mx | str,
    b: Mx | str,
    acc: Scalar | str,
    v: Scalar | str,
    rows: int,
    cols: int,
    depth: int,
) -> Codes:
    """Return the sums after each slice of K: acc += (rows, depth) @ (depth, cols).

    Arguments, results and errors are those of `mx_bmm`, with one head.

    Source: M_MM and M_TMM of the PLENA instruction set, (BLEN, MLEN) @ (MLEN, BLEN).

    >>> from plena_cosim import golden
    >>> mx, fp32 = golden.get_format("mxint8", block_size=2), golden.get_format("fp32")
    >>> a, b, size = [[64, 32]], [[64, 16, 32, 64]], {"rows": 1, "cols": 2, "depth": 2}
    >>> for transposed in ([0], [1]):
    ...     y = golden.ops.mx_mm(
    ...         a, [[127]], b, [[127, 127]], transposed, [1], [1], mx, mx, fp32, fp32, **size
    ...     )
    ...     print([hex(code) for code in y[0]])
    ['0x3fa00000', '0x3f400000']
    ['0x3f900000', '0x3f800000']
    """
    a, b, acc, v = as_mx(a), as_mx(b), as_scalar(acc), as_scalar(v)
    arrays = (a_codes, a_scale, b_codes, b_scale, transposed, first, write)
    return mx_bmm(*arrays, a, b, acc, v, 1, rows, cols, depth)


@in_default_environment
def mx_mv(
    a_codes: npt.ArrayLike,
    a_scale: npt.ArrayLike,
    b_codes: npt.ArrayLike,
    b_scale: npt.ArrayLike,
    transposed: npt.ArrayLike,
    first: npt.ArrayLike,
    write: npt.ArrayLike,
    a: Mx | str,
    b: Mx | str,
    acc: Scalar | str,
    v: Scalar | str,
    cols: int,
    depth: int,
) -> Codes:
    """Return the sums after each slice of K: acc += (1, depth) @ (depth, cols).

    Arguments, results and errors are those of `mx_bmm`, with one head and one row.

    Source: M_MV and M_TMV of the PLENA instruction set, (1, MLEN) @ (MLEN, MLEN).

    >>> from plena_cosim import golden
    >>> mx, fp32 = golden.get_format("mxint8", block_size=1), golden.get_format("fp32")
    >>> a, b, flags = ([[64]], [[127]]), ([[64, 32]], [[127, 127]]), ([0], [1], [1])
    >>> y = golden.ops.mx_mv(*a, *b, *flags, mx, mx, fp32, fp32, cols=2, depth=1)
    >>> [hex(code) for code in y[0]]
    ['0x3f800000', '0x3f000000']
    """
    a, b, acc, v = as_mx(a), as_mx(b), as_scalar(acc), as_scalar(v)
    arrays = (a_codes, a_scale, b_codes, b_scale, transposed, first, write)
    return mx_bmm(*arrays, a, b, acc, v, 1, 1, cols, depth)
