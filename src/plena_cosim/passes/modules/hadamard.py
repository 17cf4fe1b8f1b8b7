"""Rotating a contraction axis by Hadamard matrices: outliers spread, the product stays."""

from __future__ import annotations

import importlib
from collections.abc import Callable
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
    _require_whole_blocks(x, size)
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    with torch.autocast(x.device.type, enabled=False):
        return _blocks(wide, size).reshape(x.shape).to(x.dtype)


MATRICES = "matrix products"
KERNEL = "fast_hadamard_transform"
"""What rotates, in the words of a record."""

_KERNEL_SIZES = range(8, 32768 + 1)
_KERNEL_DTYPES = (torch.float32, torch.float16, torch.bfloat16)


def rotation_path(device: torch.device) -> str:
    """Return what `rotate_online` computes with on a device: KERNEL or MATRICES.

    Blocks below 8 elements or above 32768, and float64, are matrix products everywhere.
    """
    return KERNEL if device.type == "cuda" and _kernel() is not None else MATRICES


def rotate_online(x: Tensor, size: int) -> Tensor:
    """Return `rotate(x, size)` as fast as the device can: for activations in fake numerics.

    On CUDA that is the kernel of the package fast-hadamard-transform, where it is installed. It
    sums in float32 and rounds once, as `rotate` does, but in another order. Weights are rotated
    once, by `rotate`; exact numerics by `fakequant.hadamard`, which is golden's everywhere.

    Args:
        x: floating-point tensor, its last axis a multiple of `size`.
        size: a power of two.

    Raises:
        FormatError: blocks would span two rows.
    """
    kernel = _kernel() if rotation_path(x.device) == KERNEL else None
    if kernel is None or size not in _KERNEL_SIZES or x.dtype not in _KERNEL_DTYPES:
        return rotate(x, size)
    _require_whole_blocks(x, size)
    return kernel(x.reshape(-1, size), scale=size**-0.5).reshape(x.shape)


@lru_cache(maxsize=1)
def _kernel() -> Callable[..., Tensor] | None:
    """Return the package's function, or None where it is not installed, or cannot be loaded."""
    try:
        found: Callable[..., Tensor] = importlib.import_module(KERNEL).hadamard_transform
    except (ImportError, AttributeError, OSError):
        return None
    return found


def _require_whole_blocks(x: Tensor, size: int) -> None:
    if x.shape[-1] % size:
        raise FormatError(f"cannot rotate rows of {x.shape[-1]} elements in blocks of {size}")


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
    """Return the orthonormal Hadamard matrix of a power of two, in Sylvester's order.

    Args:
        size: a power of two.
        dtype: of the result; entries are computed in float64 and rounded once.
        device: of the result.

    Returns:
        (size, size).
    """
    with torch.inference_mode(mode=False):  # a constant for calls with and without gradients
        signs = torch.ones(1, 1, dtype=torch.float64, device="cpu")
        while signs.shape[0] < size:
            signs = torch.cat([torch.cat([signs, signs], dim=1), torch.cat([signs, -signs], dim=1)])
        matrix: Tensor = (signs * size**-0.5).to(dtype).to(device)
        return matrix
