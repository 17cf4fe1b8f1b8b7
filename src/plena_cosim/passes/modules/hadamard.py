"""Rotating a contraction axis by Hadamard matrices: outliers spread, the product stays."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from plena_cosim.golden import FormatError
from plena_cosim.golden.hadamard_matrices import hadamard_matrix as signs_of_order
from plena_cosim.golden.hadamard_sizes import hadamard_order, require_hadamard_size

DENSE = 128
"""Largest block that is one matrix product, but for the orders K from 132 to 172; larger ones are
products of two."""
_MANY = 64
"""Products of fewer rows may sum in another order: MKL has kernels of their own for 1 to 3 rows a
thread (seen with AVX2), so that rows of zeros fill them up."""


def rotation_size(length: int, wanted: int | None, where: str) -> int:
    """Return the size of the blocks that are rotated: one that divides `length`.

    Args:
        length: of the contraction axis.
        wanted: the size, a power of two or K * 2^r, K = 12, 20 … 172; None: the largest power of
            two that fits.
        where: for messages.

    Raises:
        FormatError: `wanted` does not fit; the message names the nearest that do.
    """
    size = length & -length if wanted is None else wanted
    name = f"{where}: online_rotate, or size in [rotation],"
    require_hadamard_size(size, length, name, least=2)
    return size


def rotate(x: Tensor, size: int, *, inverse: bool = False) -> Tensor:
    """Return x with consecutive blocks of its last axis multiplied by an orthonormal Hadamard.

    It is the matrix of golden.ops.hadamard, so that rotating both operands of a product along the
    contraction axis leaves the product as it was. But for sizes K * 2^r with Williamson's K (92,
    116, 156, 172) it is symmetric and its own inverse.

    Each block is one row of an ordinary matrix product, so its bits depend neither on the blocks
    beside it nor on how many there are; they are golden's where no sum rounds. bfloat16 and float16
    are rotated in float32 and rounded once.

    Args:
        x: floating-point tensor, its last axis a multiple of `size`.
        size: a power of two or K * 2^r.
        inverse: rotate back.

    Raises:
        FormatError: blocks would span two rows.
    """
    _require_whole_blocks(x, size)
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    with torch.autocast(x.device.type, enabled=False):
        return _blocks(wide, size, inverse).reshape(x.shape).to(x.dtype)


MATRICES = "matrix products"
KERNEL = "fast_hadamard_transform"
"""What rotates, in the words of a record."""

_KERNEL_SIZES = range(8, 32768 + 1)
_KERNEL_DTYPES = (torch.float32, torch.float16, torch.bfloat16)


def rotation_path(device: torch.device) -> str:
    """Return what `rotate_online` computes with on a device: KERNEL or MATRICES.

    Blocks below 8 elements or above 32768, sizes that are no power of two, and float64 are matrix
    products everywhere.
    """
    return KERNEL if device.type == "cuda" and _kernel() is not None else MATRICES


def rotate_online(x: Tensor, size: int, *, inverse: bool = False) -> Tensor:
    """Return what `rotate` does as fast as the device can: for activations in fake numerics.

    On CUDA that is the kernel of the package fast-hadamard-transform, where it is installed. It
    sums in float32 and rounds once, as `rotate` does, but in another order. Weights are rotated
    once, by `rotate`; exact numerics by `fakequant.hadamard`, which is golden's everywhere.

    Args:
        x: floating-point tensor, its last axis a multiple of `size`.
        size: a power of two or K * 2^r.
        inverse: rotate back.

    Raises:
        FormatError: blocks would span two rows.
    """
    kernel = _kernel() if rotation_path(x.device) == KERNEL else None
    fits = size in _KERNEL_SIZES and size & (size - 1) == 0 and x.dtype in _KERNEL_DTYPES
    if kernel is None or not fits:
        return rotate(x, size, inverse=inverse)
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


def _blocks(x: Tensor, size: int, inverse: bool) -> Tensor:
    """Return blocks times the matrix, of any shape with the elements of `x`."""
    within = min(DENSE, _power_of_two(size))
    if size > DENSE and within > 1:
        # H of n * within is H of n times H of within by Kronecker: first within, then across.
        turned = _blocks(x, within, inverse).reshape(-1, size // within, within).mT
        return _blocks(turned, size // within, inverse).reshape(-1, within, size // within).mT
    rows = x.reshape(-1, size)
    if len(rows) < _MANY:
        rows = functional.pad(rows, (0, 0, 0, _MANY - len(rows)))
    product: Tensor = rows @ hadamard_matrix(size, x.dtype, x.device, inverse=not inverse)
    return product[: x.numel() // size]


def _power_of_two(size: int) -> int:
    """Return 2^r of a size K * 2^r."""
    order = hadamard_order(size)
    if order is None:
        raise FormatError(f"cannot rotate blocks of {size} elements: there is no such matrix")
    return size // order


@lru_cache(maxsize=64)
def hadamard_matrix(
    size: int, dtype: torch.dtype, device: torch.device, *, inverse: bool = False
) -> Tensor:
    """Return the orthonormal Hadamard matrix of golden.ops.hadamard: y = H x.

    Args:
        size: a power of two, in Sylvester's order, or K * 2^r: the Kronecker product of golden's
            matrix of order K with Sylvester's.
        dtype: of the result; entries are computed in float64 and rounded once.
        device: of the result.
        inverse: its inverse, the transpose; the same but for Williamson's K.

    Returns:
        (size, size).
    """
    with torch.inference_mode(mode=False):  # a constant for calls with and without gradients
        order = size // _power_of_two(size)
        signs = torch.ones(1, 1, dtype=torch.float64, device="cpu")
        while signs.shape[0] < size // order:
            signs = torch.cat([torch.cat([signs, signs], dim=1), torch.cat([signs, -signs], dim=1)])
        first = signs_of_order(order).astype("float64")
        signs = torch.kron(torch.from_numpy(first.T.copy() if inverse else first), signs)
        matrix: Tensor = (signs * size**-0.5).to(dtype).to(device)
        return matrix
