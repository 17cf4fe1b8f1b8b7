"""Heads in whole vectors: zeros behind each."""

from __future__ import annotations

import numpy as np

from ..golden import MxArray
from .image import Array


def padded_heads(codes: Array, heads: int, vlen: int) -> Array:
    """Return rows of heads with zeros behind each, up to whole vectors.

    Args:
        codes: (rows, heads * size).
        heads: in a row.
        vlen: of a vector.
    """
    rows, size = codes.shape[0], codes.shape[1] // heads
    found = np.zeros((rows, heads, -(-size // vlen) * vlen), codes.dtype)
    found[:, :, :size] = codes.reshape(rows, heads, size)
    return found.reshape(rows, -1)


def padded_outputs(weight: MxArray, heads: int, vlen: int) -> MxArray:
    """Return a weight whose outputs are heads, with rows of zeros behind each.

    Args:
        weight: (out, in).
        heads: that its outputs are.
        vlen: of a vector.
    """
    codes, scales = (padded_heads(x.T, heads, vlen).T for x in (weight.codes, weight.scales))
    return MxArray(codes=codes, scales=scales, mx=weight.mx, axis=1)


def padded_inputs(weight: MxArray, heads: int, vlen: int) -> MxArray:
    """Return a weight whose inputs are heads of whole blocks, padded by zero blocks.

    Args:
        weight: (out, in), blocks along the inputs.
        heads: that its inputs are.
        vlen: of a vector.
    """
    codes = padded_heads(weight.codes, heads, vlen)
    scales = padded_heads(weight.scales, heads, vlen // weight.mx.block_size)
    return MxArray(codes=codes, scales=scales, mx=weight.mx, axis=1)
