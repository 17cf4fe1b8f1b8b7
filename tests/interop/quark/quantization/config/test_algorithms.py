"""Algorithms as data: to and from dictionaries, and what they refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plena_cosim.golden import FormatError
from plena_cosim.interop.quark.quantization.config.algorithms import (
    ALGORITHMS,
    AlgoConfig,
    AutoSmoothQuantConfig,
    AWQConfig,
    GPTQConfig,
    QronosConfig,
    QuaRotConfig,
    RotationConfig,
    SmoothQuantConfig,
    algorithm_from_dict,
)

MADE: list[AlgoConfig] = [
    SmoothQuantConfig(alpha=0.5, scale_clamp_min=0.01),
    AutoSmoothQuantConfig(compute_scale_loss="MAE"),
    AWQConfig(scaling_layers=[{"prev_op": "input_layernorm"}]),
    RotationConfig(model_decoder_layers="model.layers", scaling_layers={"first_layer": []}),
    QuaRotConfig(r3=False, rotation_size=32),
    GPTQConfig(desc_act=False, static_groups=False),
    QronosConfig(inside_layer_modules=["mlp.up_proj"], model_decoder_layers="model.layers"),
]


def test_every_name_has_one_made_here() -> None:
    assert {type(each) for each in MADE} == set(ALGORITHMS.values())
    assert {each.name for each in MADE} == set(ALGORITHMS)


@pytest.mark.parametrize("made", MADE, ids=lambda each: each.name)
def test_json_gives_it_back(made: AlgoConfig) -> None:
    assert algorithm_from_dict(json.loads(json.dumps(made.to_dict()))) == made


def test_a_dictionary_is_a_copy() -> None:
    layers = [{"prev_op": "a"}]
    made = AWQConfig(scaling_layers=layers)
    made.to_dict()["scaling_layers"][0]["prev_op"] = "b"
    again = AWQConfig.from_dict({"scaling_layers": layers})
    layers[0]["prev_op"] = "c"
    assert again.scaling_layers == [{"prev_op": "a"}]


def test_keys_of_old_files_are_dropped() -> None:
    found = algorithm_from_dict({"name": "awq", "num_attention_heads": 9, "num_key_value_heads": 3})
    assert found == AWQConfig()


def test_rotations_of_quark_0_13() -> None:
    found = algorithm_from_dict(
        {"name": "rotation", "scaling_layers": {}, "model_decoder_layers": "m", "r2": True}
    )
    assert isinstance(found, RotationConfig)
    assert (found.r1, found.r2, found.r3, found.r4) == (True, True, False, False)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "an algorithm needs a name: one of smooth, autosmoothquant, awq, rotation"),
        ([], "an algorithm needs a name"),
        ({"name": None}, "an algorithm needs a name"),
        ({"name": "smoth"}, "unknown algorithm 'smoth'; known: .*. Did you mean 'smooth'?"),
        ({"name": "awq", "alpha": 1}, "AWQConfig has no argument 'alpha'; known: name, scaling_la"),
        ({"name": "gptq", "damp_percnt": 1}, "Did you mean 'damp_percent'?"),
        ({"name": "gptq", "block_size": "128"}, "GPTQConfig: block_size must be int; got '128'"),
        ({"name": "gptq", "block_size": True}, "GPTQConfig: block_size must be int; got True"),
        ({"name": "gptq", "block_size": 0}, "block_size must be 1 or more; got 0"),
        ({"name": "gptq", "static_groups": False}, "desc_act=True needs static_groups=True"),
        ({"name": "qronos"}, "QronosConfig needs inside_layer_modules"),
        ({"name": "smooth", "alpha": True}, "alpha must be float; got True"),
        ({"name": "smooth", "scaling_layers": {}}, "scaling_layers must be list; got {}"),
        ({"name": "quarot", "r1": None}, "QuaRotConfig: r1 must be bool; got None"),
        (
            {"name": "autosmoothquant", "compute_scale_loss": "mse"},
            "unknown compute_scale_loss 'mse'; known: MSE, MAE",
        ),
    ],
)
def test_one_clear_error(data: Any, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        algorithm_from_dict(data)
