"""Rounding the elements of blocks whose scale is known, in place of encode and decode."""

from __future__ import annotations

import torch
from torch import Tensor

from plena_cosim.golden import FixedPoint, Mx, Rounding

from .carrier import Carrier
from .random_bits import random_bits


def limits(exp: Tensor, mx: Mx, carrier: Carrier) -> tuple[Tensor, Tensor]:
    """Return the smallest and largest value that each block can hold."""
    scale = carrier.power_of_two(exp)
    highest = scale * mx.element.max_value
    if isinstance(mx.element, FixedPoint) and not mx.symmetric:
        return scale * -(mx.element.max_code + 1) * 2.0**mx.element.lsb_exp, highest
    return -highest, highest


def round_to_even(x: Tensor, exp: Tensor, mx: Mx, carrier: Carrier, out: Tensor) -> None:
    """Round to nearest even: values of `x` to the elements of blocks with scale 2^exp.

    Each value is rounded once, by the carrier's own adder; see `Carrier.rounding_constants`.

    Args:
        x: (..., elements, inner), finite, in the carrier's dtype.
        exp: (..., 1, inner) int32.
        mx: format.
        carrier: of `x`. All units, limits and the added constant must be normal numbers in it.
        out: as `x`; not `x` itself.
    """
    lowest, highest = limits(exp, mx, carrier)
    torch.maximum(x, lowest, out=out)
    torch.minimum(out, highest, out=out)
    element = mx.element
    if isinstance(element, FixedPoint):
        shift = 1.5 * carrier.power_of_two(exp + (element.lsb_exp + carrier.man_bits))
        out.add_(shift).sub_(shift)  # leaves no -0, which two's complement does not have
        return
    smallest = carrier.power_of_two(exp + element.emin).view(carrier.int_dtype)
    binade = torch.maximum(carrier.binade_bits(out), smallest)
    constants = carrier.rounding_constants(binade, element.man_bits, smallest)
    out.add_(constants).sub_(constants)
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
    """As `round_to_even` for the other modes; `index` is each element's place (stochastic)."""
    lowest, highest = limits(exp, mx, carrier)
    inside = torch.minimum(torch.maximum(x, lowest), highest)
    element = mx.element
    if isinstance(element, FixedPoint):
        unit = carrier.power_of_two(exp + element.lsb_exp)
    else:
        smallest = carrier.power_of_two(exp + element.emin).view(carrier.int_dtype)
        binade = torch.maximum(carrier.binade_bits(inside), smallest)
        unit = (binade - (element.man_bits << carrier.man_bits)).view(carrier.dtype)
    units = round_units(inside / unit, Rounding(mx.rounding), index=index, seed=seed)
    torch.mul(units, unit, out=out)
    if isinstance(element, FixedPoint):
        out.add_(0.0)  # -0 to +0
    else:
        torch.copysign(out, x, out=out)


def round_units(
    units: Tensor, rounding: Rounding, *, index: Tensor | None = None, seed: int = 0
) -> Tensor:
    """Return numbers rounded to integers; RNE ties to the even integer, and works in place."""
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
