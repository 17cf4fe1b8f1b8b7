"""What a replaced module became, in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from plena_cosim.fakequant.carrier import DOUBLE
from plena_cosim.golden import Mx

from ..modules.module_kind import ModuleKind
from ..recipe.formats import CastFormat, Format, ModuleFormats, RotationMode
from ..recipe.selector_tables import ROTATIONS
from ..recipe.spec_format import SpecFormat
from ..weights.packed_weight import PackedWeight
from ..weights.weight_record import WeightRecord


@dataclass(frozen=True, kw_only=True)
class ModuleInfo:
    """One replaced module.

    Attributes:
        kind: what it is, such as "linear layer".
        selector: key of the recipe that chose it.
        numerics: "fake" or "exact".
        weight, data_in, data_out, bias: names of the formats, None where left alone.
        inside: names of the formats inside an attention module, by operation.
        block_size: of the weight, 0 where it has no blocks.
        parameters: number of weight elements.
        bits_per_weight: storage cost, the share of scales included.
        weight_mse: mean squared error of the weight.
        clipped_fraction: share of weights beyond the largest element of their block; 0 where
            axes of a format were given, which say where a range ends themselves.
        untied: the weight was shared with another module, which keeps its own.
        rotation: size of the Hadamard blocks of both operands, None without.
        rotated_inside: those of the operations inside an attention module.
        semantics: what the rotations mean, "fused" or "dequant"; None without.
        calibration: what calibration found of its weight, one record a matrix; None
            where it was rounded to nearest.
    """

    kind: str
    selector: str
    numerics: str
    weight: str | None = None
    data_in: str | None = None
    bias: str | None = None
    data_out: str | None = None
    inside: dict[str, str] | None = None
    block_size: int = 0
    parameters: int = 0
    bits_per_weight: float = 0.0
    weight_mse: float = 0.0
    clipped_fraction: float = 0.0
    untied: bool = False
    rotation: int | None = None
    rotated_inside: dict[str, int] | None = None
    semantics: str | None = None
    calibration: list[WeightRecord] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for a JSON record."""
        return asdict(self)


def module_info(
    kind: ModuleKind,
    formats: ModuleFormats,
    weights: Sequence[tuple[Tensor, PackedWeight]] = (),
    *,
    selector: str,
    numerics: str,
    untied: bool = False,
    rotation: int | None = None,
    semantics: RotationMode = RotationMode.FUSED,
) -> ModuleInfo:
    """Return what a replaced module became, in numbers.

    Args:
        kind: of the module.
        formats: of its roles.
        weights: pairs of what a weight was and what became of it, in one shape and basis.
        selector: key of the recipe that chose it.
        numerics: "fake" or "exact".
        untied: whether the weight was shared with another module.
        rotation: size of the Hadamard blocks of both operands.
        semantics: of the rotations.
    """
    elements = sum(before.numel() for before, _ in weights)
    bits = error = clipped = 0.0
    for before, after in weights:
        bits += _bits(before, after)
        error += _squared_error(before, after)
        clipped += _clipped(before, after)
    inside = {
        name: fmt.name
        for name, fmt in vars(formats.attention).items()
        if isinstance(fmt, (Mx, CastFormat, SpecFormat))
    }
    sizes = {name: getattr(formats.attention, field) for name, field in ROTATIONS.items()}
    rotated = {name: size for name, size in sizes.items() if size}
    return ModuleInfo(
        kind=kind.name,
        selector=selector,
        numerics=numerics,
        weight=_name(formats.weight),
        data_in=_name(formats.data_in),
        bias=_name(formats.bias),
        data_out=_name(formats.data_out),
        inside=inside or None,
        block_size=formats.weight.block_size if isinstance(formats.weight, Mx) else 0,
        parameters=elements,
        bits_per_weight=bits / elements if elements else 0.0,
        weight_mse=error / elements if elements else 0.0,
        clipped_fraction=clipped / elements if elements else 0.0,
        untied=untied,
        rotation=rotation,
        rotated_inside=rotated or None,
        semantics=semantics.value if rotation or rotated else None,
    )


def _name(fmt: Format | None) -> str | None:
    return fmt.name if fmt is not None else None


def _bits(before: Tensor, after: PackedWeight) -> float:
    if after.fmt is None:
        return before.numel() * before.element_size() * 8.0
    if isinstance(after.fmt, CastFormat):
        return float(before.numel() * after.fmt.fmt.width_bits)
    if isinstance(after.fmt, SpecFormat):
        return after.spec_bits()
    scale_bits = after.scales.numel() * after.fmt.scale_bits
    return float(before.numel() * after.fmt.element.width_bits + scale_bits)


def _squared_error(before: Tensor, after: PackedWeight) -> float:
    if after.fmt is None:
        return 0.0
    error = after.values - before.to(after.values.dtype)
    return float(error.square().sum(dtype=torch.float64))


def _clipped(before: Tensor, after: PackedWeight) -> float:
    fmt = after.fmt
    if fmt is None or isinstance(fmt, SpecFormat):
        return 0.0
    magnitudes = before.double().abs()
    if isinstance(fmt, CastFormat):
        return float((magnitudes > fmt.fmt.max_value).double().sum())
    scales = DOUBLE.power_of_two(after.scales.to(torch.int64) - fmt.scale_bias)
    limit = (scales * fmt.element.max_value).repeat_interleave(fmt.block_size, after.axis)
    return float((magnitudes > limit.narrow(after.axis, 0, before.shape[after.axis])).sum())
