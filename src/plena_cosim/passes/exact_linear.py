"""ExactLinear: a linear layer computed as the matrix unit computes it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plena_cosim import fakequant
from plena_cosim.golden import FormatError, HardwareConfig, Mx

from .fake_linear import describe
from .module_formats import CastFormat
from .quant_config import LinearFormats
from .stored_weight import Store, StoredWeight


def operand_formats(formats: LinearFormats) -> tuple[Mx, Mx]:
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
        stored: the quantised weight, (out, in), with exact values.
        stored_bias: the quantised bias; without a format of its own it is cast to V.
        formats, hw: what quantises, and the machine.
    """

    def __init__(
        self,
        linear: nn.Linear,
        formats: LinearFormats,
        hw: HardwareConfig,
        *,
        store: Store = StoredWeight,
    ) -> None:
        super().__init__()
        weight, self.data_in = operand_formats(formats)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.formats, self.hw = formats, hw
        self.stored = store(linear.weight, weight)
        self.stored_bias: StoredWeight | None = None
        if linear.bias is not None:
            self.stored_bias = store(linear.bias, formats.bias or CastFormat(fmt=hw.vector_format))

    @property
    def weight(self) -> Tensor:
        """Exact values of the quantised weight, (out, in); float32 or float64."""
        return self.stored.values

    @property
    def bias(self) -> Tensor | None:
        """The bias as values of V."""
        if self.stored_bias is None:
            return None
        return fakequant.cast(self.stored_bias.values, self.hw.vector_format)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's output, values of V in the dtype of `x`."""
        y = fakequant.matmul(fakequant.quantize_mx(x, self.data_in), self.stored.mx().mT, self.hw)
        bias = self.bias
        if bias is not None:
            # float64 carries 2p + 2 bits of every V: the second rounding is the only one.
            y = fakequant.cast(y.double() + bias.double(), self.hw.vector_format)
        return y.to(x.dtype)

    def extra_repr(self) -> str:
        """Show sizes and formats."""
        machine = f"accumulator={self.hw.accumulator_format.name}"
        return f"{describe(self.in_features, self.out_features, self.formats)}, {machine}"
