"""softmax in three passes over a row: maximum, exponentials and their sum, normalisation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..codec import Codes, check_codes
from ..float_environment import in_default_environment
from ..formats import Minifloat, as_minifloat
from .add import sub
from .cast import cast
from .exp import exp
from .mul import mul
from .reciprocal import reciprocal
from .reduce import reduce_max, reduce_rows, reduce_sum


@in_default_environment
def softmax(
    x: npt.ArrayLike,
    mask: npt.ArrayLike,
    fmt: Minifloat | str,
    red: Minifloat | str,
    *,
    lanes: int | None = None,
) -> Codes:
    """Return the softmax of each row, as a fixed sequence of operations that each round once.

    With V = `fmt` and R = `red`:

    1. m = cast_V(max of the row in R, from the lowest value of R)
    2. d = sub(x, m)
    3. e = exp(d)
    4. s = cast_V(sum of e in R, from +0)
    5. r = reciprocal(s)
    6. y = mul(e, r)

    Args:
        x: codes of `fmt`, shape (…, n).
        mask: nonzero where an element takes part, broadcastable to the shape of `x`.
        fmt: format V of elements and results.
        red: format R of the two reductions.
        lanes: VLEN; it orders the sum as `reduce_rows` does. One vector a row by default.

    Returns:
        Codes of `fmt`, shape (…, n); +0 where masked. A +Inf or NaN makes its whole row NaN.
        -Inf gives +0. A row of nothing but -Inf, or one masked throughout, has s = +0: its
        selected elements are 0 * Inf = NaN, or +0 where `fmt` has no Inf.

    Raises:
        FormatError: shapes that do not fit, or a code too wide.

    Source: docs/numerics.md; the order is that of the PLENA instructions V_RED_MAX, V_SUB, V_EXP,
    V_RED_SUM, S_RECI, V_MUL.

    >>> from plena_cosim import golden
    >>> bf16, fp32 = golden.get_format("bf16"), golden.get_format("fp32")
    >>> [hex(c) for c in golden.ops.softmax([0x3F80, 0x4000, 0x4040], 1, bf16, fp32)]   # 1, 2, 3
    ['0x3dba', '0x3e7b', '0x3f2b']
    """
    fmt, red = as_minifloat(fmt), as_minifloat(red)
    codes = check_codes(x, fmt.width_bits, fmt.name)
    largest = cast(
        reduce_rows(reduce_max, codes, lowest_code(red), fmt, red, mask=mask, lanes=lanes), red, fmt
    )
    exponentials = exp(sub(codes, largest[..., None], fmt), fmt)
    total = cast(
        reduce_rows(reduce_sum, exponentials, 0, fmt, red, mask=mask, lanes=lanes), red, fmt
    )
    results = mul(exponentials, reciprocal(total, fmt)[..., None], fmt)
    return np.where(np.asarray(mask) != 0, results, results.dtype.type(0))


def lowest_code(fmt: Minifloat) -> int:
    """Return the code of the lowest finite value."""
    return fmt.sign_mask | fmt.max_code
