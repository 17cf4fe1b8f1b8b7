"""What a replaced module became, in numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from plena_cosim.fakequant import MxTensor
from plena_cosim.golden import Mx

from .module_formats import ModuleFormats


@dataclass(frozen=True, kw_only=True)
class ModuleInfo:
    """One replaced module.

    Attributes:
        selector: key of the recipe that chose it.
        numerics: "fake" or "exact".
        weight, data_in, bias: names of the formats, None where left alone.
        block_size: of the weight, 0 where it is left alone.
        parameters: number of weight elements.
        bits_per_weight: storage cost, the share of scales included.
        weight_mse: mean squared error of the weight.
        clipped_fraction: share of weights beyond the largest element of their block.
        untied: the weight was shared with another module, which keeps its own.
    """

    selector: str
    numerics: str
    weight: str | None
    data_in: str | None
    bias: str | None
    block_size: int
    parameters: int
    bits_per_weight: float
    weight_mse: float
    clipped_fraction: float
    untied: bool

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for a JSON record."""
        return asdict(self)


def module_info(
    before: Tensor,
    after: MxTensor | None,
    formats: ModuleFormats,
    *,
    selector: str,
    numerics: str,
    untied: bool,
) -> ModuleInfo:
    """Compare a weight with what became of it; `after` is None where it is left alone."""
    bits, mse, clipped = float(before.element_size() * 8), 0.0, 0.0
    if after is not None:
        mx = after.mx
        scale_bits = after.scales.numel() * mx.scale_bits
        bits = mx.element.width_bits + scale_bits / before.numel()
        error = after.values - before.to(after.values.dtype)
        mse = float(error.square().mean(dtype=torch.float64))
        clipped = _clipped_fraction(before, after)
    return ModuleInfo(
        selector=selector,
        numerics=numerics,
        weight=_name(formats.weight),
        data_in=_name(formats.data_in),
        bias=_name(formats.bias),
        block_size=formats.weight.block_size if formats.weight else 0,
        parameters=before.numel(),
        bits_per_weight=bits,
        weight_mse=mse,
        clipped_fraction=clipped,
        untied=untied,
    )


def _name(mx: Mx | None) -> str | None:
    return mx.name if mx is not None else None


def _clipped_fraction(before: Tensor, after: MxTensor) -> float:
    largest = after.scale_values() * after.mx.element.max_value
    limit = largest.repeat_interleave(after.mx.block_size, -1)[..., : before.shape[-1]]
    return float((before.double().abs() > limit).double().mean())
