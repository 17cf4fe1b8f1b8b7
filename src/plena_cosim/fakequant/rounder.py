"""Rounder: arithmetic on values of one format, every result rounded once to that format."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from plena_cosim.golden import Minifloat

from .carrier import DOUBLE, SINGLE, Carrier, is_finite
from .cast import cast_finite, native_dtype, round_minifloat, rounds_in_single, value_dtype


@dataclass(frozen=True, kw_only=True)
class Rounder:
    """How exact sums and products become values of `fmt`.

    A carrier of q bits computes a sum or product of p-bit numbers, rounds it to q bits, and the
    rounder rounds that to p bits. For q >= 2p + 2 this gives what one rounding would give
    (Figueroa, "When is double rounding innocuous?", SIGNUM Newsletter 30(3), 1995). float64 has
    room for every format (2 * 24 + 2 <= 53); see `_fits_single` for float32 and for small results.

    Attributes:
        fmt: the format.
        dtype: of its values.
        carrier: what sums and products are computed in.
        native: torch's own type of the format, if the carrier is float32 and there is one.
    """

    fmt: Minifloat
    dtype: torch.dtype
    carrier: Carrier
    native: torch.dtype | None

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        """Return RN(a + b)."""
        return self._round(self._exact(a) + self._exact(b), a, b)

    def sub(self, a: Tensor, b: Tensor) -> Tensor:
        """Return RN(a - b)."""
        return self._round(self._exact(a) - self._exact(b), a, b)

    def mul(self, a: Tensor, b: Tensor) -> Tensor:
        """Return RN(a * b)."""
        return self._round(self._exact(a) * self._exact(b), a, b)

    def cast(self, x: Tensor) -> Tensor:
        """Return RN(x) for values of any format; Inf stays Inf where `fmt` has it."""
        rounded = cast_finite(x, self.fmt)
        if not self.fmt.has_inf:  # saturated, as golden.encode saturates it
            return rounded
        return torch.where(x.isinf(), x.to(self.dtype), rounded)

    def take(self, x: Tensor, src: Minifloat) -> Tensor:
        """Return values of `src` as values of `fmt`: a cast, where one is needed."""
        return x.to(self.dtype) if self.holds(src) else self.cast(x)

    def holds(self, src: Minifloat) -> bool:
        """Whether every value of `src` is one of `fmt`, so that a cast changes nothing."""
        return src == self.fmt or (
            src.precision <= self.fmt.precision
            and src.lsb_exp >= self.fmt.lsb_exp
            and src.max_value <= self.fmt.max_value
            and (self.fmt.has_inf or not src.has_inf)
            and (self.fmt.has_nan or not src.has_nan)
            and (self.fmt.has_negative_zero or not src.has_negative_zero)
        )

    def _exact(self, x: Tensor) -> Tensor:
        return x.to(self.carrier.dtype)

    def _round(self, result: Tensor, *operands: Tensor) -> Tensor:
        """Round what the carrier computed; `result` may be changed."""
        if self.native is not None:
            rounded = result.to(self.native).to(SINGLE.dtype)
            return self._saturate(rounded, operands)
        infinite = result.isinf() if self.fmt.has_inf else None
        rounded = result.clamp(-self.fmt.max_value, self.fmt.max_value)
        round_minifloat(rounded, self.fmt, self.carrier)
        if self.fmt.has_negative_zero:
            rounded.copysign_(result)
        if infinite is not None:  # the carrier is so wide that only an operand can be Inf
            rounded = torch.where(infinite, result, rounded)
        return rounded.to(self.dtype)

    def _saturate(self, rounded: Tensor, operands: tuple[Tensor, ...]) -> Tensor:
        """Return the largest value for what overflowed: Inf without an Inf operand."""
        if rounded.device.type == "cpu" and is_finite(rounded):
            return rounded
        overflow = rounded.isinf()
        for operand in operands:
            overflow &= ~operand.isinf()
        return torch.where(
            overflow, rounded.clamp(-self.fmt.max_value, self.fmt.max_value), rounded
        )


@lru_cache(maxsize=256)
def rounder(fmt: Minifloat) -> Rounder:
    """Return the rounder of a format."""
    native = native_dtype(fmt)
    single = native is torch.float32 or _fits_single(fmt, has_native=native is not None)
    return Rounder(
        fmt=fmt,
        dtype=value_dtype(fmt),
        carrier=SINGLE if single else DOUBLE,
        native=native if single else None,
    )


def _fits_single(fmt: Minifloat, *, has_native: bool) -> bool:
    """Whether float32 is wide enough to round twice.

    Sums of values are multiples of the smallest value, which float32 has: below float32's normal
    numbers they are exact. A product has at most 2p bits. From half of the smallest value on it is
    exact if float32 has a bit 2p places below that; under it float32, which rounds monotonically,
    leaves it at or below the half, and both round to zero. Where Inf means an Inf operand, products
    must not overflow float32.
    """
    return (
        2 * fmt.precision + 2 <= SINGLE.man_bits + 1
        and value_dtype(fmt) is SINGLE.dtype
        and fmt.lsb_exp - 2 * fmt.precision >= SINGLE.min_exp - SINGLE.man_bits
        and (has_native or rounds_in_single(fmt))
        and (has_native or not fmt.has_inf or 2 * (fmt.emax + 1) <= SINGLE.bias)
    )
