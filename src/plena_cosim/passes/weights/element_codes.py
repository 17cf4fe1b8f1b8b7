"""Element codes: the codes that quantised values stand for, and the values of codes.

Nothing is rounded on the way: a quantised value over its scale is an element of the format, and
its code is read off its bits. The codes are golden's.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from plena_cosim import golden
from plena_cosim.fakequant.blocks import Blocks
from plena_cosim.fakequant.carrier import DOUBLE, SINGLE
from plena_cosim.fakequant.cast import fixed_limits, value_dtype
from plena_cosim.golden import FixedPoint, Minifloat, Mx, Scalar

from .packing import code_dtype

_TABLE_BITS = 16


def scales_shape(shape: torch.Size, mx: Mx, axis: int) -> torch.Size:
    """Return the shape of the scales of a tensor whose blocks run along `axis`."""
    blocks = Blocks.of(shape, axis, mx.block_size).count
    return torch.Size((*shape[:axis], blocks, *shape[axis + 1 :]))


def block_codes(values: Tensor, scales: Tensor, mx: Mx, axis: int) -> Tensor:
    """Return the element codes of values that `fakequant.quantize_mx` made.

    Args:
        values: exact values; what no element of `mx` times its scale can be gives any code.
        scales: their uint8 scale codes.
        mx: the format.
        axis: along which blocks run, not negative.

    Returns:
        Codes in the shape of `values`; those of a block with a NaN scale are 0.
    """
    codes = torch.empty(values.shape, dtype=code_dtype(mx.element.width_bits), device=values.device)
    blocks = Blocks.of(values.shape, axis, mx.block_size)
    parts = blocks.values(values.contiguous())
    scale_parts, code_parts = blocks.scales(scales.contiguous()), blocks.values(codes)
    for part, rows, columns in blocks.pieces(values.device):
        exp = scale_parts[part][rows, columns].long() - mx.scale_bias
        elements = parts[part][rows, columns].double() / DOUBLE.power_of_two(exp)
        bad = elements.isnan()  # only blocks with a NaN scale hold any
        elements.masked_fill_(bad, 0.0)
        code_parts[part][rows, columns] = scalar_codes(elements, mx.element)
    return codes


def block_values(codes: Tensor, scales: Tensor, mx: Mx, axis: int) -> Tensor:
    """Return the exact values of element codes and scale codes.

    Returns:
        float32 where every block is zero or has normal float32 numbers as values and units, else
        float64: what `MxTensor` asks for. A block with a NaN scale is NaN throughout.
    """
    dtype = exact_dtype(codes, scales, mx, axis)
    values = torch.empty(codes.shape, dtype=dtype, device=codes.device)
    blocks = Blocks.of(codes.shape, axis, mx.block_size)
    parts, code_parts = blocks.values(values), blocks.values(codes.contiguous())
    scale_parts = blocks.scales(scales.contiguous())
    for part, rows, columns in blocks.pieces(codes.device):
        scale = scale_parts[part][rows, columns].long()
        factor = DOUBLE.power_of_two(scale - mx.scale_bias)
        if mx.scale_nan_code is not None:
            factor = factor.masked_fill(scale == mx.scale_nan_code, torch.nan)
        elements = scalar_values(code_parts[part][rows, columns], mx.element)
        torch.mul(elements.to(dtype), factor.to(dtype), out=parts[part][rows, columns])
    return values


def exact_dtype(elements: Tensor, scales: Tensor, mx: Mx, axis: int) -> torch.dtype:
    """Return the narrowest dtype of values that `MxTensor` takes: float32 or float64.

    Args:
        elements: codes or values; only whether they are zero counts.
        scales: scale codes.
        mx: the format.
        axis: along which blocks run, not negative.
    """
    if value_dtype(mx.element) != torch.float32:
        return torch.float64
    low = SINGLE.min_exp - min(mx.element.lsb_exp, 0)
    high = SINGLE.bias - max(mx.element.emax, 0)
    exp = scales.int() - mx.scale_bias
    odd = (exp < low) | (exp > high)
    if not bool(odd.any()):
        return torch.float32
    if bool((odd & (scales != 0)).any()):
        return torch.float64
    # Scale code 0 is that of blocks that are all zero, and of the smallest numbers.
    if isinstance(mx.element, Minifloat) and not elements.is_floating_point():
        elements = elements & (mx.element.sign_mask - 1)
    blocks = Blocks.of(elements.shape, axis, mx.block_size)
    parts = blocks.values(elements.contiguous())
    odd_parts = blocks.scales(odd.contiguous())
    tiny = any(
        bool(((part != 0).any(-2, keepdim=True) & where).any())
        for part, where in zip(parts, odd_parts, strict=True)
    )
    return torch.float64 if tiny else torch.float32


def scalar_codes(values: Tensor, fmt: Scalar) -> Tensor:
    """Return the code of each value of a scalar format; -0, Inf and NaN have theirs.

    What the format cannot hold gives any code.
    """
    exact = values.double()
    dtype = code_dtype(fmt.width_bits)
    if isinstance(fmt, FixedPoint):
        lowest, highest = fixed_limits(fmt)
        units = (exact.clamp(lowest, highest) * 2.0**-fmt.lsb_exp).to(torch.int64)
        return (units & ((1 << fmt.width_bits) - 1)).to(dtype)
    magnitude = _magnitude_codes(exact.abs().clamp(max=fmt.max_value), fmt)
    if fmt.has_inf:
        magnitude.masked_fill_(exact.isinf(), fmt.inf_code)
    codes = magnitude + exact.signbit() * fmt.sign_mask
    if fmt.has_nan:
        codes.masked_fill_(exact.isnan(), fmt.nan_code)
    return codes.to(dtype)


def scalar_values(codes: Tensor, fmt: Scalar) -> Tensor:
    """Return the exact value of each code: float32 where it holds every value, else float64."""
    if fmt.width_bits <= _TABLE_BITS:
        table = _table(fmt).to(codes.device)
        return table.index_select(0, codes.reshape(-1).int()).view(codes.shape)
    decoded = golden.decode(codes.cpu().numpy(), fmt)
    return torch.from_numpy(decoded).to(codes.device, value_dtype(fmt))


def _magnitude_codes(magnitudes: Tensor, fmt: Minifloat) -> Tensor:
    """Return codes without sign of finite magnitudes, int64; any code for NaN."""
    bits = magnitudes.view(DOUBLE.int_dtype) >> (DOUBLE.man_bits - fmt.man_bits)
    normal = bits - ((DOUBLE.bias - fmt.bias_value) << fmt.man_bits)
    subnormal = (magnitudes * 2.0**-fmt.lsb_exp).nan_to_num_(nan=0.0)
    below = magnitudes < fmt.min_normal
    return torch.where(below, subnormal.masked_fill_(~below, 0.0).to(torch.int64), normal)


@lru_cache(maxsize=64)
def _table(fmt: Scalar) -> Tensor:
    codes = np.arange(1 << fmt.width_bits, dtype=np.uint32)
    with torch.device("cpu"):
        return torch.from_numpy(golden.decode(codes, fmt)).to(value_dtype(fmt))
