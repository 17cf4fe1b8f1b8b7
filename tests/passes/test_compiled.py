"""A quantised model compiled is the quantised model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from plena_cosim.passes import quantize_module_transform_pass

from .families import build
from .recipes import full_recipe, token_ids


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    torch.compiler.reset()
    yield
    torch.compiler.reset()


@pytest.mark.parametrize("numerics", ["fake", "exact"])
def test_a_compiled_model_gives_the_same_logits(numerics: str) -> None:
    model = build("llama")
    quantize_module_transform_pass(
        model, {"by": "regex_name", **full_recipe("llama")}, numerics=numerics
    )
    ids = token_ids(1, 5, seed=0)
    with torch.no_grad():
        eager = model(ids, use_cache=False).logits
        compiled = torch.compile(model, backend="aot_eager")(ids, use_cache=False).logits
    assert torch.equal(compiled, eager)
