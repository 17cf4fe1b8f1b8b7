"""golden_formats: the golden format and the granularity that a specification means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from plena_cosim.golden import FormatError, Minifloat, Mx, Rounding, ScaleRule, get_format
from plena_cosim.golden.affine import (
    AffineFormat,
    AffineInt,
    Granularity,
    Grouping,
    Quotient,
    ScaledFp,
    ScaleFormat,
    ZeroPoint,
)
from plena_cosim.golden.blocks import BlockFormat, get_block_format
from plena_cosim.golden.formats import as_minifloat

from .quantization.config.data_type_spec import DataTypeSpec
from .quantization.config.quantization_spec import QuantizationSpec
from .quantization.config.two_stage import TwoStageSpec
from .quantization.config.type import Dtype, QSchemeType, RoundType, ScaleType, ZeroPointType
from .quantization.observer.observer import (
    PerBlockMXDiffsObserver,
    PerBlockMXObserver,
    PerChannelMinMaxObserver,
    PerChannelPowOf2MinMaxObserver,
    PerChannelPowOf2MinMSEObserver,
    PerGroupMinMaxObserver,
    PerTensorMinMaxObserver,
    PerTensorPowOf2MinMaxObserver,
    PerTensorPowOf2MinMSEObserver,
    PlaceholderObserver,
)

Stage = QuantizationSpec | DataTypeSpec
AnySpec = Stage | TwoStageSpec | Sequence[Stage | TwoStageSpec]
"""One specification, one of two stages, or a chain of them."""

MINIFLOATS = {
    Dtype.fp8_e4m3: "e4m3",
    Dtype.fp8_e5m2: "e5m2",
    Dtype.fp6_e3m2: "e3m2",
    Dtype.fp6_e2m3: "e2m3",
    Dtype.fp4: "e2m1",
}
"""Golden's names of elements that have a scale."""

_CASTS = {Dtype.float16: "fp16", Dtype.bfloat16: "bf16"}
_BLOCKS = {Dtype.mx6: "mx6", Dtype.mx9: "mx9", Dtype.bfp16: "bfp16"}
_ROUNDINGS = {
    RoundType.half_even: Rounding.RNE,
    RoundType.round: Rounding.RNA,
    RoundType.floor: Rounding.RDOWN,
}
_SCALES = {
    ScaleType.float: ScaleFormat.FP32,
    ScaleType.float32: ScaleFormat.FP32,
    ScaleType.float16: ScaleFormat.FP16,
    ScaleType.bfloat16: ScaleFormat.BF16,
    ScaleType.pof2: ScaleFormat.POW2,
}
_POWERS = (PerTensorPowOf2MinMaxObserver, PerChannelPowOf2MinMaxObserver)
"""Observers whose scales are powers of two, whatever the type of scale."""

_OWN_RANGE = (
    PerTensorMinMaxObserver,
    PerChannelMinMaxObserver,
    PerGroupMinMaxObserver,
    PerBlockMXObserver,
    PlaceholderObserver,
    *_POWERS,
)
"""Observers of which a dynamic range is the smallest and largest value."""


@dataclass(frozen=True, kw_only=True)
class GoldenFormat:
    """What one stage of a specification means.

    Attributes:
        fmt: the format. A Minifloat has no scale: values are cast to it.
        granularity: which values share a scale; of a block format the axis and the block's size; a
            tensor where there is no scale.
        needs_range: the scale follows from a range that is given, not from that of the values; in
            nvfp4_two_stage the scale of the tensor alone.
    """

    fmt: AffineFormat | Mx | BlockFormat | Minifloat
    granularity: Granularity
    needs_range: bool = False


def golden_formats(
    spec: AnySpec, *, shape: Sequence[int] | None = None, dynamic: bool = False
) -> list[GoldenFormat]:
    """Return what each stage of a specification means, in the order in which they are applied.

    Args:
        spec: a specification, one of two stages, or a chain of them.
        shape: of the tensor; a group_size of -1 needs it.
        dynamic: take every stage as dynamic: what a static one gives the tensor it was made for,
            as weights are.

    Returns:
        One GoldenFormat a stage. A stage that quantises the scales of the one before it is part of
        that. A ch_axis of None is the last axis of groups and blocks, and the first of channels.

    Raises:
        FormatError: no golden format is that; the message names what is missing.

    >>> from .quantization.config.config import OCP_MXFP4Spec
    >>> golden_formats(OCP_MXFP4Spec())[0].fmt.name
    'mxfp4_e2m1'
    """
    stages = [_with_group_size(stage, shape) for stage in _stages(spec)]
    if dynamic:
        stages = [replace(stage, is_dynamic=True) for stage in stages]
    found: list[GoldenFormat] = []
    for place, stage in enumerate(stages):
        if not stage.is_scale_quant:
            found.append(_golden_format(stage))
        elif not place or stages[place - 1].is_scale_quant:
            raise FormatError("a specification of scales follows one whose scales they are")
        else:
            found[-1] = _with_scales_quantized(stages[place - 1], stage)
    return found


def _stages(spec: AnySpec) -> list[QuantizationSpec]:
    if isinstance(spec, (QuantizationSpec, DataTypeSpec)):
        return [spec.to_quantization_spec()]
    if isinstance(spec, TwoStageSpec):
        return spec.to_quantization_spec()
    if not isinstance(spec, (list, tuple)) or not spec:
        raise FormatError(f"need a specification such as Int8PerTensorSpec(), got {spec!r}")
    return [stage for each in spec for stage in _stages(each)]


def _golden_format(spec: QuantizationSpec) -> GoldenFormat:
    if spec.qat_spec is not None:
        raise _missing(spec, "training of its thresholds (qat_spec)")
    if spec.dtype in _CASTS:
        cast = get_format(_CASTS[spec.dtype])
        assert isinstance(cast, Minifloat)
        return GoldenFormat(fmt=cast, granularity=Granularity())
    if spec.dtype in _BLOCKS:
        size = _group_size(spec)
        return GoldenFormat(
            fmt=get_block_format(_BLOCKS[spec.dtype], block_size=size),
            granularity=_blocks(spec),
        )
    if spec.dtype is Dtype.mx:
        return _mx(spec)
    if spec.dtype in MINIFLOATS:
        return _minifloat(spec)
    return _integer(spec)


def _mx(spec: QuantizationSpec) -> GoldenFormat:
    """A block format by element; nothing of it is static."""
    assert spec.mx_element_dtype is not None
    if spec.mx_element_dtype in MINIFLOATS:
        return GoldenFormat(
            fmt=_mx_format(spec, MINIFLOATS[spec.mx_element_dtype]), granularity=_blocks(spec)
        )
    bits = _integer_bits(spec, spec.mx_element_dtype)[0]
    mxint = get_format(f"mxint{bits}", block_size=_group_size(spec), scale_rule=_scale_rule(spec))
    assert isinstance(mxint, Mx)
    return GoldenFormat(fmt=mxint, granularity=_blocks(spec))


def _minifloat(spec: QuantizationSpec) -> GoldenFormat:
    name, granularity = MINIFLOATS[spec.dtype], _granularity(spec)
    if spec.symmetric is False:
        raise _missing(spec, "a zero point (symmetric=False)")
    if spec.round_method not in (None, RoundType.half_even):
        raise _missing(spec, f"rounding other than half_even ({spec.round_method.name})")
    if _scale(spec) is not ScaleFormat.FP32:
        raise _missing(spec, f"a scale of type {_scale(spec).value}")
    by_group = granularity.kind is Grouping.GROUP
    static = not spec.is_dynamic
    if spec.observer_cls is PerBlockMXDiffsObserver:
        if static or spec.dtype is not Dtype.fp4 or not by_group:
            raise _missing(
                spec, "the better of two scales for anything but dynamic groups (is_dynamic=True)"
            )
        fmt = get_block_format("mxfp4_diffs", block_size=_group_size(spec))
        return GoldenFormat(fmt=fmt, granularity=granularity)
    _require_own_range(spec)
    if by_group and not static and spec.scale_format == "e8m0":
        return GoldenFormat(fmt=_mx_format(spec, name), granularity=granularity)
    if by_group and not static and spec.scale_format == "e4m3" and spec.dtype is Dtype.fp4:
        nvfp4 = get_block_format("nvfp4", block_size=_group_size(spec))
        return GoldenFormat(fmt=nvfp4, granularity=granularity)
    in_fp32 = spec.scale_format in (None, "float32")
    scale = ScaleFormat.FP32 if in_fp32 else ScaleFormat(spec.scale_format)
    return GoldenFormat(
        fmt=ScaledFp(element=name, scale=scale, scale_rule=_scale_rule(spec)),
        granularity=granularity,
        needs_range=static,
    )


def _integer(spec: QuantizationSpec) -> GoldenFormat:
    bits, signed = _integer_bits(spec, spec.dtype)
    if spec.symmetric is None:
        raise FormatError(f"{_name(spec)}: symmetric is not given; say True or False")
    if spec.symmetric:
        zero_point = ZeroPoint.NONE
    elif spec.zero_point_type is None:
        raise FormatError(f"{_name(spec)}: zero_point_type is not given; say int32 or float32")
    else:
        zero_point = _ZERO_POINTS[spec.zero_point_type]
    if spec.scale_format == "e4m3":
        raise _missing(spec, "a scale in e4m3")
    _require_own_range(spec)
    power = spec.scale_format == "e8m0"
    if power and not spec.symmetric:
        raise _missing(spec, "a zero point beside a scale in e8m0")
    if not power and _scale(spec) is ScaleFormat.POW2:
        if zero_point is ZeroPoint.FLOAT32:
            raise _missing(spec, "a float32 zero point beside a scale that is a power of two")
        if spec.symmetric and not signed:
            raise _missing(spec, "the zero point 128 of symmetric codes without a sign")
    return GoldenFormat(
        fmt=AffineInt(
            bits=bits,
            signed=signed,
            zero_point=zero_point,
            scale=ScaleFormat.E8M0 if power else _scale(spec),
            scale_rule=_scale_rule(spec),
            rounding=_ROUNDINGS[spec.round_method or RoundType.half_even],
            quotient=Quotient.RECIPROCAL,
        ),
        granularity=_granularity(spec),
        needs_range=not spec.is_dynamic,
    )


_ZERO_POINTS = {
    ZeroPointType.int32: ZeroPoint.INT32,
    ZeroPointType.float32: ZeroPoint.FLOAT32,
}


def _with_scales_quantized(first: QuantizationSpec, second: QuantizationSpec) -> GoldenFormat:
    """Return what a specification of scales makes of the stage before it."""
    fits = (
        first.dtype is Dtype.fp4
        and first.qscheme is QSchemeType.per_group
        and first.scale_format in (None, "float32")
        and second.dtype is Dtype.fp8_e4m3
        and second.qscheme is QSchemeType.per_tensor
    )
    if not fits:
        raise _missing(
            first,
            f"scales quantised to {_name(second)}; what there is: fp4 per_group with "
            "scales in float32, these quantised to fp8_e4m3 per_tensor",
        )
    for each in (first, second):  # what is wrong with them by themselves
        _golden_format(each)
    if not first.is_dynamic:
        raise _missing(first, "static scales of groups; take is_dynamic=True in the first stage")
    return GoldenFormat(
        fmt=get_block_format("nvfp4_two_stage", block_size=_group_size(first)),
        granularity=_granularity(first),
        needs_range=not second.is_dynamic,
    )


def _mx_format(spec: QuantizationSpec, element: str) -> Mx:
    width = as_minifloat(element).width_bits
    mx = get_format(
        f"mxfp{width}_{element}", block_size=_group_size(spec), scale_rule=_scale_rule(spec)
    )
    assert isinstance(mx, Mx)
    return mx


def _integer_bits(spec: QuantizationSpec, dtype: Dtype) -> tuple[int, bool]:
    """Return the width of an integer, and whether it is signed."""
    found = re.fullmatch(r"(u?)int([2-8])", dtype.name)
    if found is None:
        raise _missing(spec, f"the element {dtype.name}")
    return int(found[2]), not found[1]


def _scale(spec: QuantizationSpec) -> ScaleFormat:
    if spec.observer_cls in _POWERS:
        return ScaleFormat.POW2
    scale_type = spec.scale_type or ScaleType.float
    if scale_type not in _SCALES:
        raise _missing(spec, f"a scale of type {scale_type.name}")
    return _SCALES[scale_type]


def _scale_rule(spec: QuantizationSpec) -> ScaleRule:
    return ScaleRule(spec.scale_calculation_mode or ScaleRule.EVEN.value)


def _granularity(spec: QuantizationSpec) -> Granularity:
    if spec.qscheme is None:
        known = ", ".join(QSchemeType.__members__)
        raise FormatError(f"{_name(spec)}: qscheme is not given; known: {known}")
    if spec.qscheme is QSchemeType.per_tensor:
        return Granularity()
    if spec.qscheme is QSchemeType.per_channel:
        axis = 0 if spec.ch_axis is None else spec.ch_axis
        return Granularity(kind=Grouping.CHANNEL, ch_axis=axis)
    if spec.qscheme is QSchemeType.per_group:
        return _blocks(spec)
    raise _missing(spec, f"the granularity {spec.qscheme.name}")


def _blocks(spec: QuantizationSpec) -> Granularity:
    size = _group_size(spec)
    return Granularity(kind=Grouping.GROUP, ch_axis=_axis_of_blocks(spec), group_size=size)


def _group_size(spec: QuantizationSpec) -> int:
    if spec.group_size is None:
        raise FormatError(f"{_name(spec)}: group_size is not given; say how many share a scale")
    if spec.group_size < 0:
        raise FormatError(f"{_name(spec)}: a group_size of -1 needs the shape of the tensor")
    return spec.group_size


def _with_group_size(spec: QuantizationSpec, shape: Sequence[int] | None) -> QuantizationSpec:
    """Return the specification with the length of the axis for a group_size of -1."""
    if spec.group_size != -1 or shape is None:
        return spec
    along = Granularity(kind=Grouping.GROUP, ch_axis=_axis_of_blocks(spec), group_size=1)
    return replace(spec, group_size=shape[along.axis(shape)])


def _axis_of_blocks(spec: QuantizationSpec) -> int:
    return -1 if spec.ch_axis is None else spec.ch_axis


def _require_own_range(spec: QuantizationSpec) -> None:
    """FormatError where a dynamic range is not that of the values, or a scale is found apart."""
    observer = spec.observer_cls
    if observer is None:
        return
    if observer in (PerTensorPowOf2MinMSEObserver, PerChannelPowOf2MinMSEObserver):
        raise _missing(spec, f"{observer.__name__}, which looks at the last batch alone")
    if spec.is_dynamic and observer not in _OWN_RANGE:
        raise _missing(spec, f"the range that {observer.__name__} finds in each tensor")


def _name(spec: QuantizationSpec) -> str:
    element = "" if spec.mx_element_dtype is None else f" of {spec.mx_element_dtype.name}"
    scheme = "" if spec.qscheme is None else f" {spec.qscheme.name}"
    return f"{spec.dtype.name}{element}{scheme}"


def _missing(spec: QuantizationSpec, what: str) -> FormatError:
    return FormatError(f"no golden format is {_name(spec)}: missing is {what}")
