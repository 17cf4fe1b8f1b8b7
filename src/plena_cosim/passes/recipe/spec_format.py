"""SpecFormat: a format by its axes: element, granularity, scale, zero point, rounding, range."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

from plena_cosim.golden import Minifloat, Mx
from plena_cosim.golden.affine import (
    AffineFormat,
    AffineInt,
    Granularity,
    Grouping,
    ScaledFp,
    ScaleFormat,
    ZeroPoint,
)
from plena_cosim.golden.blocks import BlockFormat, TwoLevel

from .range_rule import RangeRule

_SCALE_BITS = {"fp32": 32, "fp16": 16, "bf16": 16, "e8m0": 8, "pow2": 8, "e4m3": 8}
_ZERO_POINT_BITS = {ZeroPoint.NONE: 0, ZeroPoint.INT32: 32, ZeroPoint.FLOAT32: 32}


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One quantisation of a tensor.

    Attributes:
        fmt: the format. A Minifloat has no scale: values are cast to it, beyond its largest number
            to Inf if it has one.
        granularity: which values share a scale; of a block format the axis and the block's size; a
            tensor where there is no scale.
        range: how a static range is found in calibration data; None: each tensor has its own. In a
            format with two levels of scale that of the tensor scale; its groups have their own.
        min_scale: a scale is not smaller than this.
    """

    fmt: AffineFormat | Mx | BlockFormat | Minifloat
    granularity: Granularity
    range: RangeRule | None = None
    min_scale: float = 0.0

    @property
    def name(self) -> str:
        """Name for tables and messages, such as `int4/128`."""
        return f"{self._element()}{self._place()}{self._details()}"

    @property
    def range_granularity(self) -> Granularity:
        """Which values share a static range."""
        return Granularity() if isinstance(self.fmt, TwoLevel) else self.granularity

    def bits(self, shape: Sequence[int]) -> float:
        """Return what storing a tensor costs, scales and zero points included.

        Args:
            shape: of the tensor.
        """
        count, fmt = math.prod(shape), self.fmt
        if isinstance(fmt, Minifloat):
            return float(count * fmt.width_bits)
        if not isinstance(fmt, (AffineInt, ScaledFp)):
            return count * fmt.bits_per_value
        groups = _groups(shape, self.granularity)
        if isinstance(fmt, ScaledFp):
            return float(count * fmt.minifloat.width_bits + groups * _scale_bits(fmt))
        zero = _ZERO_POINT_BITS[ZeroPoint(fmt.zero_point)]
        return float(count * fmt.bits + groups * (_scale_bits(fmt) + zero))

    def _element(self) -> str:
        fmt = self.fmt
        return fmt.minifloat.name if isinstance(fmt, ScaledFp) else fmt.name

    def _place(self) -> str:
        given = self.granularity
        if isinstance(self.fmt, Minifloat):
            return ""
        if given.kind is Grouping.TENSOR:
            return "/tensor"
        if given.kind is Grouping.GROUP:
            return f"/{given.group_size}" + _axis(given.ch_axis, -1)
        return "/channel" + _axis(given.ch_axis, 0)

    def _details(self) -> str:
        fmt, words = self.fmt, []
        if isinstance(fmt, (AffineInt, ScaledFp)):
            scale = ScaleFormat(fmt.scale)
            if scale is not ScaleFormat.FP32:
                rule = f" {_word(fmt.scale_rule)}" if scale is ScaleFormat.E8M0 else ""
                words.append(f"scale {scale.value}{rule}")
        if isinstance(fmt, AffineInt):
            if fmt.zero_point is not ZeroPoint.NONE:
                words.append(f"zero point {_word(fmt.zero_point)}")
            if _word(fmt.rounding) != "rne":
                words.append(_word(fmt.rounding))
            if fmt.symmetric_codes:
                words.append("symmetric codes")
        if self.range is not None:
            words.append(_range(self.range))
        if self.min_scale:
            words.append(f"scale from {self.min_scale:g}")
        return f" ({', '.join(words)})" if words else ""


@dataclass(frozen=True, kw_only=True)
class SpecFormat:
    """One quantisation after another, each of what the one before it gave.

    Attributes:
        stages: in this order, one at least.
        shared_by: modules beside each other with this word have one range for all, that of them
            together; empty: each its own.
    """

    stages: tuple[Stage, ...]
    shared_by: str = ""

    @property
    def name(self) -> str:
        """Name for tables and messages."""
        words = " > ".join(stage.name for stage in self.stages)
        return f"{words}, shared by {self.shared_by}" if self.shared_by else words

    @property
    def is_static(self) -> bool:
        """Whether some range comes from calibration data."""
        return any(stage.range is not None for stage in self.stages)

    def bits(self, shape: Sequence[int]) -> float:
        """Return what storing a tensor costs, as its last stage leaves it.

        Args:
            shape: of the tensor.
        """
        return self.stages[-1].bits(shape)


def _scale_bits(fmt: AffineInt | ScaledFp) -> int:
    return _SCALE_BITS[ScaleFormat(fmt.scale).value]


def _groups(shape: Sequence[int], granularity: Granularity) -> int:
    """Return how many scales a tensor has."""
    axis = granularity.axis(shape)
    if granularity.kind is Grouping.TENSOR:
        return 1
    if granularity.kind is Grouping.CHANNEL:
        return int(shape[axis])
    assert granularity.group_size is not None
    return math.prod(shape) // shape[axis] * -(-shape[axis] // granularity.group_size)


def _axis(given: int | None, usual: int) -> str:
    return "" if given == usual else f" axis {given}"


def _range(rule: RangeRule) -> str:
    """Return the method, with what it is told beside its defaults."""
    usual = RangeRule(rule.method)
    own = [
        f"{field.name} {getattr(rule, field.name)}"
        for field in fields(rule)
        if getattr(rule, field.name) != getattr(usual, field.name)
    ]
    return " ".join([_word(rule.method), *own])


def _word(member: object) -> str:
    return str(getattr(member, "value", member))
