"""ExactLinear: a linear layer computed as the matrix unit computes it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plena_cosim import fakequant
from plena_cosim.fakequant import MxTensor
from plena_cosim.golden import FormatError, HardwareConfig, Mx

from .fake_linear import describe
from .module_formats import ModuleFormats


def operand_formats(formats: ModuleFormats) -> tuple[Mx, Mx]:
    """Return the formats of weight and input; FormatError unless the matrix unit takes them."""
    weight, data_in = formats.weight, formats.data_in
    if weight is None or data_in is None:
        missing = "weight_" if weight is None else "data_in_"
        raise FormatError(
            f"exact numerics need MX operands on both sides, but there are no {missing} keys; "
            "add them or use fake numerics"
        )
    if weight.block_size != data_in.block_size:
        raise FormatError(
            "exact numerics need one block size for both operands, got weight_block_size = "
            f"{weight.block_size} and data_in_block_size = {data_in.block_size}"
        )
    return weight, data_in


class ExactLinear(nn.Module):
    """y = RN_V(matmul(Q(x), Q(W).T) + RN_V(Q(b))) with the machine's formats.

    The matrix product is golden.ops.matmul bit for bit; the bias is added with one rounding to the
    vector format V. The weight is quantised once, here. There is no gradient.

    Attributes:
        weight: exact values of the quantised weight, (out, in); float32 or float64.
        weight_scales: its scale codes.
        bias: values of V.
        formats, hw: what quantises, and the machine.
    """

    weight_scales: Tensor

    def __init__(self, linear: nn.Linear, formats: ModuleFormats, hw: HardwareConfig) -> None:
        super().__init__()
        self.weight_mx, self.data_in = operand_formats(formats)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.formats, self.hw = formats, hw
        quantized = fakequant.quantize_mx(linear.weight, self.weight_mx)
        self.weight = nn.Parameter(quantized.values, requires_grad=False)
        self.register_buffer("weight_scales", quantized.scales)
        self.bias: nn.Parameter | None = None
        if linear.bias is not None:
            bias = linear.bias.detach()
            if formats.bias is not None:
                bias = fakequant.quantize_mx(bias, formats.bias).values
            bias = fakequant.cast(bias, hw.vector_format)
            self.bias = nn.Parameter(bias, requires_grad=False)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's output, values of V in the dtype of `x`."""
        if self.weight.dtype not in (torch.float32, torch.float64):
            raise FormatError(
                f"the weight of an exact layer was converted to {self.weight.dtype} and lost bits; "
                "convert the model before the pass"
            )
        weight = MxTensor(values=self.weight, scales=self.weight_scales, mx=self.weight_mx, axis=1)
        y = fakequant.matmul(fakequant.quantize_mx(x, self.data_in), weight.mT, self.hw)
        if self.bias is not None:
            # float64 carries 2p + 2 bits of every V: the second rounding is the only one.
            y = fakequant.cast(y.double() + self.bias.double(), self.hw.vector_format)
        return y.to(x.dtype)

    def extra_repr(self) -> str:
        """Show sizes and formats."""
        machine = f"accumulator={self.hw.accumulator_format.name}"
        return f"{describe(self.in_features, self.out_features, self.formats)}, {machine}"
