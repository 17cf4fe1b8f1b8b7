"""A stack of layers is found by the modules that it holds."""

from __future__ import annotations

import pytest
from torch import nn

from plena_cosim.golden import FormatError
from plena_cosim.passes.layers.stack import Stack, stack_of


def layers(count: int) -> nn.ModuleList:
    return nn.ModuleList([nn.ModuleDict({"o_proj": nn.Linear(4, 4)}) for _ in range(count)])


def linear(model: nn.Module) -> list[str]:
    return [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]


def test_it_is_the_one_that_holds_most() -> None:
    model = nn.Module()
    model.tower, model.language, model.other = layers(1), nn.Module(), layers(1)
    model.language.layers = layers(2)
    found = stack_of(model, linear(model), "r.toml")
    assert found == Stack(name="language.layers", layers=list(model.language.layers))


def test_it_is_the_outermost_one() -> None:
    model = nn.Module()
    model.layers = nn.ModuleList([nn.ModuleDict({"experts": layers(3)})])
    assert stack_of(model, linear(model), "r.toml").name == "layers"


@pytest.mark.parametrize("names", [[], ["head"], ["layers"], ["layers_norm.o_proj"]])
def test_names_outside_of_all_stacks_are_refused(names: list[str]) -> None:
    model = nn.Module()
    model.layers, model.empty = layers(2), nn.ModuleList()
    with pytest.raises(FormatError, match=r"r.toml: the recipe names no module in a stack"):
        stack_of(model, names, "r.toml")


@pytest.mark.parametrize(
    ("module", "index"),
    [
        ("model.layers.0.mlp", 0),
        ("model.layers.12", 12),
        ("model.layers", None),
        ("model.norm", None),
        ("tower.model.layers.1.mlp", None),
        ("model.layers.norm", None),
    ],
)
def test_modules_know_their_layer(module: str, index: int | None) -> None:
    stack = Stack(name="model.layers", layers=[])
    assert stack.index_of(module) == index
    assert stack.layer_name(12) == "model.layers.12"
