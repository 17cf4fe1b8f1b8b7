"""Carrier: the torch floating-point type in which values travel, with its bit layout."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .step_by_step import step_by_step


@dataclass(frozen=True, kw_only=True)
class Carrier:
    """Bit layout of a torch dtype that values are computed in.

    Attributes:
        dtype: float32 or float64.
        int_dtype: the integer type of the same width.
        man_bits: fraction bits.
        bias: exponent bias.
    """

    dtype: torch.dtype
    int_dtype: torch.dtype
    man_bits: int
    bias: int

    @property
    def exp_mask(self) -> int:
        """The exponent field."""
        return (2 * self.bias + 1) << self.man_bits

    @property
    def magnitude_mask(self) -> int:
        """Every bit but the sign."""
        return self.exp_mask | ((1 << self.man_bits) - 1)

    @property
    def min_exp(self) -> int:
        """Exponent of the smallest normal number."""
        return 1 - self.bias

    def power_of_two(self, exp: Tensor) -> Tensor:
        """Return 2^exp for an integer tensor, built from bits; exp within the normal range."""
        return ((exp + self.bias).to(self.int_dtype) << self.man_bits).view(self.dtype)

    def rounding_constants(self, binades: Tensor, man_bits: int, smallest: Tensor | int) -> Tensor:
        """Return constants c for which (x + c) - c rounds each x to nearest even, either sign.

        c is 1.5 * 2^self.man_bits units of the last place of x, so that the adder of the carrier
        rounds at that place. A tie goes to the even code: without fraction bits the code's last bit
        is the exponent's, and one more unit in c makes the sum's parity the code's.

        Args:
            binades: `binade_bits(x)`; changed in place.
            man_bits: fraction bits of the destination, fewer than the carrier's.
            smallest: bits of 2^emin of the destination, at most `binades` wherever x is normal.
        """
        up = self.man_bits - man_bits
        if not man_bits:
            binades += ((binades - smallest) >> self.man_bits) & 1
        binades += (up << self.man_bits) + (1 << (self.man_bits - 1))
        return binades.view(self.dtype)

    def binade_bits(self, values: Tensor) -> Tensor:
        """Return the bits of the largest power of two <= |value| (0 for subnormals)."""
        return values.view(self.int_dtype) & self.exp_mask


def _carrier(dtype: torch.dtype, int_dtype: torch.dtype) -> Carrier:
    info = torch.finfo(dtype)
    return Carrier(
        dtype=dtype,
        int_dtype=int_dtype,
        man_bits=1 - math.frexp(info.eps)[1],
        bias=math.frexp(info.max)[1] - 1,
    )


SINGLE = _carrier(torch.float32, torch.int32)
DOUBLE = _carrier(torch.float64, torch.int64)


@step_by_step
def round_once(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Return float64 values rounded once (RNE) to `dtype`; overflow gives Inf, as IEEE 754.

    torch narrows float64 to bfloat16 and float16 by way of float32. Rounding to odd on that way
    keeps the second rounding right (Boldo and Melquiond 2008).
    """
    if values.dtype != torch.float64 or dtype in (torch.float64, torch.float32):
        return values.to(dtype)
    single = values.float()
    lost = values - single.double()
    even = (single.view(torch.int32) & 1) == 0
    toward = torch.copysign(torch.full_like(single, math.inf), lost)
    odd = torch.where((lost != 0) & even & ~lost.isnan(), single.nextafter(toward), single)
    return odd.to(dtype)


def is_finite(x: Tensor) -> bool:
    """Whether no value is Inf or NaN."""
    if not x.numel():
        return True
    low, high = torch.aminmax(x)
    return math.isfinite(low.item()) and math.isfinite(high.item())
