"""ExactLinear: a linear layer computed as the matrix unit computes it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plena_cosim import fakequant
from plena_cosim.golden import HardwareConfig, Mx

from ..recipe.draws import draw_options
from ..recipe.formats import CastFormat, Format, ModuleFormats
from ..weights.packed_weight import PackedWeight, WeightFactory
from .fake_linear import describe
from .operand import DEFAULT_BLOCK, matrix_format
from .phase import PhasedFormat, in_phase
from .quantized_module import QuantizedModule
from .read_weight import ReadWeight


def operand_formats(formats: ModuleFormats, where: str) -> tuple[Mx, Mx]:
    """Return the formats of weight and input in the matrix unit.

    An operand without a format enters as MXINT16, in blocks of the other's size.

    Raises:
        FormatError: a format has no blocks, or the two block sizes differ.
    """
    sizes = [fmt.block_size for fmt in (formats.weight, formats.data_in) if isinstance(fmt, Mx)]
    size = sizes[0] if sizes else DEFAULT_BLOCK
    return (
        matrix_format(formats.weight, block_size=size, where=f"{where}: weight"),
        matrix_format(formats.data_in, block_size=size, where=f"{where}: data_in"),
    )


class ExactLinear(QuantizedModule):
    """y = RN_V(matmul(Q(RN_V(x)), Q(W).T) + RN_V(Q(b))) with the machine's formats.

    The input comes from the vector unit, and so in its format V. The matrix product is
    golden.ops.matmul bit for bit; the bias is added with one rounding to V. The weight is quantised
    once, here. There is no gradient.

    Attributes:
        stored: the quantised weight, (out, in), with exact values.
        stored_bias: the quantised bias; without a format of its own it is cast to V.
        formats, hw: what quantises, and the machine.
        input: what quantises each input, maybe another format in each phase.
        where: the layer, for messages.
        rotation: size of the Hadamard blocks that the vector unit multiplies each input by first,
            as the weight was; None for none.
    """

    def __init__(
        self,
        linear: nn.Linear,
        formats: ModuleFormats,
        hw: HardwareConfig,
        *,
        where: str = "a linear layer",
        rotation: int | None = None,
        store: WeightFactory = PackedWeight,
    ) -> None:
        super().__init__()
        weight, data_in = operand_formats(formats, where)
        self.input: Format | PhasedFormat | None = data_in
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.formats, self.hw, self.rotation = formats, hw, rotation
        self.where = where
        self.stored = store(linear.weight, weight)
        self.stored_bias: PackedWeight | None = None
        if linear.bias is not None:
            self.stored_bias = store(linear.bias, formats.bias or CastFormat(fmt=hw.vector_format))

    @property
    def weight(self) -> Tensor:
        """Exact values of the quantised weight, (out, in); float32 or float64."""
        return ReadWeight.of(self.stored.values, self.where)

    @property
    def bias(self) -> Tensor | None:
        """The bias as values of V."""
        if self.stored_bias is None:
            return None
        return fakequant.cast(self.stored_bias.values, self.hw.vector_format)

    @property
    def data_in(self) -> Mx:
        """The format of an input, now."""
        fmt = in_phase(self.input)
        assert isinstance(fmt, Mx)
        return fmt

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's output, values of V in the dtype of `x`."""
        vector = self.hw.vector_format
        values = fakequant.cast(x, vector)
        if self.rotation is not None:
            values = fakequant.hadamard(values, vector, block=self.rotation)
        rows = values if values.ndim > 1 else values[None]
        draws = draw_options(self.data_in, rows.ndim)
        operand = fakequant.quantize_mx(rows, self.data_in, **draws)
        y = fakequant.matmul(operand, self.stored.mx().mT, self.hw)
        bias = self.bias
        y = y if bias is None else fakequant.add(y, bias, vector)
        return y.view(*x.shape[:-1], self.out_features).to(x.dtype)

    def extra_repr(self) -> str:
        """Show sizes and formats."""
        machine = f"accumulator={self.hw.accumulator_format.name}"
        return f"{describe(self.in_features, self.out_features, self.formats)}, {machine}"
