"""A class derived from nn.Linear is taken for one only if it computes the same."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from plena_cosim.passes.modules.linear_probe import differs_from_linear

SIZES = 40, 24


class MatmulThenBias(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        y = x @ self.weight.T
        return y if self.bias is None else y + self.bias


class Rows(nn.Linear):
    """Flattens what comes before the input features, by the layer's own sizes."""

    def forward(self, x: Tensor) -> Tensor:
        y = torch.mm(x.reshape(-1, self.in_features), self.weight.T) + self.bias
        return y.view(*x.shape[:-1], self.out_features)


class Tuple(nn.Linear):
    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        return super().forward(x), None


class Scaled(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * 1.01


class NoBias(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight.T


class Flipped(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flip(-1))


class Grouped(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[..., None, :]


class NoisyInTraining(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x + 0.1 if self.training else x)


class WithAdapter(nn.Linear):
    def __init__(self, *sizes: int) -> None:
        super().__init__(*sizes)
        self.low = nn.Parameter(torch.zeros(sizes[0], 2))
        self.high = nn.Parameter(torch.zeros(2, sizes[1]))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + x @ self.low @ self.high


class TwoInputs(nn.Linear):
    def forward(self, x: Tensor, scale: Tensor) -> Tensor:
        return super().forward(x) * scale


@pytest.mark.parametrize("cls", [nn.Linear, MatmulThenBias, Rows])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_what_computes_the_same(cls: type[nn.Linear], device: str) -> None:
    with torch.device(device):
        assert differs_from_linear(cls(*SIZES)) is None


def test_a_layer_without_a_bias() -> None:
    assert differs_from_linear(MatmulThenBias(*SIZES, bias=False)) is None
    assert differs_from_linear(NoBias(*SIZES, bias=False)) is None


@pytest.mark.parametrize(
    ("cls", "words"),
    [
        (Tuple, "returns a tuple, not a tensor"),
        (Scaled, "returns something else than x @ W.T + b for a test vector"),
        (NoBias, "returns something else than x @ W.T + b for a test vector"),
        (Flipped, "returns something else than x @ W.T + b for a test vector"),
        (Grouped, "returns shape (2, 1, 3) for an input of (2, 5) and 3 outputs"),
        (NoisyInTraining, "returns something else than x @ W.T + b in training for a test vector"),
        (WithAdapter, "holds more than a weight and a bias (low, high)"),
        (TwoInputs, "gives TypeError for an input of shape (2, 5)"),
    ],
)
def test_what_computes_something_else(cls: type[nn.Linear], words: str) -> None:
    assert differs_from_linear(cls(*SIZES)) == words


def test_weights_that_are_made_before_each_call() -> None:
    layer = parametrizations.weight_norm(nn.Linear(*SIZES))
    assert "holds more than a weight and a bias" in str(differs_from_linear(layer))


def test_a_weight_that_its_owner_takes() -> None:
    attention = nn.MultiheadAttention(8, 2)
    assert "does not call it" in str(differs_from_linear(attention.out_proj))


def test_nobody_notices_the_test_vectors() -> None:
    layer, heard = MatmulThenBias(*SIZES), []
    layer.register_forward_hook(lambda *_: heard.append("hook"))
    layer.forward = lambda x: heard.append("forward") or x  # type: ignore[method-assign]
    weight, state = layer.weight.detach().clone(), torch.get_rng_state()
    assert differs_from_linear(layer) is None
    assert not heard
    assert torch.equal(layer.weight, weight)
    assert (layer.in_features, layer.training) == (SIZES[0], True)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_dtype_that_a_model_is_built_in_does_not_matter() -> None:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        assert differs_from_linear(MatmulThenBias(*SIZES)) is None
    finally:
        torch.set_default_dtype(before)
