"""Two levels of scale: fp32 operations one by one, as golden has them."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from plena_cosim.golden.blocks import ScaleForm, TwoLevel

from .carrier import DOUBLE, SINGLE
from .cast import cast_finite


def two_level_rounder(
    fmt: TwoLevel, x: Tensor, tensor_amax: float | None = None
) -> Callable[[Tensor], Tensor]:
    """Return what rounds groups as golden's `quantize_two_level`.

    Args:
        fmt: the format.
        x: the whole tensor, whose scale is that of its largest finite magnitude.
        tensor_amax: what stands for that magnitude, a number of fp32; None: that of `x`.

    Returns:
        A function from groups (…, block_size) to values, float64.
    """

    # A tensor for every operand: torch divides a number by a tensor, and on CUDA a tensor by a
    # number, with a reciprocal that rounds once more.
    def single(value: float) -> Tensor:
        return torch.tensor(value, dtype=SINGLE.dtype, device=x.device)

    largest, largest_scale = single(fmt.element.max_value), single(fmt.scale.max_value)
    two_stage = fmt.form is ScaleForm.TWO_STAGE
    if tensor_amax is not None:
        amax = single(tensor_amax)
    else:
        amax = _magnitudes(x).amax() if x.numel() else single(0.0)
    if two_stage:
        t = amax / (largest * largest_scale)
    else:
        t = (largest_scale * (largest / amax)).clamp(max=torch.finfo(SINGLE.dtype).max)

    def round_groups(groups: Tensor) -> Tensor:
        first = _magnitudes(groups).amax(-1, keepdim=True) / largest
        second = torch.where(t == 0, 0.0, first / t) if two_stage else first * t
        code = cast_finite(second.clamp(max=fmt.scale.max_value), fmt.scale)
        scale = code * t if two_stage else code / t
        bad = ~groups.isfinite().all(-1, keepdim=True)
        usable = ~bad & (scale != 0)
        quotients = torch.where(usable, groups.to(SINGLE.dtype) / scale, 0.0)
        most = fmt.element.max_value
        elements = cast_finite(quotients.clamp(-most, most), fmt.element)
        return (elements.to(DOUBLE.dtype) * scale).masked_fill_(bad, math.nan)

    return round_groups


def _magnitudes(x: Tensor) -> Tensor:
    """Return magnitudes as float32; 0 for NaN and Inf."""
    return x.to(SINGLE.dtype).abs().masked_fill_(~x.isfinite(), 0.0)
