"""What golden's operations make of the steps that programs of a layer take: the codes to expect."""

from __future__ import annotations

import numpy as np

from ..golden import Minifloat, Mx, MxArray, encode, ops, quantize
from ..golden.codec import decode
from ..golden.hardware import HardwareConfig
from .attention import Heads
from .image import Array


def linear(x: Array, w: MxArray, operand: Mx, hw: HardwareConfig) -> Array:
    """Return codes of V: x (rows, K), quantised to `operand`, times w (N, K) turned."""
    turned = MxArray(codes=w.codes.T, scales=w.scales.T, mx=w.mx, axis=0)
    return ops.matmul(quantize(decode(x, hw.vector_format), operand), turned, hw)


def cached(x: Array, type_: Mx | Minifloat, v: Minifloat) -> Array:
    """Return codes of V as they come back from a type, blocks along rows.

    Args:
        x: codes of V, (rows, columns).
        type_: what they are stored as.
        v: the vector format.
    """
    if isinstance(type_, Mx):
        return encode(quantize(decode(x, v), type_).dequantize(), v)
    return ops.cast(ops.cast(x, v, type_), type_, v)


def attention(
    q: Array,
    k: Array,
    v: Array,
    allowed: Array,
    hw: HardwareConfig,
    *,
    heads: Heads,
    stored: Mx | Minifloat,
    scores: Mx,
    outputs: Mx,
    flash: bool = False,
) -> Array:
    """Return what attention leaves, codes of V, (queries, heads).

    Args:
        q: codes of V, (queries, heads beside each other).
        k, v: codes of V, (keys, heads of keys), before they are cached.
        allowed: (queries, keys) bool.
        hw: the machine.
        heads: how many, and their size.
        stored: what keys and values are cached as.
        scores, outputs: formats of the operands of the two products.
        flash: in FlashAttention's order, else in three passes.
    """
    vector, d = hw.vector_format, heads.size
    keys = -(-k.shape[0] // hw.mlen) * hw.mlen
    seen = np.zeros((q.shape[0], keys), bool)
    seen[:, : k.shape[0]] = allowed
    parts = []
    for head in range(heads.query):
        at = head // (heads.query // heads.key)
        mine = [cached(x[:, at * d : (at + 1) * d], stored, vector) for x in (k, v)]
        whole = np.zeros((2, keys, d), q.dtype)
        whole[:, : k.shape[0]] = mine
        values = decode(whole, vector)
        query = quantize(decode(q[:, head * d : (head + 1) * d], vector), scores)
        key, value = quantize(values[0], scores), quantize(values[1], outputs, axis=0)
        if flash:
            parts.append(
                ops.attention(query, key, value, outputs, hw, mask=seen, block_keys=hw.mlen)
            )
            continue
        turned = MxArray(codes=key.codes.T, scales=key.scales.T, mx=scores, axis=0)
        found = ops.mul(ops.matmul(query, turned, hw), encode(d**-0.5, vector), vector)
        p = ops.softmax(found, seen, vector, hw.reduction_format, lanes=hw.vlen)
        parts.append(ops.matmul(quantize(decode(p, vector), outputs), value, hw))
    return np.concatenate(parts, axis=1)
