"""MxTensor: a quantised tensor, kept as values and scale codes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from plena_cosim.golden import Mx

from .carrier import DOUBLE, round_once


@dataclass(frozen=True, kw_only=True)
class MxTensor:
    """What golden's MxArray is in NumPy: the operand of `matmul`.

    Attributes:
        values: element times scale, exact: float32 where every value and unit is a normal float32
            number, float64 otherwise. A block with a NaN scale is NaN throughout.
        scales: uint8 scale codes, equal to golden's; as `values`, with `axis` shrunk to the number
            of blocks.
        mx: the format.
        axis: the axis along which blocks run, as a non-negative index.
    """

    values: Tensor
    scales: Tensor
    mx: Mx
    axis: int

    @property
    def shape(self) -> torch.Size:
        """Shape of the tensor."""
        return self.values.shape

    @property
    def mT(self) -> MxTensor:  # noqa: N802  (torch's name)
        """The matrix transpose: the last two axes swapped, without a copy."""
        last = self.values.ndim - 1
        axis = {last: last - 1, last - 1: last}.get(self.axis, self.axis)
        return MxTensor(values=self.values.mT, scales=self.scales.mT, mx=self.mx, axis=axis)

    def scale_values(self) -> Tensor:
        """Return each block's scale as float64; a NaN scale reads as 2^128, past all others."""
        return DOUBLE.power_of_two(self.scales.to(torch.int64) - self.mx.scale_bias)

    def dequantize(self, dtype: torch.dtype = torch.float64) -> Tensor:
        """Return the values in `dtype`, rounded once where it cannot hold them."""
        return round_once(self.values, dtype)
