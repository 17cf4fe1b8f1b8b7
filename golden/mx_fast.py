"""The fast twin of `mx.quantize_blocks` for float32 and narrower input: the same codes, by table.

One multiplication by a power of two brings a block to the element's range (exact, or so far below
the smallest element that it rounds the same). MXINT then takes one `rint` and one clip. MXFP looks
the code up by the value's top 16 bits, the last of them ORed with all lower bits (a sticky bit): a
table that `codec.encode` made holds what each such prefix rounds to.

Anything unusual (NaN, Inf, subnormal blocks, scales at their clamps) is left to the definition.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from .codec import Codes, encode
from .formats import FixedPoint, Minifloat, Mx, Rounding
from .scale_threshold import scale_threshold

_BLOCK_OF_ONE_EXP = 127  # biased exponent of 1.0 in float32
_FRACTION_BITS = 23


@dataclass(frozen=True, kw_only=True)
class FastPlan:
    """What one format needs on the fast path.

    Attributes:
        table: element code for each 16-bit float32 prefix (MXFP), or None (MXINT).
        bump_from: float32 fraction field from which amax takes the next scale exponent.
        exp_offset: scale exponent = exponent of amax (+ 1 if bumped) - exp_offset.
        unit_exp: the block is divided by 2^(scale exponent + unit_exp) before rounding.
        max_code: largest MXINT code.
    """

    table: Codes | None
    bump_from: int
    exp_offset: int
    unit_exp: int
    max_code: int


@lru_cache(maxsize=256)
def fast_plan(mx: Mx, dtype: npt.DTypeLike) -> FastPlan | None:
    """Return the plan for `mx`, or None where only the definition applies."""
    element, rounding = mx.element, Rounding(mx.rounding)
    if dtype == np.float64 or rounding not in (Rounding.RNE, Rounding.RNA, Rounding.RTZ):
        return None  # a directed mode sees the tiny values that the float32 product may lose
    bump_from, exp_offset = scale_threshold(mx, _FRACTION_BITS)
    if isinstance(element, FixedPoint):
        if rounding is not Rounding.RNE:
            return None
        return FastPlan(
            table=None,
            bump_from=bump_from,
            exp_offset=exp_offset,
            unit_exp=element.lsb_exp,
            max_code=element.max_code,
        )
    if element.man_bits > 5:  # the prefix's 7 fraction bits must hold them, a half and the sticky
        return None
    if element.lsb_exp < -120 or element.emax > 120:
        return None  # a far bias: the scaled block would come near the ends of float32's range
    return FastPlan(
        table=_prefix_table(element, rounding),
        bump_from=bump_from,
        exp_offset=exp_offset,
        unit_exp=0,
        max_code=element.max_code,
    )


@lru_cache(maxsize=64)
def _prefix_table(element: Minifloat, rounding: Rounding) -> Codes:
    prefixes = np.arange(1 << 16, dtype=np.uint32) << np.uint32(16)
    with np.errstate(invalid="ignore"):  # signalling NaN prefixes
        values = prefixes.view(np.float32).astype(np.float64)
    finite = np.isfinite(values)
    codes: Codes = encode(np.where(finite, values, 0.0), element, rounding=rounding)
    return codes


def fast_codes(rows: npt.NDArray[Any], mx: Mx, plan: FastPlan, codes: Codes, scales: Codes) -> bool:
    """Quantise rows by the plan, where all their blocks are usual.

    Args:
        rows: (n, length), float32 or a narrower float; blocks run along `length`.
        mx: the format.
        plan: fast_plan(mx, rows.dtype), not None.
        codes: element codes (n, length), written.
        scales: scale codes (n, ceil(length / block_size)), written.

    Returns:
        Whether it was done. False: some block is left to the definition, and nothing is written.
    """
    n, length = rows.shape
    block = mx.block_size
    if length % block:
        padded = np.zeros((n, -(-length // block) * block), dtype=np.float32)
        padded[:, :length] = rows
    else:
        padded = rows.astype(np.float32, copy=False)
    values = padded.reshape(-1, block)
    bits = values.view(np.uint32)
    amax = _block_amax(bits)
    biased = (amax >> np.uint32(23)).astype(np.int32)
    zero = amax == 0
    bumped = (amax & np.uint32(0x7FFFFF)) >= plan.bump_from
    scale_exp = biased - _BLOCK_OF_ONE_EXP + bumped - plan.exp_offset
    inverse = _BLOCK_OF_ONE_EXP - (scale_exp + plan.unit_exp)  # biased exponent of 1 / unit
    usual = (biased > 0) & (biased < 255) & (inverse > 0) & (inverse < 255)
    usual &= (scale_exp > mx.min_scale_exp) & (scale_exp <= mx.max_scale_exp)
    if not (usual | zero).all():
        return False
    inverse = np.where(zero, _BLOCK_OF_ONE_EXP, inverse)
    factor = (inverse << 23).astype(np.int32).view(np.float32)
    scaled = values * factor[:, None]
    if plan.table is None:
        np.rint(scaled, out=scaled)
        lowest = -plan.max_code - (0 if mx.symmetric else 1)
        np.clip(scaled, lowest, plan.max_code, out=scaled)
        signed = scaled.astype(np.int8 if codes.dtype == np.uint8 else np.int16)
        found = signed.view(codes.dtype)
        if mx.element.width_bits not in (8, 16):
            found &= codes.dtype.type((1 << mx.element.width_bits) - 1)
    else:
        scaled_bits = scaled.view(np.uint32)
        sticky = scaled_bits & np.uint32(0xFFFF)
        sticky += np.uint32(0xFFFF)
        scaled_bits |= sticky
        scaled_bits >>= np.uint32(16)
        found = plan.table.take(scaled_bits)
        if zero.any():
            found[zero] = 0
    codes[...] = found.reshape(n, -1)[:, :length]
    stored = np.where(zero, 0, scale_exp + mx.scale_bias)
    scales[...] = stored.reshape(n, -1)
    return True


def _block_amax(bits: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Return the largest magnitude of each row as bits, halving wide rows so that SIMD applies."""
    magnitudes = bits & np.uint32(0x7FFFFFFF)
    while magnitudes.shape[1] % 2 == 0 and magnitudes.shape[1] > 4:
        half = magnitudes.shape[1] // 2
        magnitudes = np.maximum(magnitudes[:, :half], magnitudes[:, half:])
    amax: npt.NDArray[np.uint32] = magnitudes.max(axis=1)
    return amax
