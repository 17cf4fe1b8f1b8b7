"""Rounding float32 to a format and finding its codes, on bits: what kernels are made of.

Everything is a function of one number that LLVM makes vectors of, so: no branches, and every
integer is cut to 32 bits at once, where numba would widen it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .compile import kernel

Float = Any
"""What numba types by itself: float32 or float64."""


class Bits(NamedTuple):
    """A format; magnitudes are bits of a float32 without its sign.

    Attributes:
        unit: the last place that stays; 0 where nothing is cut.
        flip: `unit` where a set last place means an even code, else 0.
        more: half a unit less one.
        keep: mask of what stays.
        smallest: magnitudes below are subnormals of the format alone; 0 where float32's are its.
        shift: bits of the number whose last place is that of the subnormals.
        top: the largest magnitude.
        inf: what an infinite operand leaves: Inf, or `top`.
        nan: what NaN becomes: NaN, or `top`.
        signed_zero: whether there is -0.
        up: fraction bits of float32 that the format does not have.
        base: what a code is less than the bits, cut by `up`.
        last: code of the largest magnitude, Inf included.
        nan_code: of NaN, or `last`.
        sign: of a code.
        units: bits of one over the smallest magnitude.
    """

    unit: Any
    flip: Any
    more: Any
    keep: Any
    smallest: Any
    shift: Any
    top: Any
    inf: Any
    nan: Any
    signed_zero: Any
    up: Any
    base: Any
    last: Any
    nan_code: Any
    sign: Any
    units: Any


_INT = np.int32
_MAGNITUDE = np.int32(0x7FFFFFFF)
_SIGN = np.int32(-0x80000000)
_INF = np.int32(0x7F800000)


@kernel
def unpack(bits: Any) -> Any:
    """Return `format_bits` by name: local numbers stay in registers, an array's do not."""
    return Bits(
        bits[0],
        bits[1],
        bits[2],
        bits[3],
        bits[4],
        bits[5],
        bits[6],
        bits[7],
        bits[8],
        bits[9],
        bits[10],
        bits[11],
        bits[12],
        bits[13],
        bits[14],
        bits[15],
    )


@kernel
def is_infinite(x: Float) -> Any:
    """Whether a float32 is Inf of either sign."""
    return _INT(np.float32(x).view(np.int32) & _MAGNITUDE) == _INF


@kernel
def rounded(x: Float, infinite: Any, p: Any) -> Any:
    """Return a float32 rounded to a format: to nearest even, saturated.

    Args:
        x: what was computed.
        infinite: whether it stems from an Inf; else an Inf is an overflow.
        p: the format, unpacked.

    Returns:
        float32: as `Rounder` and `cast` give it, but NaN where they leave its sign open is +NaN.
    """
    bits = np.float32(x).view(np.int32)
    magnitude = _INT(bits & _MAGNITUDE)
    odd = _INT(1) if _INT(magnitude & p.unit) != p.flip else _INT(0)
    cut = _INT(_INT(_INT(magnitude + p.more) + odd) & p.keep)
    # The adder rounds at the last place of `shift`.
    shift = _INT(p.shift).view(np.float32)
    low = np.float32(np.float32(_INT(magnitude).view(np.float32) + shift) - shift)
    cut = low.view(np.int32) if magnitude < p.smallest else cut
    cut = p.top if cut > p.top else cut
    cut = p.inf if infinite else cut
    cut = p.nan if magnitude > _INF else cut
    bare = (magnitude > _INF) | ((cut == 0) & (p.signed_zero == 0))
    sign = _INT(0) if bare else _INT(bits & _SIGN)
    return _INT(cut | sign).view(np.float32)


@kernel
def code(x: Float, p: Any) -> Any:
    """Return the code of a value of a format of up to 16 bits, as int32."""
    bits = np.float32(x).view(np.int32)
    magnitude = _INT(bits & _MAGNITUDE)
    found = _INT(_INT(magnitude >> p.up) - p.base)
    units = np.float32(_INT(magnitude).view(np.float32) * _INT(p.units).view(np.float32))
    # A NaN or Inf has no integer; neither is below `smallest`.
    units = units if magnitude < p.smallest else np.float32(0.0)
    found = _INT(units) if magnitude < p.smallest else found
    found = p.last if found > p.last else found
    found = p.nan_code if magnitude > _INF else found
    bare = (bits >= 0) | ((found == 0) & (p.signed_zero == 0))
    return found if bare else _INT(found | p.sign)
