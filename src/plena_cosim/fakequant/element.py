"""Rounding the elements of blocks whose scale is known, in place of encode and decode."""

from __future__ import annotations

import torch
from torch import Tensor

from plena_cosim.golden import FixedPoint, Mx, Rounding

from .carrier import SINGLE, Carrier
from .random_bits import random_bits

_FAR_BELOW = 40


def single_range(mx: Mx, carrier: Carrier = SINGLE) -> tuple[int, int]:
    """Return the scale exponents for which float32 meets what `ElementRounder` asks."""
    # A unit is at least two smallest normal numbers, so that a subnormal is below half of it: the
    # same zero where the thread flushes it.
    low = carrier.min_exp + 1 - min(mx.element.lsb_exp, 0)
    if isinstance(mx.element, FixedPoint):
        constant = mx.element.lsb_exp + carrier.man_bits
    else:
        constant = mx.element.emax + carrier.man_bits - mx.element.man_bits
    return low, carrier.bias - max(constant, mx.element.emax + 1)


def limits(exp: Tensor, mx: Mx, carrier: Carrier) -> tuple[Tensor, Tensor]:
    """Return the smallest and largest value that each block can hold, in the shape of `exp`.

    Args:
        exp: integers: exponents of the blocks' scales.
        mx: the format.
        carrier: dtype of the values; 2^exp is a normal number in it.
    """
    scale = carrier.power_of_two(exp)
    highest = scale * mx.element.max_value
    if isinstance(mx.element, FixedPoint) and not mx.symmetric:
        return scale * -(mx.element.max_code + 1) * 2.0**mx.element.lsb_exp, highest
    return -highest, highest


class ElementRounder:
    """Rounds to nearest even the elements of blocks whose scales are known, many times if need be.

    Each value is rounded once, by the carrier's own adder; see `Carrier.rounding_constants`.

    Attributes:
        mx: the format.
        carrier: of the values.
        lowest, highest: what each block can hold, in the shape of its exponents.
    """

    def __init__(self, exp: Tensor, mx: Mx, carrier: Carrier) -> None:
        """Take int32 exponents of scales, of a shape that broadcasts with the values.

        All units, limits and added constants must be normal numbers in the carrier.
        """
        self.mx, self.carrier = mx, carrier
        self.lowest, self.highest = limits(exp, mx, carrier)
        element = mx.element
        if isinstance(element, FixedPoint):
            self._shift = 1.5 * carrier.power_of_two(exp + (element.lsb_exp + carrier.man_bits))
        else:
            self._smallest = carrier.power_of_two(exp + element.emin).view(carrier.int_dtype)

    def round(self, x: Tensor, out: Tensor) -> None:
        """Write the rounded values of `x`, finite, in the carrier's dtype, to `out`, not `x`."""
        torch.maximum(x, self.lowest, out=out)
        torch.minimum(out, self.highest, out=out)
        element, carrier = self.mx.element, self.carrier
        if isinstance(element, FixedPoint):
            # Leaves no -0, which two's complement does not have.
            out.add_(self._shift).sub_(self._shift)
            return
        binade = torch.maximum(carrier.binade_bits(out), self._smallest)
        constants = carrier.rounding_constants(binade, element.man_bits, self._smallest)
        out.add_(constants).sub_(constants)
        if element.has_negative_zero:
            torch.copysign(out, x, out=out)


def round_by_mode(
    x: Tensor,
    exp: Tensor,
    mx: Mx,
    carrier: Carrier,
    out: Tensor,
    *,
    index: Tensor | None,
    seed: int,
) -> None:
    """As `ElementRounder` for the other rounding modes.

    Args:
        x: finite, in the carrier's dtype.
        exp: int32 exponents of scales, of a shape that broadcasts with `x`.
        mx: the format; its rounding is not RNE, whose ties go to the even code.
        carrier: of the values; units and limits are normal numbers in it.
        out: the rounded values, written; in the shape and dtype of `x`, but not `x`.
        index: int64 place of each element, for stochastic rounding; None for other modes.
        seed: for stochastic rounding, as in `random_bits`.
    """
    lowest, highest = limits(exp, mx, carrier)
    inside = torch.minimum(torch.maximum(x, lowest), highest)
    element = mx.element
    if isinstance(element, FixedPoint):
        unit = carrier.power_of_two(exp + element.lsb_exp)
    else:
        smallest = carrier.power_of_two(exp + element.emin).view(carrier.int_dtype)
        binade = torch.maximum(carrier.binade_bits(inside), smallest)
        unit = (binade - (element.man_bits << carrier.man_bits)).view(carrier.dtype)
    # Far below the smallest unit all magnitudes round alike in every mode, also the stochastic one,
    # which looks at 32 bits; one that the division loses would round as a zero.
    least = carrier.power_of_two(exp + (element.lsb_exp - _FAR_BELOW))
    lifted = torch.copysign(torch.maximum(inside.abs(), least), inside)
    inside = torch.where(inside == 0, inside, lifted)
    units = round_units(inside / unit, Rounding(mx.rounding), index=index, seed=seed)
    torch.mul(units, unit, out=out)
    if element.has_negative_zero:
        torch.copysign(out, x, out=out)
    else:
        out.add_(0.0)  # -0 to +0


def round_units(
    units: Tensor, rounding: Rounding, *, index: Tensor | None = None, seed: int = 0
) -> Tensor:
    """Return numbers rounded to integers.

    Args:
        units: floating-point tensor. RNE, whose ties go to the even integer, changes it in place
            and returns it; the other modes leave it as it is.
        rounding: the mode.
        index: int64, broadcastable to `units`: each one's place, which stochastic rounding needs.
        seed: for stochastic rounding, as in `random_bits`.

    Returns:
        Integers in the dtype of `units`, not clamped to any range.
    """
    if rounding is Rounding.RNE:
        return units.round_()
    if rounding is Rounding.RTZ:
        return units.trunc()
    if rounding is Rounding.RUP:
        return units.ceil()
    if rounding is Rounding.RDOWN:
        return units.floor()
    whole = units.trunc()
    rest = (units - whole).abs()
    if rounding is Rounding.RNA:
        up = rest >= 0.5
    else:
        assert index is not None
        up = random_bits(seed, index) < (rest * 2.0**32).long()
    return whole + torch.copysign(up.to(units.dtype), units)
