"""Every field and value of the section `quantize`, and what goes with what."""

from __future__ import annotations

from typing import Any

import pytest

from plena_cosim.golden import FormatError
from plena_cosim.interop.tao.section import read_section

from .experiments import STATIC, WEIGHT_ONLY, layer, section

WHERE = "file [quantize]"


def test_the_defaults_are_those_of_the_document() -> None:
    found, notes = read_section({"layers": [layer("Linear", "int8")]}, WHERE)
    assert (found.backend, found.mode, found.algorithm) == ("torchao", "weight_only_ptq", "minmax")
    assert found.default_layer_dtype == found.default_activation_dtype == "native"
    assert (found.skip_names, found.model_path, found.results_dir, notes) == ([], "", "", ())


@pytest.mark.parametrize(
    ("backend", "mode", "fits"),
    [
        ("torchao", "weight_only_ptq", True),
        ("torchao", "static_ptq", False),
        ("modelopt", "weight_only_ptq", False),
        ("modelopt", "static_ptq", True),
    ],
)
def test_each_backend_has_one_mode(backend: str, mode: str, fits: bool) -> None:
    given = section(backend=backend, mode=mode)
    if fits:
        assert read_section(given, WHERE)[0].mode == mode
        return
    with pytest.raises(FormatError, match=rf"backend {backend} has mode .*, got {mode}; give mode"):
        read_section(given, WHERE)


def test_a_mode_that_is_left_out_is_the_default_one() -> None:
    with pytest.raises(FormatError, match=r"got weight_only_ptq \(its default\)"):
        read_section(section(STATIC, mode=None), WHERE)


@pytest.mark.parametrize("algorithm", ["minmax", "entropy"])
def test_algorithm_is_of_modelopt_alone(algorithm: str) -> None:
    assert read_section(section(STATIC, algorithm=algorithm), WHERE)[0].algorithm == algorithm
    with pytest.raises(FormatError, match="algorithm is about ranges of activations, which"):
        read_section(section(algorithm=algorithm), WHERE)


@pytest.mark.parametrize(
    ("given", "dtype"),
    [
        ("int8", "int8"),
        ("fp8_e4m3fn", "fp8_e4m3fn"),
        ("fp8_e5m2", "fp8_e5m2"),
        ("native", "native"),
        ("float8_e4m3fn", "fp8_e4m3fn"),
        ("float8_e5m2", "fp8_e5m2"),
        ("INT8", "int8"),
    ],
)
def test_dtypes_and_their_aliases(given: str, dtype: str) -> None:
    layers = [layer("Linear", given, given)]
    found, _ = read_section(section(STATIC, layers=layers, default_layer_dtype=given), WHERE)
    (one,) = found.layers
    assert one.weights is not None
    assert one.activations is not None
    assert one.weights.dtype == one.activations.dtype == found.default_layer_dtype == dtype


def test_mode_and_algorithm_may_be_in_capitals() -> None:
    found, _ = read_section(section(STATIC, mode="STATIC_PTQ", algorithm="MinMax"), WHERE)
    assert (found.mode, found.algorithm) == ("static_ptq", "minmax")


@pytest.mark.parametrize("key", ["default_layer_dtype", "default_activation_dtype"])
@pytest.mark.parametrize("dtype", ["int8", "fp8_e4m3fn", "fp8_e5m2", "native"])
def test_default_dtypes_are_accepted_and_not_read(key: str, dtype: str) -> None:
    both = {"default_layer_dtype": None, "default_activation_dtype": None}
    plain, _ = read_section(section(**both), WHERE)
    found, notes = read_section(section(**{**both, key: dtype}), WHERE)
    assert found.layers == plain.layers
    assert notes == (() if dtype == "native" else (
        f"{WHERE}: {key} is not read, as in TAO; give dtypes in layers",
    ))  # fmt: skip


def test_activations_with_torchao_are_ignored_with_a_word() -> None:
    given = section(layers=[layer("Linear", "int8", "int8")], default_layer_dtype=None)
    _, notes = read_section(given, WHERE)
    assert notes == (
        f"{WHERE}: layers 1: activations are not read with backend torchao, as in TAO",
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backend": "torch_ao"}, r"backend must be .*, got 'torch_ao'. Did you mean 'torchao'"),
        ({"mode": "static"}, r"mode must be 'weight_only_ptq' or 'static_ptq', got 'static'"),
        ({"bakend": "torchao"}, r"unknown key 'bakend'; known: backend, .*Did you mean 'backend'"),
        ({"layers": [layer("Linear", "int4")]}, r"layers 1.weights.dtype must be 'int8'.*'int4'"),
        ({"layers": [layer("Linear", "fp8")]}, r"got 'fp8'"),
        ({"layers": [{"weights": {"dtype": "int8"}}]}, r"key 'layers 1.module_name' is missing"),
        ({"layers": [layer("", "int8")]}, r"layers 1.module_name must be"),
        ({"layers": [{**layer("Linear", "int8"), "wieghts": {}}]}, r"unknown key 'layers 1.wiegh"),
        ({"layers": [{"module_name": "Linear", "weights": {}}]}, r"layers 1.weights.dtype"),
        ({"layers": None}, r"layers is empty, so that nothing is quantised; give a layer"),
        ({"layers": [layer("Linear")]}, r"layers 1: says nothing of 'Linear'; give weights or"),
        (
            {"layers": [layer("Linear", None, "int8")]},
            r"layers 1: torchao quantises weights alone, and there is no weights.dtype",
        ),
        (
            {"layers": [layer("Linear", "int8"), layer("Linear", "native")]},
            r"layers 2: module_name 'Linear' is that of layers 1, which comes before it",
        ),
        ({"skip_names": ["Linear"]}, r"module_name 'Linear' is that of skip_names"),
        ({"skip_names": "Linear"}, r"skip_names must be"),
        ({"skip_names": [""]}, r"skip_names"),
        ({"model_path": 3}, r"model_path must be"),
        ({"results_dir": ["a"]}, r"results_dir must be"),
    ],
)
def test_a_bad_section_is_one_clear_error(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message) as raised:
        read_section(section(WEIGHT_ONLY, **changes), WHERE)
    assert str(raised.value).startswith(WHERE)


def test_entropy_takes_int8_activations() -> None:
    layers = [layer("Linear", "fp8_e4m3fn", "fp8_e4m3fn")]
    with pytest.raises(FormatError, match=r"layers 1: algorithm entropy counts the equal steps"):
        read_section(section(STATIC, algorithm="entropy", layers=layers), WHERE)
    layers = [layer("Linear", "fp8_e4m3fn", "int8")]
    read_section(section(STATIC, algorithm="entropy", layers=layers), WHERE)
