"""attention: one head in FlashAttention's order, on the matrix unit and the vector unit."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..codec import Codes, decode, encode
from ..float_environment import in_default_environment
from ..formats import FormatError, Mx, as_mx
from ..hardware import HardwareConfig
from ..mx import MxArray, quantize
from ..transcendental import reciprocal_square_root
from .add import add
from .matmul import matmul
from .mul import mul
from .online_softmax import blocks_of, online_softmax
from .reciprocal import reciprocal


@in_default_environment
def attention(
    q: MxArray,
    k: MxArray,
    v: MxArray,
    p_mx: Mx | str,
    hw: HardwareConfig,
    *,
    mask: npt.ArrayLike = 1,
    block_keys: int | None = None,
) -> Codes:
    """Return softmax(q k^T / sqrt(d)) v as the hardware computes it, a block of keys at a time.

    With V = hw.vector_format, from O = +0 and `online_softmax`'s start, for each block of keys in
    ascending order:

    1. S = matmul(q, k^T), exact block dots along d, each output cast once to V
    2. x = mul(S, RN_V(1 / sqrt(d)))
    3. p, c, l, m = online_softmax(x), masked keys with p = +0
    4. P = p quantised to `p_mx` along the keys
    5. O = add(mul(O, c), matmul(P, v)), the keys of this block only, each output cast once to V

    and at the end O = mul(O, reciprocal(l)).

    Args:
        q: MxArray (…, m, d), blocks along d.
        k: MxArray (…, n, d), blocks along d, same block size.
        v: MxArray (…, n, e), blocks along the keys.
        p_mx: format of P; its block size is that of `v`.
        hw: vector, reduction and accumulator formats.
        mask: nonzero where a query sees a key; broadcastable to (…, m, n). Causal:
            np.tri(m, n, n - m).
        block_keys: keys a block, a multiple of the block size of `v`; hw.vlen by default.

    Returns:
        Codes of V, (…, m, e). A query that sees no key has l = +0: its output is 0 * Inf = NaN, or
        0 where V has no Inf. A NaN scale of a q or k block makes its scores NaN and so the outputs
        of every query that sees them; where V has no NaN they are the largest value.

    Raises:
        FormatError: shapes, block axes or block sizes do not fit.

    Source: Dao et al., "FlashAttention", 2022, algorithm 1, with the division at the end (Dao,
    "FlashAttention-2", 2023, section 3.1).

    >>> import numpy as np
    >>> from plena_cosim import golden
    >>> mx, hw = golden.get_format("mxint8", block_size=2), golden.HardwareConfig(vlen=2)
    >>> q, k = golden.quantize([[1.0, 0.0]], mx), golden.quantize([[1.0, 0.0], [0.0, 1.0]], mx)
    >>> v = golden.quantize([[1.0], [-1.0]], mx, axis=0)
    >>> [hex(c) for c in golden.ops.attention(q, k, v, mx, hw)[0]]
    ['0x3eac']
    """
    p_mx = as_mx(p_mx)
    vector, size = hw.vector_format, hw.vlen if block_keys is None else block_keys
    _check(k, v, size)
    scores = matmul(q, _transposed(k), hw)
    scale = encode(reciprocal_square_root(q.shape[-1], 0), vector)
    blocks, selected = blocks_of(mul(scores, scale, vector), mask, lanes=size)
    first = np.zeros(blocks.shape[:-1], dtype=bool)
    first[..., 0] = True
    steps = online_softmax(
        blocks.reshape(-1, size),
        selected.reshape(-1, size),
        first.ravel(),
        vector,
        hw.reduction_format,
    )
    p = steps[0].reshape(blocks.shape)
    c, total = (step.reshape(first.shape) for step in steps[1:3])
    output: Codes | None = None
    for index in range(blocks.shape[-2]):
        keys = _keys(v, index * size, size)
        weights = decode(p[..., index, : keys.shape[-2]], vector)
        product = matmul(quantize(weights, p_mx), keys, hw)
        if output is None:
            output = np.zeros_like(product)
        output = add(mul(output, c[..., index, None], vector), product, vector)
    assert output is not None
    return mul(output, reciprocal(total[..., -1, None], vector), vector)


def _transposed(k: MxArray) -> MxArray:
    return MxArray(
        codes=np.swapaxes(k.codes, -1, -2),
        scales=np.swapaxes(k.scales, -1, -2),
        mx=k.mx,
        axis=len(k.shape) - 2,
    )


def _keys(v: MxArray, start: int, count: int) -> MxArray:
    """Return the rows start .. start + count of `v`, whole blocks."""
    size = v.mx.block_size
    return MxArray(
        codes=v.codes[..., start : start + count, :],
        scales=v.scales[..., start // size : (start + count) // size, :],
        mx=v.mx,
        axis=v.axis,
    )


def _check(k: MxArray, v: MxArray, block_keys: int) -> None:
    if len(k.shape) < 2 or len(v.shape) < 2 or k.shape[-2] != v.shape[-2]:
        raise FormatError(
            f"attention: need k (…, n, d) and v (…, n, e), got {k.shape} and {v.shape}"
        )
    if k.axis != len(k.shape) - 1 or v.axis != len(v.shape) - 2:
        raise FormatError(
            f"attention: blocks of k must run along d and those of v along the keys: axes "
            f"{len(k.shape) - 1} and {len(v.shape) - 2}, got {k.axis} and {v.axis}"
        )
    if block_keys < 1 or block_keys % v.mx.block_size:
        raise FormatError(
            f"attention: block_keys must be a multiple of v's block size {v.mx.block_size}, "
            f"got {block_keys}"
        )
