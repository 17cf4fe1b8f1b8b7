"""The choices of Quark's specifications: members and values are Quark's."""

from __future__ import annotations

from enum import Enum


class QSchemeType(Enum):
    """Which values share a scale."""

    per_tensor = "per_tensor"
    per_channel = "per_channel"
    per_group = "per_group"
    per_block = "per_block"
    """A rectangle of two axes, in Quark 0.13."""


class ZeroPointType(Enum):
    """What the zero point of an integer is, where it is not symmetric."""

    int32 = "int32"
    float32 = "float32"


class Dtype(Enum):
    """What an element is."""

    int8 = "int8"
    uint8 = "uint8"
    uint16 = "uint16"
    int16 = "int16"
    int32 = "int32"
    int4 = "int4"
    uint4 = "uint4"
    int3 = "int3"
    int2 = "int2"
    uint2 = "uint2"
    bfloat16 = "bfloat16"
    float16 = "float16"
    fp8_e5m2 = "fp8_e5m2"
    fp8_e4m3 = "fp8_e4m3"
    fp8_e5m3 = "fp8_e5m3"
    fp6_e3m2 = "fp6_e3m2"
    fp6_e2m3 = "fp6_e2m3"
    fp4 = "fp4"
    mx = "mx"
    """Blocks whose element is `mx_element_dtype`."""
    mx6 = "mx6"
    mx9 = "mx9"
    bfp16 = "bfp16"


class ScaleType(Enum):
    """What the scale of an integer is rounded to."""

    float = "float"
    """Nothing: it stays in fp32."""
    pof2 = "pof2"
    float32 = "float32"
    float16 = "float16"
    bfloat16 = "bfloat16"
    float8_e5m3 = "float8_e5m3"
    float8_e8m0fnu = "float8_e8m0fnu"


class RoundType(Enum):
    """How a quotient becomes an integer."""

    round = 2
    """To nearest, ties away from zero."""
    floor = 3
    """Toward -infinity."""
    half_even = 8
    """To nearest, ties to even."""


class DeviceType(Enum):
    """What a model is quantised for."""

    CPU = "cpu"
    IPU = "ipu"


class QuantizationMode(Enum):
    """How a model is changed: module by module, or as a graph."""

    eager_mode = 1
    fx_graph_mode = 2


class TQTThresholdInitMeth(Enum):
    """Where trained thresholds begin (arXiv 1903.08066, table 2)."""

    _3SD = "_3sd"
    _KL_J = "_kl_j"
