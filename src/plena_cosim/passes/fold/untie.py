"""untie: give a model's head a weight of its own."""

from __future__ import annotations

from torch import nn


def untie(model: nn.Module) -> nn.Module:
    """Copy the weight that head and embedding share, and tell the config; return the head."""
    head: nn.Module = model.get_output_embeddings()  # type: ignore[operator]
    weight = head.get_parameter("weight")
    copy = nn.Parameter(weight.detach().clone(), requires_grad=weight.requires_grad)
    head.register_parameter("weight", copy)
    config = getattr(model, "config", None)
    if getattr(config, "tie_word_embeddings", False):
        config.tie_word_embeddings = False  # type: ignore[union-attr]
    return head
