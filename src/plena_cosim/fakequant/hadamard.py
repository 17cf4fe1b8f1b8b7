"""hadamard: the orthonormal Hadamard transform of blocks of values."""

from __future__ import annotations

import torch
from torch import Tensor

from plena_cosim.golden import FormatError, Minifloat
from plena_cosim.golden.formats import as_minifloat
from plena_cosim.golden.hadamard_matrices import hadamard_matrix
from plena_cosim.golden.hadamard_sizes import require_hadamard_size

from .backend import operation
from .constant import rsqrt_value
from .kernels import compiled
from .operands import operands
from .pieces import rows_in_pieces
from .reduce import sum_rows
from .rounder import rounder


@operation
def hadamard(
    x: Tensor, fmt: Minifloat | str, *, block: int | None = None, inverse: bool = False
) -> Tensor:
    """Return the orthonormal Hadamard transform of each block: golden.ops.hadamard, as values.

    Args:
        x: values of `fmt`, shape (…, n).
        fmt: format of every step.
        block: length of one transform, K * 2^r, which divides n. The largest power of two by
            default.
        inverse: the transform that takes this one back, up to rounding; it differs for K = 92, 116,
            156 and 172 alone.

    Returns:
        Values of `fmt`, shape (…, n), each sum, butterfly and the final gain rounded once.

    Raises:
        FormatError: `block` does not divide n, or there is no matrix of that order.
        ExactnessError: this thread flushes subnormals to zero.

    >>> from plena_cosim import golden
    >>> hadamard(torch.tensor([1.0, 2.0, 3.0, 4.0]), golden.get_format("bf16"))
    tensor([ 5., -1., -2.,  0.])
    """
    fmt = as_minifloat(fmt)
    (values,) = operands(fmt, x)
    length = values.shape[-1] if values.ndim else 0
    if length == 0:
        raise FormatError(
            f"hadamard: need rows of at least one element, got shape {tuple(values.shape)}"
        )
    size = length & -length if block is None else block
    k = require_hadamard_size(size, length, "hadamard: block")
    v = rounder(fmt)
    if k == 1 and (done := _by_kernel(values, size, fmt)) is not None:
        return done
    gain = values.new_full((1,), rsqrt_value(size, fmt))
    signs = hadamard_matrix(k).T if inverse else hadamard_matrix(k)
    negative = torch.from_numpy(signs < 0).to(values.device)

    def transform(x: Tensor) -> Tensor:
        shape = x.shape
        if k > 1:
            groups = x.reshape(*shape[:-1], -1, k, size // k)
            x = _signed_sums(groups, negative, fmt).reshape(shape)
        for stage in range((size // k).bit_length() - 1):
            low, high = x.reshape(*shape[:-1], -1, 2, 1 << stage).unbind(-2)
            x = torch.stack((v.add(low, high), v.sub(low, high)), -2).view(shape)
        return v.mul(x, gain)

    return rows_in_pieces(transform, values)


def _by_kernel(x: Tensor, size: int, fmt: Minifloat) -> Tensor | None:
    """Return the transform of blocks of 2^r values; None: it is left to torch's steps."""
    native = rounder(fmt).native
    if size < 8 or native not in (torch.float32, torch.bfloat16) or not compiled(x):
        return None
    from .kernels.hadamard import hadamard_blocks

    given = x.resolve_neg().contiguous()
    found, gain = torch.empty_like(given), rsqrt_value(size, fmt)
    done = hadamard_blocks(given, found, size, gain, narrow=native is torch.bfloat16)
    return found if done else None


def _signed_sums(groups: Tensor, negative: Tensor, fmt: Minifloat) -> Tensor:
    """Return the sums of ± the K values of each column of (…, K, 2^r), one row a sum.

    Args:
        groups: values of `fmt`.
        negative: bool (K, K), where a row subtracts a value.
        fmt: format of every sum.
    """
    lanes = groups.mT
    seed = lanes.new_full((1,), -0.0 if fmt.has_negative_zero else 0.0)  # changes no sum
    rows = [
        sum_rows(torch.where(row, -lanes, lanes), seed, src=fmt, dst=fmt, lanes=None)
        for row in negative
    ]
    return torch.cat(rows, -1).mT
