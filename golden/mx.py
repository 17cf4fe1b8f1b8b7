"""quantize and dequantize: arrays of reals to blocks of codes that share a scale, and back.

`quantize` walks the array in cache-sized pieces. Each piece goes through `mx_fast` where that is
defined (float32 and narrower, ordinary exponents) and through `quantize_blocks`, the definition,
otherwise; a test holds the two equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from .codec import Codes, Values, code_dtype, decode, encode
from .float_environment import in_default_environment
from .formats import (
    CLIP_BELOW,
    FixedPoint,
    FormatError,
    Mx,
    Rounding,
    ScaleRule,
    as_mx,
)
from .mx_fast import fast_codes, fast_plan
from .rounding import Bool, Int64

_CHUNK_VALUES = 1 << 16


@dataclass(frozen=True, kw_only=True)
class MxArray:
    """Codes and scales of a quantised array.

    Attributes:
        codes: element codes in the shape of the array (MXINT: two's complement bit patterns).
        scales: scale codes; as `codes`, with `axis` shrunk to the number of blocks.
        mx: the format.
        axis: the axis along which blocks run, as a non-negative index.
        has_special: whether the input held a NaN or Inf.
    """

    codes: Codes
    scales: Codes
    mx: Mx
    axis: int
    has_special: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.codes.shape

    def scale_values(self) -> Values:
        """Return each block's scale as float64; NaN for a NaN scale code."""
        return decode_scale(self.scales, self.mx)

    @in_default_environment
    def dequantize(self, dtype: npt.DTypeLike = np.float64) -> npt.NDArray[Any]:
        """Return the values that the codes stand for.

        Args:
            dtype: of the result. Values are exact in float64; a narrower dtype
                rounds each once (RNE, IEEE overflow). Values of MXINT2…8 and of the OCP formats
                with an ordinary scale are exact in float32.

        Returns:
            Array in the shape of `codes`. A block with a NaN scale is NaN throughout.
        """
        elements = np.moveaxis(decode(self.codes, self.mx.element), self.axis, -1)
        scales = np.moveaxis(self.scale_values(), self.axis, -1)
        spread = np.repeat(scales, self.mx.block_size, axis=-1)[..., : elements.shape[-1]]
        with np.errstate(over="ignore", invalid="ignore"):
            return np.moveaxis(elements * spread, -1, self.axis).astype(dtype)


@in_default_environment
def decode_scale(scales: Codes, mx: Mx) -> Values:
    """Return the power of two of each scale code; NaN for code 255 of E8M0."""
    values = np.ldexp(1.0, np.asarray(scales).astype(np.int64) - mx.scale_bias)
    if mx.scale_nan_code is None:
        return values
    return np.where(scales == mx.scale_nan_code, np.nan, values)


def scale_exponent(amax: Values, mx: Mx) -> Int64:
    """Return the exponent of the shared scale for blocks whose largest magnitude is `amax`.

    Args:
        amax: float64, finite, >= 0; exact. Zero gives the smallest exponent.
        mx: format and scale rule.

    Returns:
        int64, clamped to the range of the scale.

    Source: the table of rules in docs/numerics.md.
    """
    fraction, exponent = np.frexp(amax)
    significand, floor_log2 = fraction * 2.0, exponent.astype(np.int64) - 1  # in [1, 2)
    element = mx.element
    rule = mx.scale_rule
    is_mxint = isinstance(element, FixedPoint)
    if rule is ScaleRule.MASE and not is_mxint:
        rule = ScaleRule.FLOOR
    if rule is ScaleRule.FLOOR:
        exp = floor_log2 - element.emax
    elif rule is ScaleRule.CEIL:
        exp = floor_log2 + (significand > 1.0) - element.emax
    elif rule is ScaleRule.EVEN:
        half_unit = np.ldexp(1.0, -mx.even_bits - 1)
        exp = floor_log2 + (significand >= 2.0 - half_unit) - element.emax
    elif rule is ScaleRule.RCEIL:
        largest = np.ldexp(element.max_value, -element.emax)  # in [1, 2)
        exp = floor_log2 + (significand > largest) - element.emax
    elif rule is ScaleRule.CLIP:
        exp = floor_log2 - (significand < 1.0 + CLIP_BELOW) - element.emax
    else:  # MASE on MXINT: LSB = 2^(ceil(log2 amax) - (W - 1)) = 2^(exp - (W - 2))
        exp = floor_log2 + (significand > 1.0) - 1
    exp = np.where(amax > 0, exp, mx.min_scale_exp)
    clamped: Int64 = np.clip(exp, mx.min_scale_exp, mx.max_scale_exp)
    return clamped


@in_default_environment
def quantize_blocks(blocks: Values, mx: Mx, *, seed: int = 0) -> tuple[Codes, Codes]:
    """Quantise rows that are one block each: the definition of MX quantisation.

    Args:
        blocks: float64 (n, k), k <= block_size.
        mx: the format.
        seed: for stochastic rounding.

    Returns:
        Element codes (n, k) and scale codes (n,).
    """
    special: npt.NDArray[np.bool_] = np.logical_not(np.isfinite(blocks))
    magnitudes = np.where(special, 0.0, np.abs(blocks))
    amax = magnitudes.max(axis=-1, initial=0.0)
    exp = scale_exponent(amax, mx)
    rounding = Rounding(mx.rounding)
    finite = np.where(special, 0.0, blocks)
    # Dividing by 2^exp is exact. Below 2^-800, where float64 could underflow, any nonzero magnitude
    # rounds like any other in every mode: far below half of the element's smallest unit.
    magnitudes = np.where(finite == 0, 0.0, np.maximum(np.abs(finite), np.ldexp(1.0, -800)))
    scaled = np.copysign(np.ldexp(magnitudes, -exp[:, None]), finite)
    codes = encode(scaled, mx.element, rounding=rounding, seed=seed)
    scales = (exp + mx.scale_bias).astype(code_dtype(mx.scale_bits))
    codes = np.where((amax == 0)[:, None], codes.dtype.type(0), codes)
    if special.any():
        if mx.scale_nan_code is not None:
            bad: npt.NDArray[np.bool_] = np.any(special, axis=-1)
            codes = np.where(bad[:, None], codes.dtype.type(0), codes)
            scales = np.where(bad, scales.dtype.type(mx.scale_nan_code), scales)
        else:
            negative = np.signbit(blocks) & ~np.isnan(blocks)
            codes = np.where(special, _largest_codes(negative, mx), codes)
    return codes, scales


def _largest_codes(negative: Bool, mx: Mx) -> Codes:
    limit = np.where(negative, -mx.element.max_value, mx.element.max_value)
    codes: Codes = encode(limit, mx.element)
    return codes


@in_default_environment
def quantize(
    x: npt.ArrayLike, mx: Mx | str, axis: int = -1, *, strict: bool = False, seed: int = 0
) -> MxArray:
    """Quantise an array to MX blocks along one axis.

    Args:
        x: float16, bfloat16 (ml_dtypes), float32 or float64 array of at least one dimension; other
            real numbers are taken as float64. Each value is rounded once, from its own precision.
        mx: the format, with block size, scale rule and rounding.
        axis: where blocks run. A ragged tail is a short block (as if padded with zeros); a block
            never spans two rows.
        strict: a NaN or Inf in `x` is an error.
        seed: for stochastic rounding: with `axis` moved last and each row padded to whole blocks,
            the element at C-order position i uses random_bits(seed, i).

    Returns:
        MxArray. An all-zero block has scale code 0 and zero elements. A block that holds a NaN or
        Inf gets the NaN scale and zero elements; a format without a NaN scale takes amax of the
        finite elements, Inf saturates to the largest element of its sign and NaN becomes the
        largest. Without a row (shape (0, 64)) there are no blocks.

    Raises:
        FormatError: `mx` is not an Mx, `x` is complex, `axis` does not exist or has no elements, or
            strict and a value is not finite.

    Source: OCP Microscaling Formats (MX) v1.0 §6.3 for `floor`.

    >>> from plena_cosim import golden
    >>> q = golden.quantize([1.0, -0.3, 0.05, 0.0], golden.get_format("mxint4", block_size=4))
    >>> q.codes.tolist(), q.scales.tolist(), q.dequantize().tolist()
    ([4, 15, 0, 0], [127], [1.0, -0.25, 0.0, 0.0])
    """
    mx = as_mx(mx)
    array, axis = check_input(x, axis)
    rows_shape = np.moveaxis(array, axis, -1).shape
    length = rows_shape[-1]
    count = prod(rows_shape[:-1])  # a -1 for reshape is ambiguous where it is 0
    rows = np.ascontiguousarray(np.moveaxis(array, axis, -1)).reshape(count, length)
    n_blocks = -(-length // mx.block_size)
    codes = np.empty(rows.shape, dtype=code_dtype(mx.element.width_bits))
    scales = np.empty((rows.shape[0], n_blocks), dtype=code_dtype(mx.scale_bits))
    has_special = _quantize_rows(rows, mx, codes, scales, strict=strict, seed=seed)
    return MxArray(
        codes=np.moveaxis(codes.reshape(rows_shape), -1, axis),
        scales=np.moveaxis(scales.reshape(*rows_shape[:-1], n_blocks), -1, axis),
        mx=mx,
        axis=axis,
        has_special=has_special,
    )


def check_input(x: npt.ArrayLike, axis: int) -> tuple[npt.NDArray[Any], int]:
    """Return what is to be quantised, in a float dtype, and `axis` as a non-negative index."""
    array = np.asarray(x)
    if array.dtype.name == "bfloat16":
        array = array.astype(np.float32)
    elif array.dtype not in (np.float16, np.float32, np.float64):
        if array.dtype.kind not in "iufb" or (array.dtype.kind == "f" and array.dtype.itemsize > 8):
            raise FormatError(
                f"quantize: need real numbers of at most 64 bits, got dtype {array.dtype}"
            )
        array = array.astype(np.float64)
    if array.ndim == 0 or (-array.ndim <= axis < array.ndim and not array.shape[axis]):
        raise FormatError(
            f"quantize: need at least one value along an axis, got shape {array.shape}"
        )
    if not -array.ndim <= axis < array.ndim:
        raise FormatError(
            f"quantize: axis {axis} does not exist in shape {array.shape}; "
            f"allowed: {-array.ndim}..{array.ndim - 1}"
        )
    return array, axis % array.ndim


def _quantize_rows(
    rows: npt.NDArray[Any], mx: Mx, codes: Codes, scales: Codes, *, strict: bool, seed: int
) -> bool:
    """Fill `codes` and `scales` from `rows` (n, length), piece by piece; return has_special."""
    plan = fast_plan(mx, rows.dtype)
    step = max(1, _CHUNK_VALUES // rows.shape[1])
    if mx.rounding is Rounding.STOCHASTIC:
        step = max(1, rows.shape[0])  # the random bits follow the position in the whole array
    has_special = False
    for first in range(0, rows.shape[0], step):
        piece = slice(first, first + step)
        if plan is not None and fast_codes(rows[piece], mx, plan, codes[piece], scales[piece]):
            continue
        special = _quantize_piece(rows[piece], mx, codes[piece], scales[piece], seed=seed)
        if special is not None:
            has_special = True
            if strict:
                row, column = special
                raise FormatError(
                    f"quantize to {mx.name}: {rows[piece][row, column]} at row {first + row}, "
                    f"position {column} along the block axis; strict mode needs finite values"
                )
    return has_special


def _quantize_piece(
    rows: npt.NDArray[Any], mx: Mx, codes: Codes, scales: Codes, *, seed: int
) -> tuple[int, int] | None:
    """Quantise by the definition; return the place of the first NaN or Inf, if any."""
    n, length = rows.shape
    n_blocks = scales.shape[1]
    padded = np.zeros((n, n_blocks * mx.block_size))
    with np.errstate(invalid="ignore"):  # a signalling NaN is a NaN like any other
        padded[:, :length] = rows
    block_codes, block_scales = quantize_blocks(padded.reshape(-1, mx.block_size), mx, seed=seed)
    codes[...] = block_codes.reshape(n, -1)[:, :length]
    scales[...] = block_scales.reshape(n, n_blocks)
    special: npt.NDArray[np.bool_] = np.logical_not(np.isfinite(rows))
    if not special.any():
        return None
    row, column = np.unravel_index(int(np.argmax(special)), rows.shape)
    return int(row), int(column)
