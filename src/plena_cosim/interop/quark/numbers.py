"""fake_quantize: the values that a specification gives a tensor, golden's bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from plena_cosim import fakequant
from plena_cosim.golden import FormatError, Minifloat, Mx, Overflow
from plena_cosim.golden.affine import AffineInt, ScaledFp, ZeroPoint

from .golden_format import AnySpec, GoldenFormat, golden_formats

Range = tuple[Tensor, Tensor]
"""The smallest and the largest value of each group."""

_DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def fake_quantize(
    x: Tensor,
    spec: AnySpec,
    *,
    ranges: Sequence[Range | None] | None = None,
    dynamic: bool = False,
) -> Tensor:
    """Return the values of `x` quantised as a specification says, in the dtype of `x`.

    Args:
        x: float32, bfloat16 or float16 tensor, on any device.
        spec: a specification, one of two stages, or a chain of them; a stage takes the result of
            the stage before it, rounded to the dtype of `x`.
        ranges: for each stage, what calibration found where the stage is static, else None: the
            smallest and the largest value of each group, one number for a tensor, a number a
            channel, (…, groups) with the axis of groups moved to the end. A stage of scales has
            none of its own: where it is static, that of the tensor is the range of both.
        dynamic: take every stage as dynamic: what a static one gives the tensor it was made for,
            as weights are.

    Returns:
        The values of golden's format (`golden_formats`) by fakequant. The gradient is the identity
        (straight through).

    Raises:
        FormatError: no golden format is that; `x` is not of these dtypes; a static stage without a
            range, or a range for a dynamic one; and as fakequant's.
        ExactnessError: this thread flushes subnormals to zero.

    >>> from .quantization.config.config import Int4PerGroupSpec
    >>> fake_quantize(torch.tensor([1.5, -0.3]), Int4PerGroupSpec(group_size=2, is_dynamic=True))
    tensor([ 1.4000, -0.4000])
    """
    if not isinstance(x, Tensor) or x.dtype not in _DTYPES:
        given = x.dtype if isinstance(x, Tensor) else type(x).__name__
        allowed = ", ".join(str(dtype).removeprefix("torch.") for dtype in _DTYPES)
        raise FormatError(f"fake_quantize: need a tensor of {allowed}; got {given}")
    stages = golden_formats(spec, shape=x.shape, dynamic=dynamic)
    values = x.detach()
    for stage, bounds in zip(stages, _bounds(stages, ranges), strict=True):
        values = _stage(values, stage, bounds)
    if x.requires_grad and torch.is_grad_enabled():
        passed: Tensor = _StraightThrough.apply(x, values)  # type: ignore[no-untyped-call]
        return passed
    return values


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, values: Tensor) -> Tensor:
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


def _bounds(
    stages: Sequence[GoldenFormat], ranges: Sequence[Range | None] | None
) -> list[Range | None]:
    """Return the range of each stage; FormatError where one is missing or not wanted."""
    found: list[Range | None] = [None] * len(stages) if ranges is None else [*ranges]
    if len(found) != len(stages):
        raise FormatError(
            f"fake_quantize: ranges are one a stage, {len(stages)} here; got {len(found)}"
        )
    for place, (stage, bounds) in enumerate(zip(stages, found, strict=True)):
        if (bounds is not None) is not stage.needs_range:
            says = (
                "is static: give its range, or dynamic=True for the range of x"
                if stage.needs_range
                else "takes the range of its input; give None"
            )
            raise FormatError(f"fake_quantize: stage {place} ({stage.fmt.name}) {says}")
    return found


def _stage(x: Tensor, stage: GoldenFormat, bounds: Range | None) -> Tensor:
    fmt, granularity = stage.fmt, stage.granularity
    if isinstance(fmt, Minifloat):
        return fakequant.cast(x, fmt, overflow=Overflow.IEEE).to(x.dtype)
    if isinstance(fmt, Mx):
        return fakequant.quantize(x, fmt, _axis(stage))
    if not isinstance(fmt, (AffineInt, ScaledFp)):
        return fakequant.quantize_blocks(x, fmt, _axis(stage), tensor_amax=_amax(bounds))
    if bounds is None:
        return fakequant.quantize_affine(x, fmt, granularity)
    scale, zero_point = fakequant.affine_scale(*bounds, fmt)
    given = isinstance(fmt, AffineInt) and fmt.zero_point is not ZeroPoint.NONE
    return fakequant.quantize_affine(
        x, fmt, granularity, scale=scale, zero_point=zero_point if given else None
    )


def _amax(bounds: Range | None) -> float | None:
    """Return the largest magnitude of the range of a tensor."""
    if bounds is None:
        return None
    if any(bound.numel() != 1 for bound in bounds):
        raise FormatError(
            "fake_quantize: the range of nvfp4_two_stage is one number a tensor; got shapes "
            f"{tuple(bounds[0].shape)} and {tuple(bounds[1].shape)}"
        )
    return max(abs(float(bound)) for bound in bounds)


def _axis(stage: GoldenFormat) -> int:
    axis = stage.granularity.ch_axis
    assert axis is not None
    return axis
