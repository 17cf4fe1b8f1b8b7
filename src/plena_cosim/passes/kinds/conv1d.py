"""transformers' Conv1D, the linear layer of GPT-2: its weight is (in, out)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..modules.exact_linear import ExactLinear
from ..modules.fake_linear import FakeLinear
from .linear import LinearKind


class FakeConv1D(FakeLinear):
    """FakeLinear whose original module keeps the weight transposed."""

    @property
    def weight(self) -> Tensor:
        """Values of the quantised weight, (in, out)."""
        return self.stored.values.T

    def matrices(self, original: Tensor) -> list[Tensor]:
        """Return the one matrix, (out, in), in the basis of its operand."""
        return super().matrices(original.T)

    def to_plain(self, values: Tensor) -> Tensor:
        """Return a weight as the model keeps it."""
        return super().to_plain(values).T


class ExactConv1D(ExactLinear):
    """ExactLinear whose original module keeps the weight transposed."""

    @property
    def weight(self) -> Tensor:
        """Exact values of the quantised weight, (in, out)."""
        return super().weight.T


class Conv1DKind(LinearKind):
    """A linear layer whose weight is (in, out).

    It takes what linear layers take, and its bits are theirs: the weight is stored as (out, in),
    and blocks run along the input features, over which the product sums.
    """

    name = "Conv1D"
    priority = 70
    fake, exact = FakeConv1D, ExactConv1D

    def recognise(self, module: nn.Module) -> bool:
        """Return whether it is transformers' class, told by name: passes run without it, too."""
        found = type(module)
        return (found.__module__, found.__name__) == ("transformers.pytorch_utils", "Conv1D")

    def obstacle(self, module: nn.Module) -> str | None:
        """Return nothing: other classes than transformers' own do not look like it."""
        return None

    def as_linear(self, module: nn.Module) -> nn.Linear:
        """Return the same layer with its weight turned."""
        weight = module.get_parameter("weight").detach()
        inputs, outputs = weight.shape
        linear = nn.Linear(inputs, outputs, bias=False, device="meta")
        linear.weight = nn.Parameter(weight.T.contiguous(), requires_grad=False)
        linear.bias = module.get_parameter("bias")
        return linear

    def weight_blocks(self, module: nn.Module, where: str) -> dict[str, tuple[torch.Size, int]]:
        """Return the shape of the weight as it is stored, (out, in)."""
        return {"": (module.get_parameter("weight").T.shape, 1)}


KIND = Conv1DKind()
