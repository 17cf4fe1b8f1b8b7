"""Bringing a tensor to the format of its role, for torch's arithmetic or for the matrix unit's."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from plena_cosim import fakequant
from plena_cosim.fakequant import MxTensor
from plena_cosim.golden import FormatError, Minifloat, Mx, mxint

from ..recipe.draws import draw_options
from ..recipe.formats import CastFormat, Format
from ..recipe.spec_format import SpecFormat
from ..weights.spec_values import quantize_spec
from .hadamard import rotate_online

WIDEST_BITS = 16
DEFAULT_BLOCK = 32


def fake_quantize(x: Tensor, fmt: Format | None, axis: int = -1) -> Tensor:
    """Return `x` quantised to `fmt`, in its own dtype; the gradient is straight through.

    Args:
        x: floating-point tensor.
        fmt: blocks along `axis`, a cast of each element, stages with axes of their own, or None,
            which changes nothing.
        axis: where blocks run.
    """
    if fmt is None:
        return x
    if isinstance(fmt, Mx):
        return fakequant.quantize(x, fmt, axis=axis, **draw_options(fmt, x.ndim))
    if isinstance(fmt, SpecFormat):
        return _straight(x, quantize_spec(x.detach(), fmt))
    return _straight(x, _cast(x.detach(), fmt))


def fake_quantize_rotated(x: Tensor, fmt: Format | None, size: int | None) -> Tensor:
    """Return `x` rotated along its last axis, quantised and rotated back: H^T Q(Hx).

    Args:
        x: as for `fake_quantize`.
        fmt: blocks along the last axis; None changes nothing.
        size: of the Hadamard blocks, which divides that axis; None: no rotation.
    """
    if fmt is None or size is None:
        return fake_quantize(x, fmt)
    return rotate_online(fake_quantize(rotate_online(x, size), fmt), size, inverse=True)


def _cast(x: Tensor, fmt: CastFormat) -> Tensor:
    return fakequant.round_once(fakequant.cast(x, fmt.fmt, rounding=fmt.rounding), x.dtype)


def _straight(x: Tensor, values: Tensor) -> Tensor:
    """Return `values` with the gradient of `x`."""
    if x.requires_grad and torch.is_grad_enabled():
        passed: Tensor = _Straight.apply(x, values)  # type: ignore[no-untyped-call]
        return passed
    return values


class _Straight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, values: Tensor) -> Tensor:
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


def matrix_format(fmt: Format | None, *, block_size: int, where: str) -> Mx:
    """Return the format in which an operand enters the matrix unit.

    What a recipe leaves unquantised enters with the widest elements there are, MXINT16.

    Args:
        fmt: of the recipe; None: it gives none.
        block_size: of the other operand.
        where: file, table, module and role, for messages.

    Raises:
        FormatError: a format without blocks, or blocks of another size than the other operand's.
    """
    if fmt is None:
        return mxint(WIDEST_BITS, block_size=block_size)
    if not isinstance(fmt, Mx):
        raise FormatError(
            f"{where}: exact numerics need MX operands in the matrix unit, got {fmt.name} without "
            "a block size; give block_size or use fake numerics"
        )
    if fmt.block_size != block_size:
        raise FormatError(
            f"{where}: exact numerics need one block size for both operands, got {fmt.block_size} "
            f"and {block_size}"
        )
    return fmt


def matrix_operand(x: Tensor, mx: Mx, vector: Minifloat, axis: int = -1) -> MxTensor:
    """Return `x` as it enters the matrix unit: cast to the vector format, then to blocks.

    Args:
        x: floating-point tensor of any shape.
        mx: the format in the matrix unit.
        vector: the format of the vector unit, where `x` comes from.
        axis: along which blocks run.
    """
    values = fakequant.cast(x, vector)
    return fakequant.quantize_mx(values, mx, axis=axis, **draw_options(mx, x.ndim))
