"""Blocks of MX formats, rounded to values: one pass over memory, nothing beside it.

Usual blocks are rounded as `ElementRounder` does it, by float32's adder, on magnitudes that are
clamped as integers. All others (exponents near the ends of float32, NaN and Inf) go element by
element through integers of 64 bits, which no setting of the processor touches. A thread that
flushes subnormals to zero gets the same bits: usual blocks have units of at least two smallest
normal numbers, see `single_range`.

Arrays hold bits, and their type says of what: int32 of float32, int16 of bfloat16, uint16 of
float16. Every step of a usual block is cast to 32 bits: numba's integers have 64, and a vector
holds half as many of those.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numba.extending import overload
from torch import Tensor

from plena_cosim.golden import FixedPoint, Mx
from plena_cosim.golden.scale_threshold import scale_threshold

from ..blocks import Blocks
from ..carrier import DOUBLE, SINGLE
from ..element import single_range
from .compile import kernel
from .spread import spread
from .view import as_array

Bits = np.ndarray[Any, Any]

_BITS = {
    torch.float32: np.int32,
    torch.bfloat16: np.int16,
    torch.float16: np.uint16,
}
_LEAST = 1 << 15  # values: a thread that is woken for fewer comes too late
_TILE = 1 << 10  # columns that are walked together: their blocks stay in the second cache

_SIGN = np.int32(-(1 << 31))
_MAGNITUDE = np.int32(SINGLE.magnitude_mask)
_FRACTION = np.int32((1 << SINGLE.man_bits) - 1)
_EXPONENT = np.int32(SINGLE.exp_mask)
_MAN_BITS = np.int32(SINGLE.man_bits)
_BIAS = np.int32(SINGLE.bias)
_ONE = np.int32(1)

_WIDE_MAN_BITS = DOUBLE.man_bits
_WIDE_BIAS = DOUBLE.bias


class Layout(NamedTuple):
    """Bit layout of a torch dtype."""

    width: int
    man_bits: int
    bias: int


class Plan(NamedTuple):
    """Numbers of a format, as kernels take them; exponents are not biased."""

    block: int
    bump: int
    """Fraction of a float32 amax from which the scale takes the next exponent."""
    wide_bump: int
    """The same of a float64 amax."""
    offset: int
    least_scale: int
    most_scale: int
    nan_scale: int
    """The scale's code of NaN, -1 where it has none."""
    low: int
    """Exponents of scales from which to which blocks are usual."""
    high: int
    fixed: int
    """1: every element has the same unit (MXINT)."""
    emin: int
    """Exponent of the element's smallest binade; with man_bits it gives the unit of MXINT, too."""
    emax: int
    man_bits: int
    most: int
    """Largest positive element, in units of the largest binade."""
    most_negative: int
    most_bits: int
    """Bits of float32: of the largest element."""
    negative_bits: int
    """What is added to them for negative elements."""
    above: int
    """From bits of a binade to those of the number that rounds it; see Carrier."""
    keeps_sign: int
    """1: there is a -0."""


@lru_cache(maxsize=256)
def _plan(mx: Mx) -> Plan:
    element = mx.element
    bump, offset = scale_threshold(mx, SINGLE.man_bits)
    wide_bump, _ = scale_threshold(mx, DOUBLE.man_bits)
    low, high = single_range(mx)
    fixed = isinstance(element, FixedPoint)
    most = round(element.max_value * 2.0 ** (element.man_bits - element.emax))
    negative = most + 1 if fixed and not mx.symmetric else most
    bits, negative_bits = (
        ((element.emax + SINGLE.bias) << SINGLE.man_bits)
        + ((units << SINGLE.man_bits) >> element.man_bits)
        - (1 << SINGLE.man_bits)
        for units in (most, negative)
    )
    return Plan(
        block=mx.block_size,
        bump=bump,
        wide_bump=wide_bump,
        offset=offset,
        least_scale=mx.min_scale_exp,
        most_scale=mx.max_scale_exp,
        nan_scale=-1 if mx.scale_nan_code is None else mx.scale_nan_code,
        low=low,
        high=high,
        fixed=int(fixed),
        emin=0 if isinstance(element, FixedPoint) else element.emin,
        emax=element.emax,
        man_bits=element.man_bits,
        most=most,
        most_negative=negative,
        most_bits=bits,
        negative_bits=negative_bits - bits,
        above=(SINGLE.man_bits - element.man_bits << SINGLE.man_bits) + (1 << SINGLE.man_bits - 1),
        keeps_sign=int(element.has_negative_zero),
    )


_LAYOUTS = {
    dtype: Layout(
        width=torch.finfo(dtype).bits,
        man_bits=1 - math.frexp(torch.finfo(dtype).eps)[1],
        bias=math.frexp(torch.finfo(dtype).max)[1] - 1,
    )
    for dtype in _BITS
}

_HALF = _LAYOUTS[torch.float16]
_HALF_DROPS = np.int32(SINGLE.man_bits - _HALF.man_bits)  # fraction bits that a half lacks
_HALF_REBIAS = np.int32((SINGLE.bias - _HALF.bias) << SINGLE.man_bits)
_HALF_NORMAL = np.int32(1 << _HALF.man_bits)
_HALF_INFINITE = np.int32((2 * _HALF.bias + 1) << _HALF.man_bits)
_HALF_TINY = np.int32((SINGLE.bias - _HALF.bias + 1) << SINGLE.man_bits)  # 2^-14 as float32
_HALF_LEAST = np.float32(2.0 ** (1 - _HALF.bias - _HALF.man_bits))
_HALF_ROUNDER = np.float32(_HALF_LEAST * 2.0**SINGLE.man_bits)  # its last place is that number
_HALF_ROUNDER_BITS = np.int32(_HALF_ROUNDER.view(np.int32))


def quantize_bits(
    x: Tensor, mx: Mx, blocks: Blocks, out: Tensor, scales: Tensor | None = None
) -> bool:
    """Fill `out` with the values of `x` in blocks, rounded once to its dtype.

    Args:
        x: float32, bfloat16 or float16, contiguous, in this memory.
        mx: the format; its rounding is RNE.
        blocks: those of `x`.
        out: in the shape of `x`, contiguous: of its dtype, and then it may be `x` itself, or
            float32.
        scales: uint8, one a block, contiguous: filled with the codes of the scales.

    Returns:
        Whether it was done: False where scales are asked for, and some block is not usual, so that
        its values might not be normal numbers of float32.
    """
    plan, source, target = _plan(mx), _LAYOUTS[x.dtype], _LAYOUTS[out.dtype]
    inner = () if blocks.inner == 1 else (blocks.inner,)
    given, taken = (_bits(t).reshape(blocks.outer, blocks.length, *inner) for t in (x, out))
    codes = np.empty((0, 0, *inner), np.uint8)
    if scales is not None:
        codes = as_array(scales).reshape(blocks.outer, blocks.count, *inner)
    found = np.zeros(1, np.int64)
    usual_only = scales is not None
    everything = given, taken, codes, plan, source, target, usual_only, found
    count = blocks.outer * blocks.count
    if blocks.inner == 1:
        spread(_rows, count, *everything, least=_LEAST // mx.block_size)
    else:
        tiles = -(-blocks.inner // _TILE)
        tile = min(_TILE, blocks.inner) * mx.block_size
        spread(_columns, count * tiles, *everything, least=_LEAST // max(1, tile))
    return not found[0]


def _bits(x: Tensor) -> Bits:
    return as_array(x).view(_BITS[x.dtype])


def _magnitude(bits: Any) -> Any:
    """Return all bits but the sign, in the same type."""


@overload(_magnitude, strict=False)
def _magnitude_of(bits: Any) -> Any:
    if bits.bitwidth == 32:
        return lambda bits: np.int32(bits & _MAGNITUDE)
    if bits.signed:
        return lambda bits: np.int16(bits & np.int16(0x7FFF))
    return lambda bits: np.uint16(bits & np.uint16(0x7FFF))


def _single(bits: Any) -> Any:
    """Return the bits of the float32 number of the same value, which is finite."""


@overload(_single, strict=False)
def _single_of(bits: Any) -> Any:
    if bits.bitwidth == 32:
        return lambda bits: bits
    if bits.signed:
        return lambda bits: np.int32(np.int32(bits) << np.int32(16))

    def half(bits: Any) -> Any:
        magnitude = np.int32(bits & np.uint16(0x7FFF))
        sign = np.int32(np.int32(bits & np.uint16(0x8000)) << np.int32(16))
        moved = np.int32(np.int32(magnitude << _HALF_DROPS) + _HALF_REBIAS)
        if magnitude < _HALF_NORMAL:
            moved = np.float32(np.float32(magnitude) * _HALF_LEAST).view(np.int32)
        return np.int32(moved | sign)

    return half


def _store(out: Any, i: int, bits: Any) -> None:
    """Round a float32 number once to the type of `out` and put its bits there."""


@overload(_store, strict=False)
def _store_of(out: Any, i: int, bits: Any) -> Any:
    if out.dtype.bitwidth == 32:

        def single(out: Any, i: int, bits: Any) -> None:
            out[i] = bits

        return single
    if out.dtype.signed:

        def bfloat(out: Any, i: int, bits: Any) -> None:
            odd = np.int32(np.int32(bits >> np.int32(16)) & np.int32(1))
            rounded = np.int32(np.int32(bits + np.int32(0x7FFF)) + odd)
            out[i] = np.int16(np.int32(rounded >> np.int32(16)))

        return bfloat

    def half(out: Any, i: int, bits: Any) -> None:
        magnitude = np.int32(bits & _MAGNITUDE)
        sign = np.int32(np.int32(bits >> np.int32(16)) & np.int32(0x8000))
        below_half = np.int32((_ONE << np.int32(_HALF_DROPS - _ONE)) - _ONE)
        odd = np.int32(np.int32(magnitude >> _HALF_DROPS) & _ONE)
        moved = np.int32(np.int32(magnitude - _HALF_REBIAS) + np.int32(below_half + odd))
        code = min(np.int32(moved >> _HALF_DROPS), _HALF_INFINITE)
        if magnitude < _HALF_TINY:
            shifted = np.float32(magnitude.view(np.float32) + _HALF_ROUNDER).view(np.int32)
            code = np.int32(shifted - _HALF_ROUNDER_BITS)
        out[i] = np.uint16(np.int32(code | sign))

    return half


@kernel
def _scale(amax: Any, plan: Any, source: Any) -> Any:
    """Return the exponent of the scale for the bits of amax, and whether the block is usual.

    Args:
        amax: the largest magnitude, in the type of the input.
        plan: numbers of the format.
        source: layout of the input.
    """
    finite = np.int64(amax) < (2 * source.bias + 1) << source.man_bits
    single = _single(amax)
    exp = np.int64(single >> _MAN_BITS) - _BIAS - plan.offset
    if np.int32(single & _FRACTION) >= plan.bump:
        exp += 1
    exp = min(max(exp, plan.least_scale), plan.most_scale)
    normal = (single >> _MAN_BITS) > 0 or exp == plan.least_scale
    return exp, plan.low <= exp <= plan.high and normal and finite


@kernel
def _round(bits: Any, base: Any, most: Any, kept: Any, plan: Any) -> Any:
    """Return the bits of one rounded element of a usual block.

    Args:
        bits: of a float32 number.
        base: int32, exponent field of the block's smallest binade.
        most: int32, bits of the largest magnitude.
        kept: int32, the sign bit where -0 is kept, else 0.
        plan: numbers of the format.
    """
    sign = np.int32(bits & _SIGN)
    limit = np.int32(most + np.int32(np.int32(bits >> np.int32(31)) & np.int32(plan.negative_bits)))
    magnitude = min(np.int32(bits & _MAGNITUDE), limit)
    mask = np.int32(0) if plan.fixed else _EXPONENT
    binade = max(np.int32(magnitude & mask), base)
    if plan.man_bits == 0:
        # A tie goes to the even code, whose last bit is the exponent's; see Carrier.
        field = np.int32(np.int32(binade - base) >> _MAN_BITS)
        binade = np.int32(binade + np.int32(field & _ONE))
    constant = np.int32(binade + np.int32(plan.above)).view(np.float32)
    value = np.int32(magnitude | sign).view(np.float32)
    rounded = np.float32(np.float32(value + constant) - constant).view(np.int32)
    return np.int32(rounded | np.int32(sign & kept))


@kernel
def _rows(
    first: int,
    last: int,
    x: Any,
    out: Any,
    codes: Any,
    plan: Any,
    source: Any,
    target: Any,
    usual_only: bool,
    found: Any,
) -> None:
    """Round blocks first … last - 1, which run along the middle axis; the last has one element."""
    length = x.shape[1]
    count = -(-length // plan.block)
    kept = _SIGN if plan.keeps_sign else np.int32(0)
    row, k = first // count, first % count
    for _ in range(first, last):
        start = k * plan.block
        end = min(start + plan.block, length)
        given, taken = x[row, start:end], out[row, start:end]
        amax = _magnitude(given[0])
        for i in range(given.size):  # from 0, so that whole blocks are whole vectors
            amax = max(amax, _magnitude(given[i]))
        exp, usual = _scale(amax, plan, source)
        if amax == 0:
            taken[:] = 0
            exp = plan.least_scale
        elif usual:
            base = np.int32((exp + plan.emin + _BIAS) << _MAN_BITS)
            most = np.int32(plan.most_bits + (exp << _MAN_BITS))
            for i in range(given.size):
                _store(taken, i, _round(_single(given[i]), base, most, kept, plan))
        elif usual_only:
            found[0] = 1
            return
        else:
            exp = _block(given, taken, plan, source, target)
        if codes.size:
            codes[row, k] = exp - plan.least_scale
        k += 1
        if k == count:
            row, k = row + 1, 0


@kernel
def _columns(
    first: int,
    last: int,
    x: Any,
    out: Any,
    codes: Any,
    plan: Any,
    source: Any,
    target: Any,
    usual_only: bool,
    found: Any,
) -> None:
    """Round blocks that run across rows, a tile of columns at a time, as memory is laid out."""
    length, inner = x.shape[1], x.shape[2]
    tiles = -(-inner // _TILE)
    count = -(-length // plan.block)
    amax = np.empty(_TILE, x.dtype)
    base = np.empty(_TILE, np.int32)
    most = np.empty(_TILE, np.int32)
    kept = np.empty(_TILE, np.int32)
    for n in range(first, last):
        outer, k, left = n // tiles // count, n // tiles % count, n % tiles * _TILE
        start = k * plan.block
        end = min(start + plan.block, length)
        width = min(_TILE, inner - left)
        amax[:] = 0
        for row in range(start, end):
            given = x[outer, row, left : left + width]
            for j in range(given.size):
                amax[j] = max(amax[j], _magnitude(given[j]))
        all_usual = True
        for j in range(width):
            exp, usual = _scale(amax[j], plan, source)
            if amax[j] == 0:
                exp = plan.least_scale
                base[j], most[j], kept[j] = np.int32(_BIAS << _MAN_BITS), 0, 0
            else:
                base[j] = np.int32((exp + plan.emin + _BIAS) << _MAN_BITS)
                most[j] = np.int32(plan.most_bits + (exp << _MAN_BITS))
                kept[j] = _SIGN if plan.keeps_sign else np.int32(0)
                all_usual = all_usual and usual
            if codes.size:
                codes[outer, k, left + j] = exp - plan.least_scale
        if all_usual:
            for row in range(start, end):
                given = x[outer, row, left : left + width]
                taken = out[outer, row, left : left + width]
                for j in range(given.size):
                    bits = _single(given[j])
                    _store(taken, j, _round(bits, base[j], most[j], kept[j], plan))
            continue
        if usual_only:
            found[0] = 1
            return
        for j in range(left, left + width):
            exp = _block(x[outer, start:end, j], out[outer, start:end, j], plan, source, target)
            if codes.size:
                codes[outer, k, j] = exp - plan.least_scale


@kernel
def _last_bit(value: Any) -> Any:
    """Return the position of the highest bit that is set in a positive integer below 2^53."""
    return (np.float64(value).view(np.int64) >> _WIDE_MAN_BITS) - _WIDE_BIAS


@kernel
def _nearest(value: Any, shift: Any) -> Any:
    """Return value / 2^shift rounded to nearest even, of an integer below 2^62."""
    if shift <= 0:
        return value << -shift
    if shift > 62:
        return 0
    whole, rest, half = value >> shift, value & ((1 << shift) - 1), 1 << (shift - 1)
    return whole + (rest > half or (rest == half and whole & 1))


@kernel
def _encode(units: Any, unit: Any, layout: Any) -> Any:
    """Return the bits of units * 2^unit, rounded once (RNE); overflow gives Inf."""
    if units == 0:
        return 0
    binade = max(unit + _last_bit(units), 1 - layout.bias)
    significand = _nearest(units, binade - layout.man_bits - unit)
    # A subnormal has no hidden bit, whose place is the exponent's.
    bits = ((binade + layout.bias - 1) << layout.man_bits) + significand
    return min(bits, (2 * layout.bias + 1) << layout.man_bits)


@kernel
def _block(given: Any, taken: Any, plan: Any, source: Any, target: Any) -> Any:
    """Round one block through integers, and return the exponent of its scale."""
    mask = (1 << (source.width - 1)) - 1
    infinite = (2 * source.bias + 1) << source.man_bits
    special, amax = False, 0
    for i in range(given.size):
        magnitude = np.int64(given[i]) & mask
        if magnitude >= infinite:
            special = True
        else:
            amax = max(amax, magnitude)
    if special and plan.nan_scale >= 0:
        quiet = (4 * target.bias + 3) << (target.man_bits - 1)
        for i in range(taken.size):
            taken[i] = quiet
        return plan.nan_scale + plan.least_scale
    exp = plan.least_scale
    if amax > 0:
        significand, unit = _parts(amax, source)
        place = _last_bit(significand)
        exp = unit + place - plan.offset
        fraction = (significand << (_WIDE_MAN_BITS - place)) - (1 << _WIDE_MAN_BITS)
        if fraction >= plan.wide_bump:
            exp += 1
        exp = min(max(exp, plan.least_scale), plan.most_scale)
    top = exp + plan.emax - plan.man_bits
    for i in range(given.size):
        bits = np.int64(given[i])
        magnitude, negative = bits & mask, (bits >> (source.width - 1)) & 1
        if magnitude >= infinite:
            negative = negative if magnitude == infinite else 0
            units, unit = plan.most, top
        elif magnitude == 0:
            units, unit = 0, top
        else:
            units, unit = _element(magnitude, exp, plan, source)
            most = plan.most_negative if negative else plan.most
            if unit > top or (unit == top and units > most):
                units, unit = most, top
        bits = _encode(units, unit, target)
        if negative and (units or (plan.keeps_sign and amax)):
            bits |= negative << (target.width - 1)
        taken[i] = bits
    return exp


@kernel
def _parts(magnitude: Any, layout: Any) -> Any:
    """Return a positive number as an integer and the exponent of its unit."""
    field, fraction = magnitude >> layout.man_bits, magnitude & ((1 << layout.man_bits) - 1)
    if field == 0:
        return fraction, 1 - layout.bias - layout.man_bits
    return fraction | (1 << layout.man_bits), field - layout.bias - layout.man_bits


@kernel
def _element(magnitude: Any, exp: Any, plan: Any, source: Any) -> Any:
    """Return a magnitude rounded, in units; what is far too large stays so."""
    significand, finest = _parts(magnitude, source)
    binade, smallest = finest + _last_bit(significand), exp + plan.emin
    if binade > exp + plan.emax:
        return 1, exp + plan.emax + 1
    unit = (smallest if plan.fixed else max(binade, smallest)) - plan.man_bits
    shift = unit - finest
    whole = _nearest(significand, shift)
    if plan.man_bits == 0 and not plan.fixed and binade >= smallest:
        # The code's last bit is the exponent's. A tie, at 1.5 units, went up to 2.
        tie = significand == 3 << max(0, shift - 1) and shift > 0
        if tie and (binade - smallest) & 1:
            whole = 1
    return whole, unit
