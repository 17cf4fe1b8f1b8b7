"""A tiny model that calls its layers in its own way."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

WIDTH = 4


class Layer(nn.Module):
    """Takes arguments by place and by name, and returns a tuple."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self.linear = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor, shift: Tensor, *, scale: float) -> tuple[Tensor, int]:
        return self.linear(x) * scale + shift, self.number


class Model(nn.Module):
    """Two layers behind an embedding; what leaves them are the logits."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(WIDTH, WIDTH)
        self.layers = nn.ModuleList([Layer(0), Layer(1)])

    def forward(self, ids: Tensor, use_cache: bool) -> Any:
        assert not use_cache
        hidden = self.embedding(ids)
        for layer in self.layers:
            hidden, number = layer(hidden, torch.tensor(layer.number + 1.0), scale=0.5)
            assert isinstance(number, int)
        return SimpleNamespace(logits=hidden)


def tokens(samples: int = 1) -> Tensor:
    return torch.randint(WIDTH, (samples, 9), generator=torch.Generator().manual_seed(2))
