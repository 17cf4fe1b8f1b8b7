"""What enters a stack of layers is what enters it in the whole model."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor

from plena_cosim.golden import FormatError
from plena_cosim.passes.calibration.eager_masks import eager_masks
from plena_cosim.passes.layers.run import run, run_all
from plena_cosim.passes.layers.stream import answering, calls, capture

from ..families import FAMILIES, build
from ..recipes import token_ids
from . import toy


def tokens(samples: int = 3) -> Tensor:
    return token_ids(samples, 17, seed=5)


@torch.no_grad()
@pytest.mark.parametrize("masks", [nullcontext, eager_masks])
@pytest.mark.parametrize("family", FAMILIES)
def test_layer_by_layer_is_the_whole_model(family: str, masks: Any) -> None:
    """Windows and masks that differ between layers, too; the bits of a sample on its own."""
    model, expected = build(family), []
    norm = model.model.norm if hasattr(model.model, "norm") else model.model.final_layernorm
    handle = norm.register_forward_pre_hook(lambda _, args: expected.append(args[0]))
    with masks(model):
        for sample in tokens():
            model(sample[None], use_cache=False)
        handle.remove()
        stream = capture(model, list(model.model.layers), tokens())
        hidden = stream.hidden
        for layer, arguments in zip(stream.layers, stream.arguments, strict=True):
            hidden = run_all(layer, hidden, arguments)
    assert torch.equal(torch.cat(hidden), torch.cat(expected))


def test_batches_hold_several_samples() -> None:
    model = build("llama")
    stream = capture(model, list(model.model.layers), tokens(), batch=2)
    assert [len(batch) for batch in stream.hidden] == [2, 1]
    assert torch.equal(torch.cat(stream.hidden), model.model.embed_tokens(tokens()))


def test_no_layer_computes_but_the_first_on_one_sample() -> None:
    model, ran = build("llama"), []
    for index, layer in enumerate(model.model.layers):
        layer.mlp.register_forward_pre_hook(lambda _, args, index=index: ran.append((index, args)))
    capture(model, list(model.model.layers), tokens(), batch=2)
    assert [(index, len(args[0])) for index, args in ran] == [(0, 1)]


@pytest.mark.parametrize(
    "given", [torch.zeros(0, 5).long(), torch.zeros(5).long(), torch.zeros(2, 5)]
)
def test_tokens_of_another_shape(given: Tensor) -> None:
    model = build("llama")
    with pytest.raises(FormatError, match="must be whole numbers of shape"):
        capture(model, list(model.model.layers), given)


@torch.no_grad()
def test_arguments_have_their_names() -> None:
    model = toy.Model()
    stream = capture(model, list(model.layers), toy.tokens())
    assert stream.arguments == [{"shift": 1.0, "scale": 0.5}, {"shift": 2.0, "scale": 0.5}]
    (hidden,) = stream.hidden
    for layer, arguments in zip(stream.layers, stream.arguments, strict=True):
        hidden = run(layer, hidden, arguments)
    assert torch.equal(hidden, model(toy.tokens(), use_cache=False).logits)


def test_another_layer_computes_in_the_place_of_the_first() -> None:
    model, other = toy.Model(), toy.Layer(7)
    found = calls(model, list(model.layers), toy.tokens(), first=other)[1]
    expected = other(model.embedding(toy.tokens()), torch.tensor(1.0), scale=0.5)
    assert torch.equal(found[0], expected[0])
    assert found[1] == 7


def test_layers_answer_and_are_then_as_they_were() -> None:
    model = toy.Model()
    own = model.layers[1].forward = model.layers[1].forward  # as accelerate does
    answer = torch.ones(1)
    with answering(list(model.layers), lambda *_: (answer, 0)):
        assert model(toy.tokens(), use_cache=False).logits is answer
    with pytest.raises(ValueError, match="broken"), answering(list(model.layers), broken):
        model(toy.tokens(), use_cache=False)
    assert "forward" not in vars(model.layers[0])
    assert vars(model.layers[1])["forward"] is own


def broken(*_: Any) -> Any:
    raise ValueError("broken")
