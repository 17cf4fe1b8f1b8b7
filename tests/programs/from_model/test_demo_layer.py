"""The demo model's first layer as programs: the bits of exact torch, on real text."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from plena_cosim.evaluate.load import load_model
from plena_cosim.golden.isa.machine import Machine
from plena_cosim.passes import load_quant_config, quantize_module_transform_pass
from plena_cosim.programs.from_model import ModelPrograms, by_torch, compare, parts_of
from plena_cosim.sources import load_text

MACHINE = Machine.load("plena-32.toml")


@pytest.fixture(scope="module")
def model() -> tuple[Any, list[int]]:
    """The first layer in bfloat16 under a recipe that chooses every operation, and a text."""
    network, tokenizer = load_model("demo", dtype=torch.bfloat16)
    network.model.layers = network.model.layers[:1]
    network.config.num_hidden_layers = 1
    recipe = load_quant_config("llama_w4a4kv4_machine_mxint.toml")
    network, _ = quantize_module_transform_pass(
        network, recipe, numerics="exact", hw=MACHINE.hardware
    )
    return network, tokenizer(load_text("demo")[:2000])["input_ids"]


@pytest.mark.parametrize("tokens", [5, 70])
def test_a_prompt_and_the_token_after_it(model, tokens: int) -> None:
    """Five tokens, and seventy, which are two tiles of keys."""
    network, ids = model
    parts = parts_of(network, MACHINE.hardware, layers=(0, 0))
    programs = ModelPrograms(parts, MACHINE, capacity=tokens + 1)
    passes = by_torch(parts, ids[:tokens], 1)
    for each in passes:
        programs.step(each.tokens, inputs=programs.codes(each.inputs))
    found = compare(programs, passes)
    assert [each.differing for each in found] == [0, 0]
    assert [each.codes for each in found] == [tokens * 576, 576]
    assert all(each.words < 3000 for each in found)
    assert all(
        each.instructions == step.builder.carried_out
        for each, step in zip(found, programs.steps, strict=True)
    )
