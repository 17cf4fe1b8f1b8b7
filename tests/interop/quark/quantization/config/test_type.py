"""The enums: members and values of Quark 0.10, and what 0.13 adds."""

from __future__ import annotations

from enum import Enum

import pytest

from plena_cosim.interop.quark.quantization.config import type as types

DTYPES = (
    "int8 uint8 uint16 int16 int32 int4 uint4 int3 int2 uint2 bfloat16 float16 "
    "fp8_e5m2 fp8_e4m3 fp8_e5m3 fp6_e3m2 fp6_e2m3 fp4 mx mx6 mx9 bfp16"
)
SCALES = "float pof2 float32 float16 bfloat16 float8_e5m3 float8_e8m0fnu"
VALUES = {
    types.Dtype: {name: name for name in DTYPES.split()},
    types.QSchemeType: {f"per_{it}": f"per_{it}" for it in ("tensor", "channel", "group", "block")},
    types.ScaleType: {name: name for name in SCALES.split()},
    types.RoundType: {"round": 2, "floor": 3, "half_even": 8},
    types.ZeroPointType: {"int32": "int32", "float32": "float32"},
    types.QuantizationMode: {"eager_mode": 1, "fx_graph_mode": 2},
    types.DeviceType: {"CPU": "cpu", "IPU": "ipu"},
    types.TQTThresholdInitMeth: {"_3SD": "_3sd", "_KL_J": "_kl_j"},
}


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
def test_members_and_values(kind: type[Enum]) -> None:
    assert {name: member.value for name, member in kind.__members__.items()} == VALUES[kind]
