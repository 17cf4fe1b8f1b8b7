"""quantize_spec: the values that the stages of a SpecFormat give a tensor, golden's bit for bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from plena_cosim import fakequant
from plena_cosim.fakequant.groups import to_groups
from plena_cosim.golden import FormatError, Minifloat, Mx, Overflow
from plena_cosim.golden.affine import AffineInt, Grouping, ScaledFp, ZeroPoint
from plena_cosim.golden.blocks import TwoLevel

from ..ranges.stage_observer import stage_observer
from ..recipe.spec_format import SpecFormat, Stage

Range = tuple[Tensor, Tensor]
"""The smallest and the largest value of each group, as `fakequant.affine_scale` takes them; of
groups along the last axis maybe (groups,), one for all rows."""


RangeKey = tuple[str, str, SpecFormat, int | None]
"""A module's name, a role, its format, and the size of an online rotation before it."""

Ranges = Mapping[RangeKey, Sequence[Range | None]]
"""What calibration found: the range of each stage, None where it has none."""


def quantize_spec(
    x: Tensor, fmt: SpecFormat, ranges: Sequence[Range | None] | None = None
) -> Tensor:
    """Return the values of `x` after all stages, in its own dtype.

    Args:
        x: floating-point tensor.
        fmt: what its stages say.
        ranges: of each stage the range that calibration found, None where each tensor has its own;
            without the argument that is so of all.

    Raises:
        FormatError: as fakequant's.
    """
    for stage, bounds in zip(fmt.stages, ranges or [None] * len(fmt.stages), strict=True):
        x = quantize_stage(x, stage, bounds)
    return x


def quantize_stage(x: Tensor, stage: Stage, bounds: Range | None = None) -> Tensor:
    """Return the values of `x` after one stage, in its own dtype.

    Args:
        x: floating-point tensor.
        stage: what it becomes.
        bounds: the range that the scale follows, of a format with two levels that of the tensor
            scale; None: that of the values.
    """
    fmt, granularity = stage.fmt, stage.granularity
    if isinstance(fmt, Minifloat):
        return fakequant.cast(x, fmt, overflow=Overflow.IEEE).to(x.dtype)
    if not isinstance(fmt, (AffineInt, ScaledFp)):
        axis = granularity.ch_axis
        assert axis is not None
        if isinstance(fmt, Mx):
            return fakequant.quantize(x, fmt, axis)
        if bounds is None or not isinstance(fmt, TwoLevel):
            return fakequant.quantize_blocks(x, fmt, axis)
        amax = max(abs(float(bound)) for bound in bounds)
        return fakequant.quantize_blocks(x, fmt, axis, tensor_amax=amax)
    if bounds is None and not stage.min_scale:
        return fakequant.quantize_affine(x, fmt, granularity)
    if bounds is None:
        groups = to_groups(x.detach(), granularity)
        bounds = groups.amin(-1), groups.amax(-1)
    scale, zero_point = stage_scale(bounds, stage)
    if granularity.kind is Grouping.GROUP and scale.ndim == 1:  # one for all rows
        shape = (*x.shape[:-1], len(scale))
        scale = scale.expand(shape)
        zero_point = None if zero_point is None else zero_point.expand(shape)
    return quantize_scaled(x, stage, scale, zero_point)


def stage_scale(bounds: Range, stage: Stage) -> tuple[Tensor, Tensor | None]:
    """Return the scales of groups in float32, and zero points where the format has them.

    Args:
        bounds: the range of each group.
        stage: with an affine format.
    """
    fmt = stage.fmt
    assert isinstance(fmt, (AffineInt, ScaledFp))
    scale, zero_point = fakequant.affine_scale(*bounds, fmt)
    if stage.min_scale:
        scale = scale.clamp(min=torch.tensor(stage.min_scale, dtype=torch.float32).item())
    given = isinstance(fmt, AffineInt) and fmt.zero_point is not ZeroPoint.NONE
    return scale, zero_point if given else None


def quantize_scaled(x: Tensor, stage: Stage, scale: Tensor, zero_point: Tensor | None) -> Tensor:
    """Return the values of `x` after a stage whose scales are given, in its own dtype.

    Args:
        x: floating-point tensor.
        stage: with an affine format.
        scale, zero_point: of each group of `x`, as `stage_scale` returns them.
    """
    fmt, granularity = stage.fmt, stage.granularity
    assert isinstance(fmt, (AffineInt, ScaledFp))
    return fakequant.quantize_affine(x, fmt, granularity, scale=scale, zero_point=zero_point)


def ranges_of(weight: Tensor, fmt: SpecFormat) -> list[Range | None]:
    """Return the ranges of static stages as a weight itself shows them.

    Args:
        weight: floating-point tensor; on the meta device it has none.
        fmt: of the weight; a stage sees the result of those before it.

    Raises:
        FormatError: a rule does not take the stage's format or granularity, or the weight holds a
            NaN or Inf.
    """
    found: list[Range | None] = []
    for stage in fmt.stages:
        bounds = None
        if stage.range is not None and not weight.is_meta:
            observer = stage_observer(stage, of_rows=False)
            observer.update(weight)
            low, high = observer.range()
            bounds = low.to(weight.device), high.to(weight.device)
        found.append(bounds)
        weight = quantize_stage(weight, stage, bounds)
    return found


def quantize_matrices(weight: Tensor, fmt: SpecFormat, axis: int) -> Tensor:
    """Return the values of a matrix an expert, each quantised by itself as a linear layer's.

    Args:
        weight: (experts, rows, columns), floating-point.
        fmt: of each matrix (out, in); a static range is its own.
        axis: of the inputs, 1 or 2.

    Raises:
        FormatError: as `ranges_of`, or fakequant's.
    """
    matrices = weight if axis == 2 else weight.mT
    values = [quantize_spec(each, fmt, ranges_of(each, fmt)) for each in matrices]
    return torch.stack(values) if axis == 2 else torch.stack(values).mT.contiguous()


def require_static(fmt: SpecFormat, where: str) -> None:
    """Raise FormatError where a stage has a static range that has no meaning.

    Args:
        fmt: of an input or output.
        where: for messages.
    """
    for stage in fmt.stages:
        shared = stage.range_granularity
        known = shared.kind is Grouping.TENSOR or shared.ch_axis == -1
        if stage.range is not None and not known:
            raise FormatError(
                f"{where}: a static range of inputs or outputs is that of the tensor, or of "
                f"channels or groups along its last axis (axis = -1); got {stage.name}"
            )
