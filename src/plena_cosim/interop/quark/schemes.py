"""Schemes: configurations of a layer by the names that Quark 0.13's templates give them."""

from __future__ import annotations

from collections.abc import Callable

from plena_cosim.golden import FormatError

from .quantization.config.data_type_spec import DataTypeSpec
from .quantization.config.data_types import (
    BFP16Spec,
    FP4PerGroupSpec,
    FP8E4M3PerChannelSpec,
    FP8E4M3PerTensorSpec,
    Int4PerChannelSpec,
    Int4PerGroupSpec,
    Int8PerTensorSpec,
    MX6Spec,
    MX9Spec,
    OCP_MXFP4Spec,
    OCP_MXFP6E2M3Spec,
    OCP_MXFP6E3M2Spec,
    OCP_MXFP8E4M3Spec,
    OCP_MXSpec,
    Uint4PerChannelSpec,
    Uint4PerGroupSpec,
)
from .quantization.config.layer_config import QuantizationConfig
from .quantization.config.quantization_spec import require_one_of
from .quantization.config.two_stage import ProgressiveSpec, ScaleQuantSpec

MICRO_BLOCK = 16
"""Elements of a block of the schemes mx6 and mx9, the paper's."""
NVFP4_GROUP = 16
"""Elements that share a scale in the scheme nvfp4."""

_Scheme = Callable[[], QuantizationConfig]


def scheme(name: str) -> QuantizationConfig:
    """Return the configuration that Quark 0.13 makes of a scheme's name.

    Args:
        name: such as "int4_wo_128" or "mxfp4"; SCHEMES has all.

    Returns:
        Weights are static, and so are inputs of int8, fp8 and mxfp4_fp8; other inputs are dynamic.

    Raises:
        FormatError: an unknown name.

    >>> scheme("int4_wo_128").stages("weight")[0].group_size
    128
    """
    require_one_of("scheme", name, SCHEMES)
    if name is None:
        raise FormatError(f"need the name of a scheme: {', '.join(SCHEMES)}")
    return SCHEMES[name]()


def _weights(spec: DataTypeSpec) -> _Scheme:
    return lambda: QuantizationConfig(weight=spec)


def _both(spec: DataTypeSpec) -> _Scheme:
    return lambda: QuantizationConfig(weight=spec, input_tensors=spec)


def _mx(weight: type[OCP_MXSpec], data: DataTypeSpec | None) -> _Scheme:
    return lambda: QuantizationConfig(weight=weight(is_dynamic=False), input_tensors=data)


def _int4_groups(group_size: int, *, signed: bool) -> Int4PerGroupSpec | Uint4PerGroupSpec:
    kind = Int4PerGroupSpec if signed else Uint4PerGroupSpec
    return kind(ch_axis=-1, is_dynamic=False, scale_type="float", group_size=group_size)


def _per_token_fp8() -> QuantizationConfig:
    return QuantizationConfig(
        weight=FP8E4M3PerChannelSpec(is_dynamic=False, ch_axis=0),
        input_tensors=FP8E4M3PerChannelSpec(is_dynamic=True, ch_axis=1),
    )


def _nvfp4() -> QuantizationConfig:
    scales = FP8E4M3PerTensorSpec(observer_method="min_max", scale_type="float32", is_dynamic=False)
    weight, data = (
        ScaleQuantSpec(FP4PerGroupSpec(group_size=NVFP4_GROUP, is_dynamic=dynamic), scales)
        for dynamic in (False, True)
    )
    return QuantizationConfig(weight=weight, input_tensors=data)


def _int4_over_fp8() -> QuantizationConfig:
    int4 = Int4PerChannelSpec(symmetric=True, scale_type="float32", ch_axis=0, is_dynamic=False)
    return QuantizationConfig(
        weight=ProgressiveSpec(FP8E4M3PerTensorSpec("min_max", "float32", False), int4),
        input_tensors=FP8E4M3PerTensorSpec("min_max", "float32", True),
    )


def _int4_both() -> QuantizationConfig:
    data = Int4PerGroupSpec(ch_axis=-1, is_dynamic=True, group_size=64)
    return QuantizationConfig(weight=_int4_groups(64, signed=True), input_tensors=data)


_FP8 = FP8E4M3PerTensorSpec(observer_method="min_max", scale_type="float", is_dynamic=False)
_SIZES = (32, 64, 128)

SCHEMES: dict[str, _Scheme] = {
    **{f"int4_wo_{size}": _weights(_int4_groups(size, signed=True)) for size in _SIZES},
    "int4_wo_per_channel": _weights(Int4PerChannelSpec(is_dynamic=False, ch_axis=0)),
    "int4_wa_64": _int4_both,
    **{f"uint4_wo_{size}": _weights(_int4_groups(size, signed=False)) for size in _SIZES},
    "uint4_wo_per_channel": _weights(Uint4PerChannelSpec(is_dynamic=False, ch_axis=0)),
    "int8": _both(
        Int8PerTensorSpec("min_max", True, "float", "half_even", False),
    ),
    "fp8": _both(_FP8),
    "ptpc_fp8": _per_token_fp8,
    "mxfp4": _mx(OCP_MXFP4Spec, OCP_MXFP4Spec()),
    "mxfp4_weight_only": _mx(OCP_MXFP4Spec, None),
    "mxfp6_e3m2": _mx(OCP_MXFP6E3M2Spec, OCP_MXFP6E3M2Spec()),
    "mxfp6_e2m3": _mx(OCP_MXFP6E2M3Spec, OCP_MXFP6E2M3Spec()),
    "mxfp8": _mx(OCP_MXFP8E4M3Spec, OCP_MXFP8E4M3Spec()),
    "mxfp4_mxfp6_e2m3": _mx(OCP_MXFP4Spec, OCP_MXFP6E2M3Spec()),
    "mxfp4_fp8": _mx(OCP_MXFP4Spec, FP8E4M3PerTensorSpec("min_max", is_dynamic=False)),
    "nvfp4": _nvfp4,
    "fp4_block16_scale_e4m3": _nvfp4,
    "mx6": _both(MX6Spec(block_size=MICRO_BLOCK)),
    "mx9": _both(MX9Spec(block_size=MICRO_BLOCK)),
    "bfp16": _both(BFP16Spec()),
    "int4_fp8": _int4_over_fp8,
}
"""Schemes by name: Quark 0.13's that have a golden format, and mxfp8, made as its mxfp4 is."""
