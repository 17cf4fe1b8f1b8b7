"""eager_masks: attention masks as tensors, which quantised attention needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def eager_masks(model: nn.Module) -> Iterator[None]:
    """Have a model make attention masks as tensors, not leave them to a fused kernel."""
    configs = {id(c): c for m in model.modules() if (c := getattr(m, "config", None)) is not None}
    before = {
        key: given
        for key, config in configs.items()
        if (given := getattr(config, "_attn_implementation", None)) is not None
    }
    try:
        for key in before:
            configs[key]._attn_implementation = "eager"
        yield
    finally:
        for key, given in before.items():
            configs[key]._attn_implementation = given
