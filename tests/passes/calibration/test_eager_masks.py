"""Masks are tensors where a model would leave them to a fused kernel."""

from __future__ import annotations

import pytest
import torch
from tests.passes.families import build
from torch import Tensor

from plena_cosim.golden import FormatError
from plena_cosim.passes.calibration.eager_masks import eager_masks
from plena_cosim.passes.layers.stream import capture


def test_masks_are_tensors_and_the_model_is_then_as_it_was() -> None:
    model = build("llama")
    layers, tokens = list(model.model.layers), torch.arange(3, 20)[None]
    own = model.config._attn_implementation
    assert own == "sdpa"
    assert capture(model, layers, tokens).arguments[0]["attention_mask"] is None
    with eager_masks(model):
        mask = capture(model, layers, tokens).arguments[1]["attention_mask"]
    assert isinstance(mask, Tensor)
    assert mask.shape[-2:] == (17, 17)
    assert torch.equal(mask[0, 0] == 0, torch.ones(17, 17).tril().bool())
    with pytest.raises(FormatError), eager_masks(model):
        capture(model, layers, tokens[0])
    assert model.config._attn_implementation == own
