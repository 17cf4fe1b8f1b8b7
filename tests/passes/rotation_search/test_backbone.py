"""A backbone says what its model says, whatever layers return, and holds none of their weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from plena_cosim.passes.layers.run import run_all
from plena_cosim.passes.layers.stack import stack_of
from plena_cosim.passes.recipe.load import read_quant_config
from plena_cosim.passes.rotation_search.backbone import Backbone

from ..families import build
from ..layers import toy
from .searching import FEW, tokens


def backbone_of(model: nn.Module, given: torch.Tensor, names: list[str]) -> tuple[Backbone, Any]:
    stack, recipe = stack_of(model, names, "r.toml"), read_quant_config(FEW)
    backbone = Backbone(model, stack, [], recipe, sample=given[0], device=torch.device("cpu"))
    return backbone, stack


def test_layers_may_return_more_than_hidden_states() -> None:
    model, given = toy.Model(), toy.tokens(3)
    backbone, stack = backbone_of(model, given, ["layers.0.linear"])
    hidden = backbone.begin(given)
    for layer, arguments in zip(stack.layers, backbone.arguments, strict=True):
        hidden = run_all(layer, hidden, arguments)
    for sample, each in zip(given, hidden, strict=True):
        logits = model(sample[None], use_cache=False).logits[0, :-1]
        expected = functional.cross_entropy(logits, sample[1:], reduction="sum")
        torch.testing.assert_close(backbone.loss(sample, each), float(expected.detach()))


def test_it_is_hollow_and_shares_the_rest() -> None:
    model = build("llama")
    backbone, stack = backbone_of(model, tokens(), ["model.layers.0.mlp"])
    for mine, layer in zip(backbone.layers, stack.layers, strict=True):
        assert type(mine) is type(layer)
        assert mine is not layer
        assert not list(mine.children())
    assert backbone.model.model.embed_tokens.weight is model.model.embed_tokens.weight
