"""StoredWeight: a quantised weight, kept as the values that torch multiplies and their scales."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from plena_cosim import fakequant
from plena_cosim.fakequant import MxTensor
from plena_cosim.fakequant.carrier import round_once
from plena_cosim.golden import FormatError, Rounding

from .module_formats import CastFormat, Format


class StoredWeight(nn.Module):
    """A weight (any number of axes) that was quantised once.

    Attributes:
        values: exact values of the quantised weight where their dtype holds them; None in an empty
            one, until its state has been loaded.
        scales: uint8 scale codes of its blocks; empty where `fmt` has no blocks.
        fmt: the format; None for a weight that is stored as it was.
        axis: the axis along which blocks run.
        dtype: of the values; None for the narrowest of float32 and float64 that is exact (without a
            format: that of the weight).
    """

    scales: Tensor
    values: nn.Parameter

    def __init__(
        self,
        weight: Tensor,
        fmt: Format | None,
        *,
        axis: int = -1,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.shape, self.fmt, self.axis, self.dtype = weight.shape, fmt, axis % weight.ndim, dtype
        values, scales = weight.detach(), torch.empty(0, dtype=torch.uint8, device=weight.device)
        if isinstance(fmt, CastFormat):
            rne = fmt.rounding is Rounding.RNE
            options: dict[str, Any] = {} if rne else {"rounding": fmt.rounding}
            values = fakequant.cast(values, fmt.fmt, **options)
        elif fmt is not None:
            quantized = fakequant.quantize_mx(values, fmt, axis=axis)
            values, scales = quantized.values, quantized.scales
        rounded = values.clone() if dtype is None else round_once(values, dtype)
        self.values = nn.Parameter(rounded, requires_grad=False)
        self.register_buffer("scales", scales)

    @classmethod
    def empty(
        cls,
        weight: Tensor,
        fmt: Format | None,
        *,
        axis: int = -1,
        dtype: torch.dtype | None = None,
    ) -> StoredWeight:
        """Return one without values, for a state to be loaded into; only `weight.shape` counts."""
        raise NotImplementedError

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


Store = Callable[..., StoredWeight]
"""`StoredWeight`, or `StoredWeight.empty` for a module whose weights are loaded later."""
