"""quantize_blocks: real tensors to the values of block formats beyond Mx, equal to golden's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from plena_cosim.golden.blocks import Bfp, BlockFormat, LeastSquaresMx, MicroMx, TwoLevel
from plena_cosim.golden.blocks.by_format import as_tensor_amax
from plena_cosim.golden.blocks.formats import as_block_format
from plena_cosim.golden.formats import FormatError

from .backend import operation
from .carrier import round_once
from .integer_blocks import bfp_rounder, micro_rounder
from .least_squares import least_squares_rounder
from .pieces import rows_in_pieces
from .platform_check import require_subnormals
from .two_level import two_level_rounder

_DTYPES = (torch.float32, torch.bfloat16, torch.float16)

_ROUNDERS: dict[type, Callable[[Any, Tensor], Callable[[Tensor], Tensor]]] = {
    MicroMx: micro_rounder,
    Bfp: bfp_rounder,
    LeastSquaresMx: least_squares_rounder,
}
"""What makes, of a format of each other kind and the tensor, the function that rounds blocks."""


@operation
def quantize_blocks(
    x: Tensor,
    fmt: BlockFormat | str,
    axis: int = -1,
    *,
    strict: bool = False,
    tensor_amax: float | None = None,
) -> Tensor:
    """Return the values of `x` quantised to a block format along one axis, in the dtype of `x`.

    Args:
        x: float32, bfloat16 or float16 tensor of at least one dimension, on any device.
        fmt: the format, or its name.
        axis: where blocks run. A ragged tail is a short block; a block never spans two rows.
        strict: a NaN or Inf in `x` is an error.
        tensor_amax: of NVFP4 only: what its tensor scale follows from in the place of the largest
            magnitude in `x` (static quantisation); rounded to fp32.

    Returns:
        golden.blocks.quantize(x, fmt, axis).dequantize() rounded once to the dtype of `x`, bit for
        bit. A tensor scale (NVFP4) is that of all of `x`. The gradient is the identity (straight
        through).

    Raises:
        FormatError: `fmt` is no block format, `x` is not of these dtypes, `axis` does not exist or
            has no elements, strict and a value is not finite, or a bad `tensor_amax`, as golden's.
        ExactnessError: this thread flushes subnormals to zero.

    >>> quantize_blocks(torch.tensor([1.0, -0.3, 0.3, 0.05]), "mx6")
    tensor([ 1.0000, -0.2500,  0.3125,  0.0625])
    """
    fmt = as_block_format(fmt)
    axis = _check(x, axis)
    if tensor_amax is not None:
        tensor_amax = float(as_tensor_amax(tensor_amax, fmt)[1])
    require_subnormals(x.device)
    if x.requires_grad and torch.is_grad_enabled():
        rounded: Tensor = _StraightThrough.apply(  # type: ignore[no-untyped-call]
            x, fmt, axis, strict, tensor_amax
        )
        return rounded
    return _quantize(x.detach(), fmt, axis, strict, tensor_amax)


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, *given: Any) -> Tensor:
        return _quantize(x, *given)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        return gradients[0], None, None, None, None


def _check(x: Tensor, axis: int) -> int:
    """Return `axis` as a non-negative index."""
    if not isinstance(x, Tensor) or x.dtype not in _DTYPES:
        given = x.dtype if isinstance(x, Tensor) else type(x).__name__
        allowed = ", ".join(str(dtype).removeprefix("torch.") for dtype in _DTYPES)
        raise FormatError(f"quantize_blocks: need a tensor of {allowed}; got {given}")
    if x.ndim == 0 or (-x.ndim <= axis < x.ndim and not x.shape[axis]):
        raise FormatError(
            f"quantize_blocks: need at least one value along an axis, got shape {tuple(x.shape)}"
        )
    if not -x.ndim <= axis < x.ndim:
        raise FormatError(
            f"quantize_blocks: axis {axis} does not exist in shape {tuple(x.shape)}; "
            f"allowed: {-x.ndim}..{x.ndim - 1}"
        )
    return axis % x.ndim


def _quantize(
    x: Tensor, fmt: BlockFormat, axis: int, strict: bool, tensor_amax: float | None
) -> Tensor:
    rows = x.movedim(axis, -1)
    length, size = rows.shape[-1], fmt.block_size
    if strict:
        _require_finite(rows, fmt)

    def blocks(part: Tensor) -> Tensor:
        padded = torch.nn.functional.pad(part, (0, -length % size))
        return padded.reshape(*part.shape[:-1], -(-length // size), size)

    if isinstance(fmt, TwoLevel):
        round_blocks = two_level_rounder(fmt, x, tensor_amax)
    else:
        round_blocks = _ROUNDERS[type(fmt)](fmt, x)

    def round_rows(part: Tensor) -> Tensor:
        return round_once(round_blocks(blocks(part)).flatten(-2)[..., :length], x.dtype)

    rounded: Tensor = rows_in_pieces(round_rows, rows).movedim(-1, axis).contiguous()
    return rounded


def _require_finite(rows: Tensor, fmt: BlockFormat) -> None:
    flat = rows.reshape(-1, rows.shape[-1])
    special = (~flat.isfinite()).nonzero()
    if len(special):
        row, column = special[0].tolist()
        raise FormatError(
            f"quantize to {fmt.name}: {flat[row, column].item()} at row {row}, "
            f"position {column} along the block axis; strict mode needs finite values"
        )
