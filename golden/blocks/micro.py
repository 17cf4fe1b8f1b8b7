"""Shared micro-exponents: a shared exponent a block, and pairs that may count in half the step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..codec import Codes, Values, decode, encode
from ..float_environment import in_default_environment
from ..mx import decode_scale, scale_exponent
from .formats import PAIR, MicroMx
from .rows import Rows, along, scale_codes


@dataclass(frozen=True, kw_only=True)
class MicroArray:
    """Codes, micro-exponents and shared exponents of a quantised array.

    Attributes:
        codes: elements, two's complement, in the shape of the array.
        micro: 0 or 1; as `codes`, with `axis` shrunk to its pairs. 1: the pair's step is halved.
        scales: codes of the shared exponents; as `codes`, with `axis` shrunk to its blocks.
        fmt: the format.
        axis: the axis along which blocks run, as a non-negative index.
        has_special: whether the input held a NaN or Inf.
    """

    codes: Codes
    micro: Codes
    scales: Codes
    fmt: MicroMx
    axis: int
    has_special: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.codes.shape

    def scale_values(self) -> Values:
        """Return each block's 2^exponent as float64; NaN for a NaN exponent."""
        return decode_scale(self.scales, self.fmt.mx)

    @in_default_environment
    def dequantize(self, dtype: npt.DTypeLike = np.float64) -> npt.NDArray[Any]:
        """Return the values that the codes stand for.

        Args:
            dtype: of the result. Values are exact in float64; a narrower dtype rounds each once
                (RNE, IEEE overflow).

        Returns:
            Array in the shape of `codes`. A block with a NaN exponent is NaN throughout.
        """
        length = self.shape[self.axis]
        scales = along(self.axis, self.scale_values(), self.fmt.block_size, length)
        halvings = along(self.axis, self.micro.astype(np.int64), PAIR, length)
        elements = decode(self.codes, self.fmt.mx.element)
        with np.errstate(over="ignore", invalid="ignore"):
            values = np.ldexp(elements, -halvings) * scales
            return np.asarray(values.astype(dtype))


@in_default_environment
def quantize_micro(rows: Rows, fmt: MicroMx) -> MicroArray:
    """Return an array in blocks of integers with micro-exponents.

    With amax for the largest magnitude of a block: the shared exponent is floor(log2 amax), clamped
    to -127..127. A pair's micro-exponent is 1 where both magnitudes are below 2^shared, as zeros
    are. An element is RN(x / 2^(shared - micro - bits + 2)), ties to even, clamped to
    ±(2^(bits - 1) - 1).

    Args:
        rows: the array.
        fmt: the format.

    Returns:
        MicroArray. -0 becomes 0, as what underflows does. An all-zero block has exponent code,
        micro-exponents and elements 0; one that holds a NaN or Inf has the NaN exponent, and else
        the same.

    Source: arXiv 2302.08007, section 3; AMD Quark for pairs below the shared binade.
    """
    mx, blocks = fmt.mx, rows.blocks
    special: npt.NDArray[np.bool_] = np.logical_not(np.isfinite(blocks))
    finite = np.where(special, 0.0, blocks)
    shared = scale_exponent(np.abs(finite).max(axis=-1), mx)
    pairs = np.abs(finite).reshape(len(blocks), fmt.block_size // PAIR, PAIR).max(axis=-1)
    micro = (pairs < np.ldexp(1.0, shared)[:, None]).astype(np.int64)
    exp = shared[:, None] - np.repeat(micro, PAIR, axis=-1)
    # What float64 could lose in the division is far below half a step.
    codes = encode(np.ldexp(finite, -exp), mx.element)
    bad = np.asarray(special.any(axis=-1))
    empty = bad | np.all(finite == 0, axis=-1)
    codes = np.where(empty[:, None], codes.dtype.type(0), codes)
    micro = np.where(empty[:, None], 0, micro).astype(np.uint8)
    return MicroArray(
        codes=rows.together(codes),
        micro=rows.together(micro, PAIR),
        scales=rows.together(scale_codes(shared, bad, mx), fmt.block_size),
        fmt=fmt,
        axis=rows.axis,
        has_special=bool(special.any()),
    )
