"""Rotating a contraction axis by Hadamard matrices: outliers spread, the product stays."""

from __future__ import annotations

import torch
from torch import Tensor

from plena_cosim.golden import FormatError


def rotation_size(length: int, wanted: int | None, where: str) -> int:
    """Return the size of the blocks that are rotated: a power of two that divides `length`.

    Args:
        length: of the contraction axis.
        wanted: the size, or None for the largest that fits.
        where: for messages.

    Raises:
        FormatError: `wanted` does not fit.
    """
    largest = length & -length
    size = largest if wanted is None else wanted
    if size < 2 or size & (size - 1) or length % size:
        raise FormatError(
            f"{where}: online_rotate must be a power of two that divides the contraction axis of "
            f"{length} elements (2 … {largest}), got {size}"
        )
    return size


def rotate(x: Tensor, size: int) -> Tensor:
    """Return x with consecutive blocks of its last axis multiplied by an orthonormal Hadamard.

    The matrix is symmetric and its own inverse (Sylvester's order, as golden.ops.hadamard), so that
    rotating both operands of a product along the contraction axis leaves the product as it was.
    """
    shape, step = x.shape, 1
    while step < size:
        pairs = x.reshape(*shape[:-1], -1, 2, step)
        low, high = pairs[..., 0, :], pairs[..., 1, :]
        x = torch.stack([low + high, low - high], dim=-2).reshape(shape)
        step *= 2
    scaled: Tensor = x * size**-0.5
    return scaled
