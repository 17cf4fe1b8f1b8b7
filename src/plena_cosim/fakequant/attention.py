"""attention: heads in FlashAttention's order, on values."""

from __future__ import annotations

import torch
from torch import Tensor

from plena_cosim.golden import FormatError, HardwareConfig, Mx
from plena_cosim.golden.formats import as_mx

from .backend import operation
from .constant import rsqrt_value
from .matmul import matmul
from .max import larger
from .mx_tensor import MxTensor
from .operands import selection
from .quantize import quantize_mx
from .rounder import rounder
from .softmax import row_max, row_sum
from .unary import lookup


@operation
def attention(
    q: MxTensor,
    k: MxTensor,
    v: MxTensor,
    p_mx: Mx | str,
    hw: HardwareConfig,
    *,
    mask: Tensor | int = 1,
    block_keys: int | None = None,
) -> Tensor:
    """Return softmax(q k^T / sqrt(d)) v, a block of keys at a time: golden.ops.attention.

    Args:
        q: (…, m, d), blocks along d.
        k: (…, n, d), blocks along d, same block size.
        v: (…, n, e), blocks along the keys. Leading axes of all three broadcast.
        p_mx: format of the probabilities; its block size is that of `v`.
        hw: vector format (up to 16 bits), reduction and accumulator formats.
        mask: nonzero where a query sees a key; broadcastable to (…, m, n).
        block_keys: keys a block, a multiple of the block size of `v`; hw.vlen by default.

    Returns:
        Values of hw.vector_format, (…, m, e); a query that sees no key gives what golden gives.

    Raises:
        FormatError: shapes, block axes or block sizes do not fit, or the vector format is too wide.
        ExactnessError: TF32, reduced-precision products or flush-to-zero are on.

    >>> from plena_cosim import golden
    >>> mx, hw = golden.get_format("mxint8", block_size=2), golden.HardwareConfig(vlen=2)
    >>> q, k = quantize_mx(torch.tensor([[1.0, 0.0]]), mx), quantize_mx(torch.eye(2), mx)
    >>> attention(q, k, quantize_mx(torch.tensor([[1.0], [-1.0]]), mx, axis=0), mx, hw)
    tensor([[0.3359]])
    """
    p_mx = as_mx(p_mx)
    size = hw.vlen if block_keys is None else block_keys
    _check(k, v, size)
    fmt, red, unit = hw.vector_format, hw.reduction_format, rounder(hw.vector_format)
    scores = matmul(q, k.mT, hw)
    scores = unit.mul(scores, scores.new_full((1,), rsqrt_value(q.shape[-1], fmt)))
    selected = selection(mask, scores)
    if selected is not None:
        selected = selected.expand(scores.shape)
    top = scores.new_full((*scores.shape[:-1], 1), -fmt.max_value)
    total, output = torch.zeros_like(top), scores.new_zeros(1)
    for start in range(0, scores.shape[-1], size):
        x = scores[..., start : start + size]
        seen = None if selected is None else selected[..., start : start + size]
        before, top = top, larger(top, row_max(x, seen, fmt, red))
        shrink = lookup("exp", unit.sub(before, top), fmt)
        p = lookup("exp", unit.sub(x, top), fmt)
        if seen is not None:
            p.masked_fill_(~seen, 0.0)
        total = unit.add(unit.mul(total, shrink), row_sum(p, seen, fmt, red, lanes=None))
        product = matmul(quantize_mx(p, p_mx), _keys(v, start, size), hw)
        output = unit.add(unit.mul(output, shrink), product)
    return unit.mul(output, lookup("reciprocal", total, fmt))


def _keys(v: MxTensor, start: int, count: int) -> MxTensor:
    """Return the rows start .. start + count of `v`, whole blocks."""
    size = v.mx.block_size
    return MxTensor(
        values=v.values[..., start : start + count, :],
        scales=v.scales[..., start // size : (start + count) // size, :],
        mx=v.mx,
        axis=v.axis,
    )


def _check(k: MxTensor, v: MxTensor, block_keys: int) -> None:
    if k.values.ndim < 2 or v.values.ndim < 2 or k.shape[-2] != v.shape[-2]:
        raise FormatError(
            f"attention: need k (…, n, d) and v (…, n, e), got {tuple(k.shape)} and "
            f"{tuple(v.shape)}"
        )
    if k.axis != k.values.ndim - 1 or v.axis != v.values.ndim - 2:
        raise FormatError(
            f"attention: blocks of k must run along d and those of v along the keys: axes "
            f"{k.values.ndim - 1} and {v.values.ndim - 2}, got {k.axis} and {v.axis}"
        )
    if block_keys < 1 or block_keys % v.mx.block_size:
        raise FormatError(
            f"attention: block_keys must be a multiple of v's block size {v.mx.block_size}, "
            f"got {block_keys}"
        )
