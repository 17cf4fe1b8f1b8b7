"""quantize: real tensors to the values that MX blocks can hold, equal to golden bit for bit.

In this memory a kernel computes it, where numba is installed. Torch's steps: usual blocks of
float32 and narrower input are rounded by float32's own adder (see `element`). What that cannot do
exactly (float64 input, exponents near the ends of float32, other rounding modes) goes through
float64, whose range no scale can leave. NaN and Inf are handled apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from plena_cosim.golden import FixedPoint, FormatError, Mx, Rounding
from plena_cosim.golden.formats import as_mx

from .backend import operation
from .blocks import Blocks, Index
from .carrier import DOUBLE, SINGLE, is_finite, round_once
from .element import ElementRounder, limits, round_by_mode, single_range
from .kernels import compiled
from .mx_tensor import MxTensor
from .platform_check import require_subnormals
from .scale import scale_exponent

_DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


@operation
def quantize(
    x: Tensor,
    mx: Mx | str,
    axis: int = -1,
    *,
    strict: bool = False,
    seed: int = 0,
    batch_axes: int = 0,
    out: Tensor | None = None,
) -> Tensor:
    """Return the values of `x` quantised to MX blocks along one axis, in the dtype of `x`.

    Args:
        x: float32, bfloat16, float16 or float64 tensor of at least one dimension, on any device.
        mx: the format, with block size, scale rule and rounding.
        axis: where blocks run. A ragged tail is a short block; a block never spans two rows.
        strict: a NaN or Inf in `x` is an error.
        seed: for stochastic rounding, as in golden.quantize.
        batch_axes: for stochastic rounding: along so many leading axes, of which `axis` is none,
            elements draw alike, each as if it were given alone.
        out: tensor of the shape, dtype and device of `x` that takes the values and is returned;
            nothing is allocated where both are contiguous. It may be `x` itself or overlap it, and
            there is no gradient.

    Returns:
        golden.quantize(x, mx, axis).dequantize() rounded once to the dtype of `x`, bit for bit: -0
        stays -0 in MXFP blocks that are not all zero, subnormals count in full, a NaN or Inf makes
        its block NaN (without a NaN scale: NaN and Inf become the largest elements). The gradient
        is the identity (straight through).

    Raises:
        FormatError: `mx` is not an Mx, `x` is not of these dtypes, `axis` does not exist or has no
            elements, strict and a value is not finite, or `out` is of another shape, dtype or
            device, or a gradient is asked for. Then `out` is as it was.
        ExactnessError: torch's steps compute it, subnormals matter and this thread flushes them to
            zero.

    >>> from plena_cosim import golden
    >>> quantize(torch.tensor([1.0, -0.3, 0.05, 0.0]), golden.get_format("mxint4", block_size=4))
    tensor([ 1.0000, -0.2500,  0.0000,  0.0000])
    """
    mx = as_mx(mx)
    axis = _check(x, mx, axis, batch_axes)
    if out is not None:
        _check_out(x, out)
        return _quantize(x.detach(), mx, axis, strict, seed, batch_axes, out)
    if x.requires_grad and torch.is_grad_enabled():
        rounded: Tensor = _StraightThrough.apply(  # type: ignore[no-untyped-call]
            x, mx, axis, strict, seed, batch_axes
        )
        return rounded
    return _quantize(x.detach(), mx, axis, strict, seed, batch_axes)


@operation
def quantize_mx(
    x: Tensor,
    mx: Mx | str,
    axis: int = -1,
    *,
    strict: bool = False,
    seed: int = 0,
    batch_axes: int = 0,
) -> MxTensor:
    """Return `x` quantised as an operand of `matmul`: exact values and scale codes.

    Arguments, meaning and errors are those of `quantize`; there is no gradient.
    """
    mx = as_mx(mx)
    axis = _check(x, mx, axis, batch_axes)
    x = x.detach().resolve_neg().contiguous()
    blocks = Blocks.of(x.shape, axis, mx.block_size)
    scales_shape = (*x.shape[:axis], blocks.count, *x.shape[axis + 1 :])
    scales = torch.empty(scales_shape, dtype=torch.uint8, device=x.device)
    values = torch.empty_like(x, dtype=torch.float32)
    kernel = _kernel(x, mx)
    if kernel is not None and kernel(x, mx, blocks, values, scales):
        return MxTensor(values=values, scales=scales, mx=mx, axis=axis)
    walk = _Walk(x, mx, blocks, axis, strict, seed, batch_axes, scales)
    if kernel is not None or not walk.fast_only(values):
        values = torch.empty_like(x, dtype=torch.float64)
        walk.exact_only(values)
    return MxTensor(values=values, scales=scales, mx=mx, axis=axis)


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, *given: Any) -> Tensor:
        return _quantize(x, *given)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None, None]:
        return gradients[0], None, None, None, None, None


def _check(x: Tensor, mx: Mx, axis: int, batch_axes: int) -> int:
    """Return `axis` as a non-negative index."""
    if not isinstance(x, Tensor) or x.dtype not in _DTYPES:
        given = x.dtype if isinstance(x, Tensor) else type(x).__name__
        allowed = ", ".join(str(dtype).removeprefix("torch.") for dtype in _DTYPES)
        raise FormatError(f"quantize: need a tensor of {allowed}; got {given}")
    if x.ndim == 0 or (x.numel() == 0 and -x.ndim <= axis < x.ndim and not x.shape[axis]):
        raise FormatError(
            f"quantize: need at least one value along an axis, got shape {tuple(x.shape)}"
        )
    if not -x.ndim <= axis < x.ndim:
        raise FormatError(
            f"quantize: axis {axis} does not exist in shape {tuple(x.shape)}; "
            f"allowed: {-x.ndim}..{x.ndim - 1}"
        )
    if not 0 <= batch_axes <= axis % x.ndim:
        raise FormatError(
            f"quantize: batch_axes = {batch_axes} must leave axis {axis} of shape "
            f"{tuple(x.shape)}; allowed: 0..{axis % x.ndim}"
        )
    return axis % x.ndim


def _check_out(x: Tensor, out: Tensor) -> None:
    if not isinstance(out, Tensor):
        raise FormatError(f"quantize: out must be a tensor, got {type(out).__name__}")
    wanted, given = ((tuple(t.shape), t.dtype, t.device) for t in (x, out))
    if wanted != given:
        raise FormatError(
            "quantize: out must have the shape, dtype and device of x, {} of {} on {}; "
            "got {} of {} on {}".format(*wanted, *given)
        )
    if torch.is_grad_enabled() and (x.requires_grad or out.requires_grad):
        raise FormatError(
            "quantize: there is no gradient through out; call it under torch.no_grad(), or without"
        )


def _quantize(
    x: Tensor,
    mx: Mx,
    axis: int,
    strict: bool,
    seed: int,
    batch_axes: int,
    out: Tensor | None = None,
) -> Tensor:
    source = x.resolve_neg().contiguous()
    kernel = _kernel(source, mx)
    target = torch.empty_like(source) if out is None or _aside(source, out, kernel) else out
    blocks = Blocks.of(x.shape, axis, mx.block_size)
    if strict and not is_finite(source):
        _refuse(source, mx, axis)
    if kernel is not None:
        kernel(source, mx, blocks, target)
    else:
        _Walk(source, mx, blocks, axis, strict, seed, batch_axes).all(target)
    return target if out is None or target is out else out.copy_(target)


def _aside(x: Tensor, out: Tensor, kernel: object) -> bool:
    """Whether values cannot be written to `out` at once; a kernel may replace what it reads."""
    apart = abs(x.data_ptr() - out.data_ptr())
    overlaps = apart < x.numel() * x.element_size() and not (kernel and apart == 0)
    return overlaps or not out.is_contiguous() or out.is_neg()


def _kernel(x: Tensor, mx: Mx) -> Callable[..., bool] | None:
    """Return what rounds a contiguous tensor in one pass; None: torch's steps do it."""
    if not (_has_fast(x, mx) and compiled(x)):
        return None
    from .kernels.quantize import quantize_bits

    return quantize_bits


def _has_fast(x: Tensor, mx: Mx) -> bool:
    return x.dtype != torch.float64 and mx.rounding is Rounding.RNE


def _refuse(x: Tensor, mx: Mx, axis: int) -> None:
    rows = x.movedim(axis, -1).flatten(0, -2) if x.ndim > 1 else x[None]
    row, column = (~rows.isfinite()).nonzero()[0].tolist()
    raise FormatError(
        f"quantize to {mx.name}: {rows[row, column].item()} at row {row}, "
        f"position {column} along the block axis; strict mode needs finite values"
    )


class _Walk:
    """One walk over the blocks of a contiguous tensor, piece by piece."""

    def __init__(
        self,
        x: Tensor,
        mx: Mx,
        blocks: Blocks,
        axis: int,
        strict: bool,
        seed: int,
        batch_axes: int,
        scales: Tensor | None = None,
    ) -> None:
        self.x, self.mx, self.blocks, self.axis = x, mx, blocks, axis
        self.strict, self.seed = strict, seed
        self.views = blocks.values(x)
        self.scales = None if scales is None else blocks.scales(scales)
        self.has_fast = _has_fast(x, mx)
        stochastic = mx.rounding is Rounding.STOCHASTIC
        self.places = blocks.values(self._places(batch_axes)) if stochastic else None

    def all(self, out: Tensor) -> None:
        """Fill `out` (dtype of x), each piece by the fast way where that is exact."""
        views = self.blocks.values(out)
        for index in self.blocks.pieces(self.x.device):
            target = _at(views, index)
            if not (self.has_fast and self._fast(index, target)):
                target.copy_(round_once(self._exact(index), out.dtype))

    def fast_only(self, out: Tensor) -> bool:
        """Fill `out` (float32) by the fast way; False where one piece needs the other."""
        views = self.blocks.values(out)
        return self.has_fast and all(
            self._fast(index, _at(views, index)) for index in self.blocks.pieces(self.x.device)
        )

    def exact_only(self, out: Tensor) -> None:
        """Fill `out` (float64)."""
        views = self.blocks.values(out)
        for index in self.blocks.pieces(self.x.device):
            _at(views, index).copy_(self._exact(index))

    def _fast(self, index: Index, target: Tensor) -> bool:
        piece = _at(self.views, index).to(SINGLE.dtype)
        # On bits: a thread that flushes subnormals must not take them for zero.
        amax = (piece.view(SINGLE.int_dtype) & SINGLE.magnitude_mask).amax(-2, keepdim=True)
        exp = scale_exponent(amax, self.mx, SINGLE)
        low, high = single_range(self.mx)
        usual = exp.clamp(low, high)
        zero = amax == 0
        normal = (amax >> SINGLE.man_bits > 0) | (exp == self.mx.min_scale_exp)
        finite = amax < SINGLE.exp_mask
        if not bool((((usual == exp) & normal & finite) | zero).all()):
            return False
        direct = target.dtype == SINGLE.dtype
        rounded = target if direct else torch.empty_like(piece)
        ElementRounder(usual, self.mx, SINGLE).round(piece, rounded)
        self._zero_blocks(rounded, zero)
        if not direct:
            target.copy_(rounded)
        self._store_scales(index, exp, zero, None)
        return True

    def _exact(self, index: Index) -> Tensor:
        require_subnormals(self.x.device)
        mx = self.mx
        piece = _at(self.views, index).to(DOUBLE.dtype)
        special = ~piece.isfinite()
        any_special = bool(special.any())
        if any_special and self.strict:
            _refuse(self.x, mx, self.axis)
        finite = piece.masked_fill(special, 0.0) if any_special else piece
        amax = finite.abs().amax(-2, keepdim=True)
        exp = scale_exponent(amax.view(DOUBLE.int_dtype), mx, DOUBLE)
        rounded = torch.empty_like(finite)
        if mx.rounding is Rounding.RNE:
            ElementRounder(exp, mx, DOUBLE).round(finite, rounded)
        else:
            places = None if self.places is None else _at(self.places, index)
            round_by_mode(finite, exp, mx, DOUBLE, rounded, index=places, seed=self.seed)
        zero = amax == 0
        self._zero_blocks(rounded, zero)
        bad = special.any(-2, keepdim=True) if any_special else None
        if bad is not None and mx.scale_nan_code is not None:
            rounded.masked_fill_(bad, math.nan)
        elif bad is not None:
            largest = limits(exp, mx, DOUBLE)[1]
            extreme = torch.where(piece == -math.inf, -largest, largest)
            rounded = torch.where(special, extreme, rounded)
        self._store_scales(index, exp, zero, bad)
        return rounded

    def _zero_blocks(self, rounded: Tensor, zero: Tensor) -> None:
        # Elements of an all-zero block are +0, also where the input was -0.
        if not isinstance(self.mx.element, FixedPoint) and bool(zero.any()):
            rounded.masked_fill_(zero, 0.0)

    def _store_scales(self, index: Index, exp: Tensor, zero: Tensor, bad: Tensor | None) -> None:
        if self.scales is None:
            return
        codes = torch.where(zero, 0, exp + self.mx.scale_bias)
        if bad is not None and self.mx.scale_nan_code is not None:
            codes = codes.masked_fill(bad, self.mx.scale_nan_code)
        _at(self.scales, index).copy_(codes)

    def _places(self, batch_axes: int) -> Tensor:
        """Each element's position with the block axis last and rows padded to whole blocks."""
        b = self.blocks
        padded = b.count * b.block
        rows = torch.arange(b.outer * b.inner * padded, device=self.x.device)
        rows %= max(1, rows.numel() // max(1, self.x.shape[:batch_axes].numel()))
        kept = rows.view(b.outer, b.inner, padded)[:, :, : b.length]
        return kept.transpose(1, 2).contiguous()


def _at(views: list[Tensor], index: Index) -> Tensor:
    part, rows, blocks = index
    return views[part][rows, blocks]
