"""reduce_sum and reduce_max: a vector of lanes to one number, by a balanced tree."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ..codec import Codes, NanReplacedWarning, check_codes
from ..float_environment import in_default_environment
from ..formats import FormatError, Minifloat, as_minifloat
from .add import add
from .cast import cast
from .max import max

Reduction = Callable[[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike, Minifloat, Minifloat], Codes]
"""reduce_sum, reduce_max: (x, mask, seed, src, dst) -> codes of dst."""


@in_default_environment
def reduce_sum(
    x: npt.ArrayLike,
    mask: npt.ArrayLike,
    seed: npt.ArrayLike,
    src: Minifloat | str,
    dst: Minifloat | str,
) -> Codes:
    """Return seed + the sum of the lanes that `mask` selects, each addition rounded to `dst`.

    Every lane is cast to `dst` (one rounding); a lane with mask 0 becomes -0, which changes no sum
    (+0 where `dst` has no -0).
    A balanced binary tree adds neighbours, lanes 0 and 1 first, each addition RN; a lane without a
    neighbour moves up as it is. Last, y = RN(seed + tree).

    Args:
        x: codes of `src`, shape (…, lanes), lanes >= 1.
        mask: nonzero where a lane takes part; broadcastable to the shape of `x`.
        seed: codes of `dst`, shape (…): what the sum starts from.
        src: format of the lanes, V.
        dst: format of every sum, R.

    Returns:
        Codes of `dst`, shape (…). Sums saturate. Inf - Inf and a NaN in a selected lane or the seed
        give the canonical NaN; where `dst` has no NaN, a NaN lane counts as the largest value.
        All lanes masked: y is the seed (-0 stays -0).

    Raises:
        FormatError: no lanes, shapes that do not fit, or a code too wide.

    Source: V_RED_SUM of the PLENA instruction set (fp register += sum of a vector); the order is
    that of docs/numerics.md.

    >>> from plena_cosim import golden
    >>> bf16, fp32 = golden.get_format("bf16"), golden.get_format("fp32")
    >>> x = [[0x3F80, 0x4000, 0x4040]]                                  # 1, 2, 3
    >>> [hex(c) for c in golden.ops.reduce_sum(x, [[1, 1, 0]], [0x3F000000], bf16, fp32)]
    ['0x40600000']
    """
    src, dst = as_minifloat(src), as_minifloat(dst)
    identity = dst.sign_mask if dst.has_negative_zero else 0
    return _reduce(add, identity, "reduce_sum", x, mask, seed, src, dst)


@in_default_environment
def reduce_max(
    x: npt.ArrayLike,
    mask: npt.ArrayLike,
    seed: npt.ArrayLike,
    src: Minifloat | str,
    dst: Minifloat | str,
) -> Codes:
    """Return the largest of the seed and the lanes that `mask` selects, in `dst`.

    The same tree as `reduce_sum` with `max` at its nodes: y = max(seed, tree). A lane with mask 0
    becomes NaN, which loses to every number, or the lowest value where `dst` has no NaN.

    Args:
        x, mask, seed, src, dst: as in `reduce_sum`.

    Returns:
        Codes of `dst`, shape (…). NaN only where the seed and all selected lanes are NaN; +0 is
        larger than -0. All lanes masked: y is the seed.

    Raises:
        FormatError: as in `reduce_sum`.

    Source: V_RED_MAX of the PLENA instruction set.

    >>> from plena_cosim import golden
    >>> bf16, fp32 = golden.get_format("bf16"), golden.get_format("fp32")
    >>> x = [[0x3F80, 0x7FC0, 0x4040]]                                  # 1, NaN, 3
    >>> [hex(c) for c in golden.ops.reduce_max(x, [[1, 1, 0]], [0x3F000000], bf16, fp32)]
    ['0x3f800000']
    """
    src, dst = as_minifloat(src), as_minifloat(dst)
    identity = dst.nan_code if dst.has_nan else dst.sign_mask | dst.max_code
    return _reduce(max, identity, "reduce_max", x, mask, seed, src, dst)


@in_default_environment
def reduce_rows(
    reduction: Reduction,
    x: npt.ArrayLike,
    seed: npt.ArrayLike,
    src: Minifloat | str,
    dst: Minifloat | str,
    *,
    mask: npt.ArrayLike = 1,
    lanes: int | None = None,
) -> Codes:
    """Return the reduction of rows of any length on hardware with `lanes` lanes.

    A row is cut into vectors of `lanes`, taken in ascending order, the seed of each being the
    result of the one before; the lanes that a short last vector leaves empty are masked.

    Args:
        reduction: reduce_sum or reduce_max.
        x: codes of `src`, shape (…, n), n >= 1.
        seed, src, dst: as in `reduce_sum`.
        mask: nonzero where an element takes part; broadcastable to the shape of `x`.
        lanes: VLEN, >= 1; the length of a row by default.

    Returns:
        Codes of `dst`, shape (…).

    Raises:
        FormatError: as in `reduce_sum`, or lanes < 1.

    >>> from plena_cosim import golden
    >>> bf16, fp32 = golden.get_format("bf16"), golden.get_format("fp32")
    >>> ops = golden.ops
    >>> row = [0x3F80, 0x4000, 0x4040]                                  # 1, 2, 3
    >>> hex(ops.reduce_rows(ops.reduce_sum, row, 0, bf16, fp32, lanes=2))
    '0x40c00000'
    """
    src, dst = as_minifloat(src), as_minifloat(dst)
    codes = check_codes(x, src.width_bits, f"reduce_rows x ({src.name})")
    if codes.ndim == 0 or codes.shape[-1] == 0:
        raise FormatError(f"reduce_rows: need rows of at least one lane, got shape {codes.shape}")
    length = codes.shape[-1]
    size = length if lanes is None else lanes
    if size < 1:
        raise FormatError(f"reduce_rows: lanes must be at least 1, got {size}")
    empty = [(0, 0)] * (codes.ndim - 1) + [(0, -length % size)]
    vectors = np.pad(codes, empty)
    selected = np.pad(np.broadcast_to(np.asarray(mask) != 0, codes.shape), empty)
    total = check_codes(seed, dst.width_bits, f"reduce_rows seed ({dst.name})")
    for start in range(0, length, size):
        piece = slice(start, start + size)
        total = reduction(vectors[..., piece], selected[..., piece], total, src, dst)
    return total


def _reduce(
    combine: Callable[[Codes, Codes, Minifloat], Codes],
    identity: int,
    name: str,
    x: npt.ArrayLike,
    mask: npt.ArrayLike,
    seed: npt.ArrayLike,
    src: Minifloat,
    dst: Minifloat,
) -> Codes:
    codes = check_codes(x, src.width_bits, f"{name} x ({src.name})")
    start = check_codes(seed, dst.width_bits, f"{name} seed ({dst.name})")
    selected = np.asarray(mask) != 0
    if codes.ndim == 0 or codes.shape[-1] == 0:
        raise FormatError(f"{name}: need x of at least one lane, got shape {codes.shape}")
    if np.broadcast_shapes(codes.shape, selected.shape) != codes.shape:
        raise FormatError(f"{name}: mask of shape {selected.shape} does not fit x {codes.shape}")
    if start.ndim and start.shape != codes.shape[:-1]:
        raise FormatError(
            f"{name}: need one seed a vector, {codes.shape[:-1]}, got shape {start.shape}"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NanReplacedWarning)  # stated in the docstrings
        level = cast(codes, src, dst)
    level = np.where(selected, level, level.dtype.type(identity))
    while level.shape[-1] > 1:
        pairs = level.shape[-1] // 2
        combined = combine(level[..., 0 : 2 * pairs : 2], level[..., 1 : 2 * pairs : 2], dst)
        level = np.concatenate([combined, level[..., 2 * pairs :]], axis=-1)
    return combine(start, level[..., 0], dst)
