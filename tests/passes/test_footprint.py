"""A quantised model takes little more memory than the model, and can be copied."""

from __future__ import annotations

import weakref
from copy import deepcopy

import pytest
import torch
from torch import nn

from plena_cosim.passes import quantize_module_transform_pass
from plena_cosim.passes.kinds import all_kinds
from plena_cosim.passes.modules.module_kind import BuildRequest, Built, ModuleKind

from .families import build
from .recipes import full_recipe


def stored_bytes(model: nn.Module) -> int:
    tensors = {id(t): t for t in (*model.parameters(), *model.buffers())}
    return sum(t.numel() * t.element_size() for t in tensors.values())


def reachable_bytes(model: nn.Module) -> int:
    """Of all tensors that a model keeps alive, not only those that it registers."""
    seen: set[int] = set()
    storages: dict[int, int] = {}

    def visit(thing: object) -> None:
        if id(thing) in seen or isinstance(thing, (type, str, bytes)):
            return
        seen.add(id(thing))
        if isinstance(thing, torch.Tensor):
            storages[thing.data_ptr()] = thing.untyped_storage().nbytes()
        elif isinstance(thing, dict):
            for value in thing.values():
                visit(value)
        elif isinstance(thing, (list, tuple, set)):
            for value in thing:
                visit(value)
        elif hasattr(thing, "__self__"):
            visit(thing.__self__)
        elif hasattr(thing, "__dict__"):
            visit(vars(thing))

    visit(model)
    return sum(storages.values())


@pytest.mark.parametrize("numerics", ["fake", "exact"])
@pytest.mark.parametrize("family", ["llama", "gpt_oss", "phi", "gemma"])
def test_a_quantised_model_is_little_larger(family: str, numerics: str) -> None:
    model = build(family, tie_word_embeddings=False)
    before = stored_bytes(model)
    quantize_module_transform_pass(model, full_recipe(family), numerics=numerics)
    assert before <= stored_bytes(model) <= 1.3 * before
    assert reachable_bytes(model) <= 1.3 * before


@pytest.mark.parametrize("numerics", ["fake", "exact"])
def test_a_copy_computes_the_same_on_its_own_weights(numerics: str) -> None:
    model = build("gpt_oss")
    quantize_module_transform_pass(model, full_recipe("gpt_oss"), numerics=numerics)
    ids = torch.arange(3, 14)[None]
    copy = deepcopy(model)
    with torch.no_grad():
        expected = model(ids).logits
        assert torch.equal(copy(ids).logits, expected)
        for parameter in model.parameters():
            parameter.zero_()
        assert torch.equal(copy(ids).logits, expected)


def test_modules_are_let_go_as_they_are_replaced(monkeypatch) -> None:
    seen: list[weakref.ref[nn.Module]] = []
    alive: list[int] = []

    def watch(kind: ModuleKind) -> None:
        build_module = kind.build

        def watched(request: BuildRequest) -> Built:
            alive.append(sum(module() is not None for module in seen))
            built = build_module(request)
            if "" in built.modules:  # the module itself is replaced; attention stays
                seen.append(weakref.ref(request.module))
            return built

        monkeypatch.setattr(kind, "build", watched)

    for kind in all_kinds():
        watch(kind)
    quantize_module_transform_pass(build("llama"), full_recipe("llama"))
    assert len(seen) > 10
    assert max(alive) <= 1
