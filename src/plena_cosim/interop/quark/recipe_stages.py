"""stage_tables: a specification as the sub-tables of a role in a recipe's spec selector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from plena_cosim.golden import FormatError, Minifloat, Mx, Rounding, ScaleRule
from plena_cosim.golden.affine import (
    AffineInt,
    Granularity,
    Grouping,
    Quotient,
    ScaledFp,
    ScaleFormat,
    ZeroPoint,
)

from .golden_format import MINIFLOATS, GoldenFormat, golden_formats
from .quantization.config.quantization_spec import QuantizationSpec
from .quantization.observer.observer import (
    ObserverBase,
    PerTensorHistogramObserver,
    PerTensorHistogramObserverPro,
    PerTensorMSEObserver,
    PerTensorPercentileObserver,
)

_SEARCHED: dict[type[ObserverBase] | None, str] = {
    PerTensorHistogramObserver: "histogram",
    PerTensorHistogramObserverPro: "histogram_pro",
    PerTensorMSEObserver: "mse",
    PerTensorPercentileObserver: "percentile",
}
"""`range` of observers that do not take the smallest and largest value."""

_ELEMENTS = {
    name: f"{'fp4' if name == 'e2m1' else dtype.name.split('_')[0]}_{name}"
    for dtype, name in MINIFLOATS.items()
}
"""Elements of a recipe by golden's names of minifloats."""


def stage_tables(
    stages: Sequence[QuantizationSpec], *, weight: bool
) -> tuple[dict[str, Any] | list[dict[str, Any]], list[str]]:
    """Return the sub-table of a role, a list of them for a chain, and what it does not say.

    Args:
        stages: of one tensor, in order.
        weight: it is there before the model runs, so that its own range needs no calibration: a
            static stage is a dynamic one, unless its observer searches.

    Raises:
        FormatError: no golden format is that.
    """
    notes: list[str] = []
    taken: list[QuantizationSpec] = []
    for stage in stages:
        if stage.qat_spec is not None:
            notes.append("qat_spec is about training; its numbers are those of rounding")
        stage = replace(stage, qat_spec=None)
        if weight and (stage.is_scale_quant or stage.observer_cls not in _SEARCHED):
            stage = replace(stage, is_dynamic=True)
        elif stage.is_scale_quant and (method := _SEARCHED.get(stage.observer_cls)):
            raise FormatError(f"scales have a range by min_max, not by {method}; leave it out")
        taken.append(stage)
    golden = golden_formats(taken)
    if not weight and any(map(_has_static_groups, golden)):
        notes.append(
            "groups along the last axis have one static range each, for all rows; Quark 0.13 "
            "refuses static groups of activations"
        )
    observers = [stage.observer_cls for stage in taken if not stage.is_scale_quant]
    tables = [
        stage_table(each, _SEARCHED.get(observer, "min_max"))
        for each, observer in zip(golden, observers, strict=True)
    ]
    return (tables[0] if len(tables) == 1 else tables), notes


def stage_table(golden: GoldenFormat, method: str) -> dict[str, Any]:
    """Return one stage as a sub-table of a recipe.

    Args:
        golden: what it means.
        method: how its range is found, where it needs one.
    """
    fmt = golden.fmt
    if isinstance(fmt, Minifloat):
        return {"element": fmt.name}
    if isinstance(fmt, AffineInt):
        keys = {
            "element": f"{'' if fmt.signed else 'u'}int{fmt.bits}",
            **_shared(golden.granularity),
        }
        keys |= _scale(fmt)
        if fmt.zero_point is not ZeroPoint.NONE:
            keys["zero_point"] = ZeroPoint(fmt.zero_point).value
        if fmt.rounding is not Rounding.RNE:
            keys["rounding"] = Rounding(fmt.rounding).value
        if fmt.scale is not ScaleFormat.E8M0:  # by a power of two either is exact
            keys["quotient"] = Quotient(fmt.quotient).value
    elif isinstance(fmt, ScaledFp):
        element = _ELEMENTS[fmt.minifloat.name]
        keys = {"element": element, **_shared(golden.granularity), **_scale(fmt)}
    else:
        keys = {"element": fmt.name, **_shared(golden.granularity)}
        if isinstance(fmt, Mx):
            keys["scale_rule"] = ScaleRule(fmt.scale_rule).value
    if golden.needs_range:
        keys["range"] = method
    return keys


def _has_static_groups(golden: GoldenFormat) -> bool:
    """Whether the range of each group is static."""
    affine = isinstance(golden.fmt, (AffineInt, ScaledFp))
    return affine and golden.needs_range and golden.granularity.kind is Grouping.GROUP


def _shared(granularity: Granularity) -> dict[str, Any]:
    keys: dict[str, Any] = {"granularity": Grouping(granularity.kind).value}
    if granularity.ch_axis is not None:
        keys["axis"] = granularity.ch_axis
    if granularity.group_size is not None:
        keys["group_size"] = granularity.group_size
    return keys


def _scale(fmt: AffineInt | ScaledFp) -> dict[str, Any]:
    keys: dict[str, Any] = {"scale": ScaleFormat(fmt.scale).value}
    if fmt.scale is ScaleFormat.E8M0:
        keys["scale_rule"] = ScaleRule(fmt.scale_rule).value
    return keys
