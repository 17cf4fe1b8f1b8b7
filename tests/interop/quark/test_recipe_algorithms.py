"""Algorithms as tables of a recipe, which the recipe's own classes take."""

from __future__ import annotations

from typing import Any

import pytest

from plena_cosim.golden import FormatError
from plena_cosim.interop.quark.quantization.config.config import (
    AlgoConfig,
    AutoSmoothQuantConfig,
    AWQConfig,
    QuaRotConfig,
    RotationConfig,
    SmoothQuantConfig,
)
from plena_cosim.interop.quark.recipe_algorithms import algorithm_tables
from plena_cosim.passes.recipe.rotation_table import RotationTable
from plena_cosim.passes.recipe.scaling_table import ScalingTable, complete_scaling

LAYERS: Any = [{"prev_op": "input_layernorm"}]


def rotation(**keys: Any) -> RotationConfig:
    return RotationConfig(model_decoder_layers="model.layers", scaling_layers={}, **keys)


TABLES: list[tuple[AlgoConfig, dict[str, Any]]] = [
    (
        SmoothQuantConfig(),
        {"scaling": {"method": "smoothquant", "alpha": 1.0, "scale_clamp_min": 0.001}},
    ),
    (
        SmoothQuantConfig(alpha=0.5, scale_clamp_min=0.01),
        {"scaling": {"method": "smoothquant", "alpha": 0.5, "scale_clamp_min": 0.01}},
    ),
    (AutoSmoothQuantConfig(), {"scaling": {"method": "autosmoothquant", "loss": "mse"}}),
    (
        AutoSmoothQuantConfig(compute_scale_loss="MAE"),
        {"scaling": {"method": "autosmoothquant", "loss": "mae"}},
    ),
    (AWQConfig(), {"scaling": {"method": "awq", "grid": 20}}),
    (rotation(), {"rotation": {"r1": True}}),
    (rotation(random=True), {"rotation": {"r1": True, "random": True}}),
    (rotation(r1=False, r2=True), {"rotation": {"r2": True}}),
    (
        QuaRotConfig(),
        {"rotation": {"r1": True, "r2": True, "r3": True, "r4": True}},
    ),
    (
        QuaRotConfig(r3=False, r4=False, random_r1=True, optimized_rotation_path="R.bin"),
        {"rotation": {"r1": True, "r2": True, "matrices": "R.bin"}},
    ),
    (
        QuaRotConfig(r3=False, r4=False, rotation_size=64),
        {"rotation": {"r1": True, "r2": True, "size": 64}},
    ),
    (
        QuaRotConfig(r2=False, r3=False, random_r1=True),
        {"rotation": {"r1": True, "r4": True, "random": True}},
    ),
]


@pytest.mark.parametrize(("given", "tables"), TABLES)
def test_the_table(given: AlgoConfig, tables: dict[str, Any]) -> None:
    found, _ = algorithm_tables([given])
    assert found == tables
    for name, table in found.items():
        if name == "rotation":
            RotationTable.model_validate(table)
        else:
            complete_scaling(ScalingTable.model_validate(table), None, "[scaling]")


@pytest.mark.parametrize(
    ("given", "note"),
    [
        (AWQConfig(), "awq: weights are not clipped"),
        (SmoothQuantConfig(scaling_layers=LAYERS), "smooth: scaling_layers is not read"),
        (AWQConfig(scaling_layers=LAYERS), "awq: scaling_layers is not read"),
        (AutoSmoothQuantConfig(scaling_layers=LAYERS), "autosmoothquant: scaling_layers is not"),
        (QuaRotConfig(scaling_layers=LAYERS), "quarot: scaling_layers is not read"),
        (RotationConfig("model.layers", LAYERS), "rotation: scaling_layers is not read"),
    ],
)
def test_what_the_table_does_not_say_is_noted(given: AlgoConfig, note: str) -> None:
    _, notes = algorithm_tables([given])
    assert sum(each.startswith(note) for each in notes) == 1


def test_two_tables() -> None:
    tables, notes = algorithm_tables([QuaRotConfig(), SmoothQuantConfig(alpha=0.5)])
    assert list(tables) == ["rotation", "scaling"]
    assert notes == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([AWQConfig(), SmoothQuantConfig()], r"smooth: a recipe has one \[scaling\]"),
        ([SmoothQuantConfig(alpha=1.5)], "alpha must be 0 … 1"),
        ([SmoothQuantConfig(scale_clamp_min=0.0)], "scale_clamp_min must be above 0"),
        (
            [QuaRotConfig(r1=False, r2=False, optimized_rotation_path="R.bin")],
            "'R.bin' is of R1 and R2, and both are False",
        ),
        ([QuaRotConfig(random_r1=True)], "random_r1 = True and random_r2 = False"),
        ([rotation(r2=True, random_r2=True)], "random_r1 = False and random_r2 = True"),
        ([rotation(online_r1_rotation=True)], "online_r1_rotation has no key"),
        ([rotation(trainable=True)], "trained rotations have no table"),
    ],
)
def test_what_no_table_says_is_one_error(given: list[AlgoConfig], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        algorithm_tables(given)
