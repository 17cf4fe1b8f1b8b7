"""attention_step: attention as the unit in gates does it, a query and a block of keys a beat."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..codec import Codes, encode
from ..float_environment import in_default_environment
from ..formats import FormatError, Minifloat, Mx, Scalar, as_minifloat, as_mx, as_scalar
from ..transcendental import reciprocal_square_root
from .add import add
from .convert import fp_to_mx
from .mul import mul
from .mx_mm import mx_mv
from .online_softmax import online_softmax, scan
from .reciprocal import reciprocal


@in_default_environment
def attention_step(
    q_codes: npt.ArrayLike,
    q_scale: npt.ArrayLike,
    k_codes: npt.ArrayLike,
    k_scale: npt.ArrayLike,
    v_codes: npt.ArrayLike,
    v_scale: npt.ArrayLike,
    mask: npt.ArrayLike,
    first: npt.ArrayLike,
    last: npt.ArrayLike,
    q: Mx | str,
    k: Mx | str,
    p: Mx | str,
    v: Mx | str,
    acc: Scalar | str,
    fmt: Minifloat | str,
    red: Minifloat | str,
    keys: int,
    depth: int,
    cols: int,
) -> Codes:
    """Return the output of each query over the keys so far: step 1 to 5 of `attention` a beat.

    A query goes through its blocks of keys beat after beat; with `last` the unit divides and gives
    the result. In a row of beats with first = 1, 0, …, 0 and last = 0, …, 0, 1 that is a row of
    `attention` with block_keys = keys; keys missing in the last block are masked.

    Args:
        q_codes, q_scale: the query, (n, depth) and (n, depth / block_size).
        k_codes, k_scale: the keys, (n, keys * depth) key by key, and one scale a block of depth.
        v_codes, v_scale: the values, (n, cols * keys) column by column so that blocks run along
            the keys, and one scale a block.
        mask: (n, keys), nonzero where the query sees a key.
        first: (n,), nonzero where a query begins: O = +0, and `online_softmax` starts.
        last: (n,), nonzero where the unit gives a result; it changes no state.
        q, k, p, v: formats of queries, keys, probabilities and values, of one block size.
        acc, fmt, red: accumulator, vector and reduction formats.
        keys, depth, cols: sizes; keys and depth are multiples of the block size.

    Returns:
        Codes of `fmt`, (n, cols), for every beat, last or not. Specials are those of `attention`;
        a masked key's v still counts, times +0: a NaN scale there makes the output NaN.

    Raises:
        FormatError: block sizes differ, sizes are no multiples of them, or shapes do not fit.

    Source: as `attention`.

    >>> from plena_cosim import golden
    >>> mx = golden.get_format("mxint8", block_size=2)
    >>> bf16, fp32 = golden.get_format("bf16"), golden.get_format("fp32")
    >>> q, k, v = [[64, 0]], [[64, 0, 0, 64]], [[64, 192]]       # 1, 0; 1, 0 and 0, 1; 1 and -1
    >>> operands, ones = (q, [[127]], k, [[127, 127]], v, [[127]]), ([[1, 1]], [1], [1])
    >>> formats, sizes = (mx, mx, mx, mx, fp32, bf16, fp32), {"keys": 2, "depth": 2, "cols": 1}
    >>> [hex(c) for c in golden.ops.attention_step(*operands, *ones, *formats, **sizes)[0]]
    ['0x3eac']
    """
    q = as_mx(q)
    k = as_mx(k)
    p = as_mx(p)
    v = as_mx(v)
    acc = as_scalar(acc)
    fmt = as_minifloat(fmt)
    red = as_minifloat(red)
    if keys % p.block_size or depth % q.block_size:
        raise FormatError(
            f"attention_step: keys {keys} and depth {depth} must be multiples of the block size "
            f"{p.block_size}"
        )
    restart = np.asarray(first) != 0
    count = restart.size
    every = np.ones(count, dtype=np.uint8)
    flags = (every, every, every)  # b by columns, a sum of its own, written
    scores = mx_mv(
        q_codes, q_scale, k_codes, k_scale, *flags, q, k, acc, fmt, cols=keys, depth=depth
    )
    scale = encode(reciprocal_square_root(depth, 0), fmt)
    weights, c, total, _ = online_softmax(mul(scores, scale, fmt), mask, restart, fmt, red)
    p_codes, p_scale = fp_to_mx(weights.reshape(-1, p.block_size), fmt, p)
    rows = (p_codes.reshape(count, -1), p_scale.reshape(count, -1))
    product = mx_mv(*rows, v_codes, v_scale, *flags, p, v, acc, fmt, cols=cols, depth=keys)
    # Column after column in one row of beats; each begins with a restart.
    begins = np.tile(restart, (cols, 1))
    begins[:, :1] = True
    shrink = np.tile(c, cols)
    output = scan(
        lambda o, c, added: add(mul(o, c, fmt), added, fmt),
        product.dtype.type(0),
        begins.ravel(),
        shrink,
        product.T.ravel(),
    )
    return mul(output.reshape(cols, count).T, reciprocal(total, fmt)[:, None], fmt)
