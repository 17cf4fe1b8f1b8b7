"""StoredWeight: a quantised weight, kept as the values that torch multiplies and their scales."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plena_cosim import fakequant
from plena_cosim.fakequant import MxTensor
from plena_cosim.golden import FormatError

from .module_formats import CastFormat, Format


class StoredWeight(nn.Module):
    """A weight (any number of axes) that was quantised once.

    Attributes:
        values: exact values of the quantised weight where `dtype` holds them.
        scales: uint8 scale codes of its blocks; empty where `fmt` has no blocks.
        fmt: the format; None for a weight that is stored as it was.
        axis: the axis along which blocks run.
    """

    scales: Tensor

    def __init__(
        self, weight: Tensor, fmt: Format | None, *, axis: int = -1, dtype: torch.dtype
    ) -> None:
        super().__init__()
        self.fmt, self.axis = fmt, axis % weight.ndim
        values, scales = weight.detach(), torch.empty(0, dtype=torch.uint8, device=weight.device)
        if isinstance(fmt, CastFormat):
            values = fakequant.cast(values, fmt.fmt, rounding=fmt.rounding)
        elif fmt is not None:
            quantized = fakequant.quantize_mx(values, fmt, axis=axis)
            values, scales = quantized.values, quantized.scales
        self.values = nn.Parameter(fakequant.round_once(values, dtype), requires_grad=False)
        self.register_buffer("scales", scales)

    def mx(self) -> MxTensor:
        """Return the weight as an operand of the matrix unit.

        Raises:
            FormatError: it has no block format, or its values were converted and lost bits.
        """
        if self.fmt is None or isinstance(self.fmt, CastFormat):
            raise FormatError("a weight without an MX format cannot enter the matrix unit")
        if self.values.dtype not in (torch.float32, torch.float64):
            raise FormatError(
                f"the weight of an exact layer was converted to {self.values.dtype} and lost bits; "
                "convert the model before the pass"
            )
        return MxTensor(values=self.values, scales=self.scales, mx=self.fmt, axis=self.axis)
