"""What each class is, and Quark 0.13's defaults for what is None."""

from __future__ import annotations

import pytest

from plena_cosim.interop.quark.quantization.config.data_types import DATA_TYPES

POINTS = {
    "Uint4PerTensorSpec": "uint4 per_tensor asymmetric static",
    "Uint4PerChannelSpec": "uint4 per_channel asymmetric static",
    "Uint4PerGroupSpec": "uint4 per_group asymmetric static",
    "Int3PerGroupSpec": "int3 per_group symmetric static",
    "Int3PerChannelSpec": "int3 per_channel asymmetric static",
    "Int2PerGroupSpec": "int2 per_group symmetric static",
    "Int4PerTensorSpec": "int4 per_tensor symmetric static",
    "Int4PerChannelSpec": "int4 per_channel symmetric static",
    "Int4PerGroupSpec": "int4 per_group symmetric static",
    "Uint8PerTensorSpec": "uint8 per_tensor asymmetric static",
    "Uint8PerChannelSpec": "uint8 per_channel symmetric static",
    "Uint8PerGroupSpec": "uint8 per_group asymmetric static",
    "Int8PerTensorSpec": "int8 per_tensor symmetric static",
    "Int8PerChannelSpec": "int8 per_channel asymmetric static",
    "Int8PerGroupSpec": "int8 per_group symmetric static",
    "FP8E4M3PerTensorSpec": "fp8_e4m3 per_tensor symmetric static",
    "FP8E4M3PerChannelSpec": "fp8_e4m3 per_channel symmetric static",
    "FP8E4M3PerGroupSpec": "fp8_e4m3 per_group dynamic float32",
    "FP8E5M2PerTensorSpec": "fp8_e5m2 per_tensor symmetric static",
    "FP8E5M2PerChannelSpec": "fp8_e5m2 per_channel symmetric static",
    "FP8E5M2PerGroupSpec": "fp8_e5m2 per_group dynamic float32",
    "FP4PerGroupSpec": "fp4 per_group dynamic float32",
    "FP6E2M3PerGroupSpec": "fp6_e2m3 per_group dynamic float32",
    "FP6E3M2PerGroupSpec": "fp6_e3m2 per_group dynamic float32",
    "Float16Spec": "float16",
    "Bfloat16Spec": "bfloat16",
    "OCP_MXFP8E4M3Spec": "fp8_e4m3 per_group dynamic e8m0 even 32",
    "OCP_MXFP8E5M2Spec": "fp8_e5m2 per_group dynamic e8m0 even 32",
    "OCP_MXFP6E3M2Spec": "fp6_e3m2 per_group dynamic e8m0 even 32",
    "OCP_MXFP6E2M3Spec": "fp6_e2m3 per_group dynamic e8m0 even 32",
    "OCP_MXFP4Spec": "fp4 per_group dynamic e8m0 even 32",
    "OCP_MXINT8Spec": "mx int8 dynamic even 32",
    "OCP_MXFP4DiffsSpec": "fp4 per_group static e8m0 even 32",
    "MX6Spec": "mx6 even 32",
    "MX9Spec": "mx9 even 32",
    "BFP16Spec": "bfp16 even 8",
}


def test_every_class_has_its_point() -> None:
    assert set(POINTS) == set(DATA_TYPES)


@pytest.mark.parametrize("name", POINTS)
def test_points(name: str) -> None:
    spec = DATA_TYPES[name]().to_quantization_spec()
    said = [
        spec.dtype.name,
        spec.mx_element_dtype and spec.mx_element_dtype.name,
        spec.qscheme and spec.qscheme.name,
        {None: None, True: "symmetric", False: "asymmetric"}[spec.symmetric],
        {None: None, True: "dynamic", False: "static"}[spec.is_dynamic],
        spec.scale_format,
        spec.scale_calculation_mode,
        spec.group_size and str(spec.group_size),
    ]
    assert " ".join(word for word in said if word) == POINTS[name]
    scaled = spec.qscheme is not None
    assert (spec.round_method and spec.round_method.name) == ("half_even" if scaled else None)
    assert (spec.scale_type and spec.scale_type.name) == ("float" if scaled else None)


@pytest.mark.parametrize("name", DATA_TYPES)
def test_every_class_says_what_it_is(name: str) -> None:
    assert DATA_TYPES[name].__doc__
    assert DATA_TYPES[name].__name__ == name
