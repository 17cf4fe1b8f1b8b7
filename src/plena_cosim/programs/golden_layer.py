"""What golden's operations make of the steps that programs of a layer take: the codes to expect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..golden import Minifloat, Mx, MxArray, encode, ops, quantize
from ..golden.codec import decode
from ..golden.hardware import HardwareConfig
from .attention import Heads
from .image import Array


def linear(x: Array, w: MxArray, operand: Mx, hw: HardwareConfig) -> Array:
    """Return what a linear layer leaves, codes of V, (rows, N).

    Args:
        x: codes of V, (rows, K).
        w: (N, K), blocks along K.
        operand: what `x` is quantised to.
        hw: the machine.
    """
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


@dataclass(frozen=True, kw_only=True)
class GoldenLayer:
    """A decoder layer's weights and formats.

    Attributes:
        before, between: gains of the norms, codes of V.
        eps: of the norms.
        weights: by the names q, k, v, o, gate, up, down, (out, in).
        operand: what inputs of linear layers are quantised to.
        heads: of attention.
        stored, scores, outputs: as for `attention`.
    """

    before: Array
    between: Array
    eps: float
    weights: dict[str, MxArray]
    operand: Mx
    heads: Heads
    stored: Mx | Minifloat
    scores: Mx
    outputs: Mx


def decoder_layer(
    x: Array, layer: GoldenLayer, cos: Array, sin: Array, allowed: Array, hw: HardwareConfig
) -> Array:
    """Return what leaves a decoder layer, codes of V, (tokens, hidden).

    Args:
        x: codes of V, (tokens, hidden).
        layer: weights and formats.
        cos, sin: codes of V, (tokens, head).
        allowed: (tokens, tokens) bool.
        hw: the machine.
    """
    v, heads = hw.vector_format, layer.heads

    def normed(x: Array, gain: Array) -> Array:
        eps = encode(layer.eps, v)
        return ops.rms_norm(x, gain, eps, v, hw.reduction_format, lanes=hw.vlen)

    def project(name: str, x: Array) -> Array:
        return linear(x, layer.weights[name], layer.operand, hw)

    def turned(x: Array, count: int) -> Array:
        c, s = (np.tile(table, (1, count)) for table in (cos, sin))
        return ops.rope(x, c, s, v, stride=heads.size // 2)

    h = normed(x, layer.before)
    attended = attention(
        turned(project("q", h), heads.query),
        turned(project("k", h), heads.key),
        project("v", h),
        allowed,
        hw,
        heads=heads,
        stored=layer.stored,
        scores=layer.scores,
        outputs=layer.outputs,
    )
    x = ops.add(x, project("o", attended), v)
    h = normed(x, layer.between)
    gated = ops.swiglu(project("gate", h), project("up", h), v)
    return ops.add(x, project("down", gated), v)
