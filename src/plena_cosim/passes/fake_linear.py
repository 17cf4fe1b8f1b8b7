"""FakeLinear: a linear layer whose operands are quantised and whose product is torch's own."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from plena_cosim import fakequant

from .module_formats import ModuleFormats
from .role_format import ROLES


class FakeLinear(nn.Module):
    """y = Q(x) @ Q(W).T + Q(b) with the products and sums of torch.

    The weight and bias are quantised once, here. Gradients reach the input straight through.

    Attributes:
        weight, bias: quantised values in the dtype of the linear layer they come from.
        formats: what quantised them, and what quantises each input.
    """

    def __init__(self, linear: nn.Linear, formats: ModuleFormats) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.formats = formats
        with torch.no_grad():
            weight = linear.weight.detach()
            if formats.weight is not None:
                weight = fakequant.quantize(weight, formats.weight)
            self.weight = nn.Parameter(weight.clone(), requires_grad=False)
            self.bias: nn.Parameter | None = None
            if linear.bias is not None:
                bias = linear.bias.detach()
                if formats.bias is not None:
                    bias = fakequant.quantize(bias, formats.bias)
                self.bias = nn.Parameter(bias.clone(), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's output in the dtype of `x`."""
        if self.formats.data_in is not None:
            x = fakequant.quantize(x, self.formats.data_in)
        return functional.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Show sizes and formats."""
        return describe(self.in_features, self.out_features, self.formats)


def describe(in_features: int, out_features: int, formats: ModuleFormats) -> str:
    """Return sizes and formats on one line."""
    named = [
        f"{role}={mx.name}/{mx.block_size}"
        for role in ROLES
        if (mx := getattr(formats, role)) is not None
    ]
    return ", ".join([f"in_features={in_features}, out_features={out_features}", *named])
