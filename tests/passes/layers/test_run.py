"""One layer is run as a model runs it, all of it or part of it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from plena_cosim.passes.layers.run import input_of, moved, run, run_all


class Layer(nn.Module):
    """Two projections; returns what it is told to besides."""

    def __init__(self, *more: Any) -> None:
        super().__init__()
        self.more, self.ran = more, list[str]()
        self.up, self.down = nn.Linear(4, 6), nn.Linear(6, 4)

    def forward(self, x: Tensor, *, scale: Tensor) -> Any:
        middle = self.up(x * scale)
        self.ran.append("up")
        output = self.down(middle)
        self.ran.append("down")
        return (output, *self.more) if self.more else output


X, SCALE = torch.arange(12.0).reshape(1, 3, 4), torch.tensor(0.5)


@pytest.mark.parametrize("more", [(), (None,), ("weights", 3)])
def test_the_hidden_states_are_returned(more: tuple[Any, ...]) -> None:
    layer = Layer(*more)
    expected = layer.down(layer.up(X / 2))
    found = run(layer, X, {"scale": SCALE})
    assert torch.equal(found, expected)
    assert not found.requires_grad
    assert [torch.equal(one, expected) for one in run_all(layer, [X, X], {"scale": SCALE})] == [
        True,
        True,
    ]


def test_a_layer_stops_at_a_module() -> None:
    layer = Layer()
    found = input_of(layer.down, layer, X, {"scale": SCALE})
    assert torch.equal(found, layer.up(X / 2))
    assert layer.ran == ["up"]
    assert not layer.down._forward_pre_hooks


def test_hooks_go_when_a_layer_fails() -> None:
    layer = Layer()
    with pytest.raises(RuntimeError):
        input_of(layer.down, layer, X[..., :3], {"scale": SCALE})
    assert not layer.down._forward_pre_hooks


def test_tensors_move_wherever_they_are() -> None:
    given = {"mask": X, "tables": (X, {"cos": X, "name": "rope"}), "cache": None}
    meta = torch.device("meta")
    found = moved(given, meta)
    assert (found["mask"].device, found["tables"][0].device) == (meta, meta)
    assert found["tables"][1]["cos"].device == meta
    assert (found["tables"][1]["name"], found["cache"]) == ("rope", None)
