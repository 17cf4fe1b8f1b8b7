"""Quark's specifications: each a point of element, granularity, scale, zero point and range.

First the lists of arguments that several classes share, in the order of Quark's document; then the
classes, a line each. Keywords of a class statement are its coordinates, see `DataTypeSpec`.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..observer.observer import (
    PerBlockMXDiffsObserver,
    PerBlockMXObserver,
    PerChannelMinMaxObserver,
    PerGroupMinMaxObserver,
    PerTensorMinMaxObserver,
    PlaceholderObserver,
)
from .data_type_spec import DataTypeSpec
from .type import Dtype, QSchemeType, RoundType, ScaleType

OCP_BLOCK_SIZE = 32
"""Elements of a block of the OCP specification."""
BFP16_BLOCK_SIZE = 8
"""Elements of a block of Quark's bfp16."""


class Scaled(
    DataTypeSpec,
    is_dynamic=False,
    scale_type=ScaleType.float,
    round_method=RoundType.half_even,
):
    """A scale that follows from a range; static unless told otherwise."""


@dataclass(frozen=True)
class PerTensor(
    Scaled,
    qscheme=QSchemeType.per_tensor,
    observer_cls=PerTensorMinMaxObserver,
):
    """One scale for all of a tensor.

    Args:
        observer_method: how the range is found: min_max, histogram, histogrampro, MSE, percentile.
        symmetric: no zero point.
        scale_type: float, float32, float16, bfloat16 or power_of_2.
        round_method: half_even, round or floor.
        is_dynamic: each tensor has the scale of its own range.
    """

    observer_method: str | None = None
    symmetric: bool | None = None
    scale_type: str | None = None
    round_method: str | None = None
    is_dynamic: bool | None = None


@dataclass(frozen=True)
class PerTensorOfFewArguments(
    Scaled,
    qscheme=QSchemeType.per_tensor,
    observer_cls=PerTensorMinMaxObserver,
):
    """As PerTensor, always symmetric and rounded half even.

    Args:
        observer_method: as in PerTensor.
        scale_type: as in PerTensor.
        is_dynamic: as in PerTensor.
    """

    observer_method: str | None = None
    scale_type: str | None = None
    is_dynamic: bool | None = None


@dataclass(frozen=True)
class PerChannel(
    Scaled,
    qscheme=QSchemeType.per_channel,
    observer_cls=PerChannelMinMaxObserver,
):
    """A scale for each index of an axis.

    Args:
        symmetric: no zero point.
        scale_type: float, float32, float16, bfloat16 or power_of_2.
        round_method: half_even, round or floor.
        ch_axis: the axis.
        is_dynamic: each tensor has the scales of its own ranges.
    """

    symmetric: bool | None = None
    scale_type: str | None = None
    round_method: str | None = None
    ch_axis: int | None = None
    is_dynamic: bool | None = None


@dataclass(frozen=True)
class PerChannelWithZeroPointType(PerChannel):
    """As PerChannel, with a choice of zero points.

    Args:
        zero_point_type: int32 or float32, where not symmetric; the others as in PerChannel.
    """

    zero_point_type: str | None = "int32"


@dataclass(frozen=True)
class PerGroup(
    Scaled,
    qscheme=QSchemeType.per_group,
    observer_cls=PerGroupMinMaxObserver,
):
    """A scale for each `group_size` values along an axis.

    Args:
        symmetric: no zero point.
        scale_type: float, float32, float16, bfloat16 or power_of_2.
        round_method: half_even, round or floor.
        ch_axis: the axis.
        is_dynamic: each tensor has the scales of its own ranges.
        group_size: values of a group; -1 for all along the axis.
    """

    symmetric: bool | None = None
    scale_type: str | None = None
    round_method: str | None = None
    ch_axis: int | None = None
    is_dynamic: bool | None = None
    group_size: int | None = None


@dataclass(frozen=True)
class PerGroupSymmetric(
    Scaled,
    qscheme=QSchemeType.per_group,
    observer_cls=PerGroupMinMaxObserver,
    symmetric=True,
):
    """As PerGroup in another order; symmetric unless told otherwise.

    Args:
        symmetric: no zero point.
        ch_axis: the axis.
        is_dynamic: each tensor has the scales of its own ranges.
        scale_type: float, float32, float16, bfloat16 or power_of_2.
        round_method: half_even, round or floor.
        group_size: values of a group; -1 for all along the axis.
    """

    symmetric: bool = True
    ch_axis: int | None = None
    is_dynamic: bool | None = None
    scale_type: str | None = None
    round_method: str | None = "half_even"
    group_size: int | None = None


@dataclass(frozen=True)
class PerGroupAffine(PerGroupSymmetric, symmetric=False):
    """As PerGroupSymmetric; with a zero point unless told otherwise.

    Args:
        symmetric: no zero point; the others as in PerGroupSymmetric.
    """

    symmetric: bool = False


@dataclass(frozen=True)
class MinifloatPerGroup(
    Scaled,
    qscheme=QSchemeType.per_group,
    observer_cls=PerBlockMXObserver,
    is_dynamic=True,
):
    """Minifloats with a scale for each `group_size` values along an axis.

    Args:
        scale_format: float32, e8m0 or e4m3.
        scale_calculation_mode: of e8m0: even (also None), floor or ceil.
        ch_axis: the axis.
        is_dynamic: each tensor has the scales of its own ranges.
        group_size: values of a group; -1 for all along the axis.
    """

    scale_format: str | None = "float32"
    scale_calculation_mode: str | None = None
    ch_axis: int | None = -1
    is_dynamic: bool | None = None
    group_size: int | None = None


@dataclass(frozen=True)
class OCP_MXSpec(  # noqa: N801 (Quark's name)
    DataTypeSpec,
    group_size=OCP_BLOCK_SIZE,
):
    """Blocks of 32 with a scale in e8m0.

    Args:
        is_dynamic: each tensor has the scales of its own blocks.
        ch_axis: along which blocks run.
        scale_calculation_mode: even (also None), floor or ceil.
    """

    is_dynamic: bool = True
    ch_axis: int = -1
    scale_calculation_mode: str = "even"


class OcpMinifloat(
    OCP_MXSpec,
    qscheme=QSchemeType.per_group,
    observer_cls=PerBlockMXObserver,
    scale_type=ScaleType.float,
    round_method=RoundType.half_even,
    scale_format="e8m0",
):
    """Minifloats in blocks of 32; arguments as in OCP_MXSpec."""


@dataclass(frozen=True)
class BlockOfAnySize(DataTypeSpec):
    """Blocks of elements with micro-exponents.

    Args:
        ch_axis: along which blocks run.
        block_size: elements of a block.
        scale_calculation_mode: taken and not read, as by Quark.
        is_dynamic: taken and not read; Quark's examples give it, its signatures do not.
    """

    ch_axis: int = -1
    block_size: int = 32
    scale_calculation_mode: str | None = "even"
    is_dynamic: bool | None = None


class Uint4PerTensorSpec(PerTensor, dtype=Dtype.uint4, symmetric=False): ...


class Uint4PerChannelSpec(PerChannelWithZeroPointType, dtype=Dtype.uint4, symmetric=False): ...


class Uint4PerGroupSpec(PerGroupAffine, dtype=Dtype.uint4): ...


class Int3PerGroupSpec(PerGroup, dtype=Dtype.int3, symmetric=True): ...


class Int3PerChannelSpec(PerChannel, dtype=Dtype.int3, symmetric=False): ...


class Int2PerGroupSpec(PerGroup, dtype=Dtype.int2, symmetric=True): ...


class Int4PerTensorSpec(PerTensor, dtype=Dtype.int4, symmetric=True): ...


class Int4PerChannelSpec(PerChannel, dtype=Dtype.int4, symmetric=True): ...


class Int4PerGroupSpec(PerGroupSymmetric, dtype=Dtype.int4): ...


class Uint8PerTensorSpec(PerTensor, dtype=Dtype.uint8, symmetric=False): ...


class Uint8PerChannelSpec(PerChannel, dtype=Dtype.uint8, symmetric=True): ...


class Uint8PerGroupSpec(PerGroup, dtype=Dtype.uint8, symmetric=False): ...


class Int8PerTensorSpec(PerTensor, dtype=Dtype.int8, symmetric=True): ...


class Int8PerChannelSpec(PerChannel, dtype=Dtype.int8, symmetric=False): ...


class Int8PerGroupSpec(PerGroup, dtype=Dtype.int8, symmetric=True): ...


class FP8E4M3PerTensorSpec(PerTensorOfFewArguments, dtype=Dtype.fp8_e4m3, symmetric=True): ...


class FP8E4M3PerChannelSpec(PerChannel, dtype=Dtype.fp8_e4m3, symmetric=True): ...


class FP8E4M3PerGroupSpec(MinifloatPerGroup, dtype=Dtype.fp8_e4m3): ...


class FP8E5M2PerTensorSpec(PerTensor, dtype=Dtype.fp8_e5m2, symmetric=True): ...


class FP8E5M2PerChannelSpec(PerChannel, dtype=Dtype.fp8_e5m2, symmetric=True): ...


class FP8E5M2PerGroupSpec(MinifloatPerGroup, dtype=Dtype.fp8_e5m2): ...


class FP4PerGroupSpec(MinifloatPerGroup, dtype=Dtype.fp4): ...


class FP6E2M3PerGroupSpec(MinifloatPerGroup, dtype=Dtype.fp6_e2m3): ...


class FP6E3M2PerGroupSpec(MinifloatPerGroup, dtype=Dtype.fp6_e3m2): ...


class Float16Spec(DataTypeSpec, dtype=Dtype.float16, observer_cls=PlaceholderObserver): ...


class Bfloat16Spec(DataTypeSpec, dtype=Dtype.bfloat16, observer_cls=PlaceholderObserver): ...


class OCP_MXFP8E4M3Spec(OcpMinifloat, dtype=Dtype.fp8_e4m3): ...  # noqa: N801


class OCP_MXFP8E5M2Spec(OcpMinifloat, dtype=Dtype.fp8_e5m2): ...  # noqa: N801


class OCP_MXFP6E3M2Spec(OcpMinifloat, dtype=Dtype.fp6_e3m2): ...  # noqa: N801


class OCP_MXFP6E2M3Spec(OcpMinifloat, dtype=Dtype.fp6_e2m3): ...  # noqa: N801


class OCP_MXFP4Spec(OcpMinifloat, dtype=Dtype.fp4): ...  # noqa: N801


class OCP_MXINT8Spec(  # noqa: N801
    OCP_MXSpec, dtype=Dtype.mx, mx_element_dtype=Dtype.int8
): ...


@dataclass(frozen=True)
class OCP_MXFP4DiffsSpec(  # noqa: N801 (Quark's name)
    DataTypeSpec,
    dtype=Dtype.fp4,
    qscheme=QSchemeType.per_group,
    observer_cls=PerBlockMXDiffsObserver,
    group_size=OCP_BLOCK_SIZE,
    scale_type=ScaleType.float,
    round_method=RoundType.half_even,
    scale_format="e8m0",
    is_dynamic=False,
):
    """fp4 in blocks of 32, each with the better of two scales.

    Args:
        ch_axis: along which blocks run.
        is_dynamic: each tensor has the scales of its own blocks.
        scale_calculation_mode: taken and not read, as by Quark.
    """

    ch_axis: int | None = None
    is_dynamic: bool | None = None
    scale_calculation_mode: str | None = "even"


class MX6Spec(BlockOfAnySize, dtype=Dtype.mx6): ...


class MX9Spec(BlockOfAnySize, dtype=Dtype.mx9): ...


@dataclass(frozen=True)
class BFP16Spec(DataTypeSpec, dtype=Dtype.bfp16, group_size=BFP16_BLOCK_SIZE):
    """bfp16 in blocks of 8.

    Args:
        ch_axis: along which blocks run.
        scale_calculation_mode: taken and not read, as by Quark.
        is_dynamic: taken and not read; Quark's examples give it, its signatures do not.
    """

    ch_axis: int = -1
    scale_calculation_mode: str | None = "even"
    is_dynamic: bool | None = None


def _with_element(base: type[DataTypeSpec]) -> list[type[DataTypeSpec]]:
    here = [base] if "dtype" in base.POINT else []
    return here + [found for each in base.__subclasses__() for found in _with_element(each)]


DATA_TYPES: dict[str, type[DataTypeSpec]] = {
    each.__name__: each for each in sorted(_with_element(DataTypeSpec), key=lambda c: c.__name__)
}
"""Every specification of one element by its name."""
