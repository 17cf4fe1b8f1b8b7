"""Rotating a contraction axis by Hadamard matrices: outliers spread, the product stays."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from plena_cosim.golden import FormatError

DENSE = 128
"""Largest block that is one matrix product; larger ones are products of two."""
_MANY = 64
"""Products of fewer rows may sum in another order: MKL has kernels of their own for 1 to 3 rows a
thread (seen with AVX2), so that rows of zeros fill them up."""


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
            f"{where}: online_rotate, or size in [rotation], must be a power of two that divides "
            f"the contraction axis of {length} elements (2 … {largest}), got {size}"
        )
    return size


def rotate(x: Tensor, size: int) -> Tensor:
    """Return x with consecutive blocks of its last axis multiplied by an orthonormal Hadamard.

    The matrix is symmetric and its own inverse (Sylvester's order, as golden.ops.hadamard), so that
    rotating both operands of a product along the contraction axis leaves the product as it was.

    Each block is one row of an ordinary matrix product, so its bits depend neither on the blocks
    beside it nor on how many there are; they are golden's where no sum rounds. bfloat16 and float16
    are rotated in float32 and rounded once.

    Args:
        x: floating-point tensor, its last axis a multiple of `size`.
        size: a power of two.

    Raises:
        FormatError: blocks would span two rows.
    """
    if x.shape[-1] % size:
        raise FormatError(f"cannot rotate rows of {x.shape[-1]} elements in blocks of {size}")
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    with torch.autocast(x.device.type, enabled=False):
        return _blocks(wide, size).reshape(x.shape).to(x.dtype)


def _blocks(x: Tensor, size: int) -> Tensor:
    """Return blocks times the matrix, of any shape with the elements of `x`."""
    if size > DENSE:
        # H of size n * DENSE is H of n times H of DENSE by Kronecker: first within, then across.
        within = _blocks(x, DENSE).reshape(-1, size // DENSE, DENSE).mT
        return _blocks(within, size // DENSE).reshape(-1, DENSE, size // DENSE).mT
    rows = x.reshape(-1, size)
    if len(rows) < _MANY:
        rows = functional.pad(rows, (0, 0, 0, _MANY - len(rows)))
    turned: Tensor = rows @ hadamard_matrix(size, x.dtype, x.device)
    return turned[: x.numel() // size]


@lru_cache(maxsize=64)
def hadamard_matrix(size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the orthonormal Hadamard matrix of a power of two, in Sylvester's order."""
    with torch.inference_mode(mode=False):  # a constant for calls with and without gradients
        signs = torch.ones(1, 1, dtype=torch.float64, device="cpu")
        while signs.shape[0] < size:
            signs = torch.cat([torch.cat([signs, signs], dim=1), torch.cat([signs, -signs], dim=1)])
        matrix: Tensor = (signs * size**-0.5).to(dtype).to(device)
        return matrix
