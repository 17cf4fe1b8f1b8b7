"""Arrays cut into blocks along one axis, and what belongs to the blocks put together again."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ..codec import Codes, Values
from ..formats import FormatError, Mx
from ..mx import check_input
from ..rounding import Bool, Int64


@dataclass(frozen=True, kw_only=True)
class Rows:
    """An array with its blocks along one axis.

    Attributes:
        values: float64 (rows, length), the block axis last.
        shape: of the array with the block axis last.
        axis: the block axis in the array, as a non-negative index.
        block_size: elements of a block.
    """

    values: Values
    shape: tuple[int, ...]
    axis: int
    block_size: int

    @classmethod
    def of(cls, x: npt.ArrayLike, axis: int, block_size: int) -> Rows:
        """Cut an array into blocks.

        Args:
            x: real numbers of at most 64 bits, at least one dimension.
            axis: where blocks run; a block never spans two rows.
            block_size: elements of a block; a ragged tail is a short block.

        Returns:
            Rows, with a copy of the values.

        Raises:
            FormatError: `x` is not of real numbers, `axis` does not exist or has no elements.
        """
        array, axis = check_input(x, axis)
        moved = np.moveaxis(array, axis, -1)
        flat = np.ascontiguousarray(moved).reshape(prod(moved.shape[:-1]), moved.shape[-1])
        with np.errstate(invalid="ignore"):  # a signalling NaN is a NaN like any other
            values = flat.astype(np.float64)
        return cls(values=values, shape=moved.shape, axis=axis, block_size=block_size)

    @property
    def blocks(self) -> Values:
        """Return every block as a row (n, block_size); what a short one lacks is zero."""
        rows, length = self.values.shape
        padded = np.zeros((rows, -(-length // self.block_size) * self.block_size))
        padded[:, :length] = self.values
        return padded.reshape(-1, self.block_size)

    def together(self, parts: npt.NDArray[Any], group: int = 1) -> npt.NDArray[Any]:
        """Return what belongs to the blocks in the shape of the array.

        Args:
            parts: (n, block_size / group), a row a block.
            group: elements that share one of `parts`; block_size: one a block.

        Returns:
            As the array, with `axis` shrunk to its number of groups.
        """
        rows, length = self.values.shape
        whole = parts.reshape(rows, -(-length // self.block_size) * (self.block_size // group))
        kept = whole[:, : -(-length // group)].reshape(*self.shape[:-1], -(-length // group))
        return np.moveaxis(kept, -1, self.axis)

    def require_finite(self, name: str) -> None:
        """FormatError for the first NaN or Inf, of an array to be quantised to `name`."""
        special: npt.NDArray[np.bool_] = np.logical_not(np.isfinite(self.values))
        if special.any():
            row, column = np.unravel_index(int(np.argmax(special)), special.shape)
            raise FormatError(
                f"quantize to {name}: {self.values[row, column]} at row {row}, "
                f"position {column} along the block axis; strict mode needs finite values"
            )


def along(axis: int, values: npt.NDArray[Any], group: int, length: int) -> npt.NDArray[Any]:
    """Return what groups share as one value an element.

    Args:
        axis: along which groups run.
        values: one a group.
        group: elements of a group.
        length: elements along `axis`; what the last group has beyond it is cut off.
    """
    repeated = np.repeat(np.moveaxis(values, axis, -1), group, axis=-1)
    return np.moveaxis(repeated[..., :length], -1, axis)


def scale_codes(exp: Int64, bad: Bool, mx: Mx) -> Codes:
    """Return the scale code of each block's exponent; that of NaN where the block is `bad`.

    Args:
        exp: exponents of the scales, within their range.
        bad: whether the block holds a NaN or Inf.
        mx: the format of the scales, which has a NaN.
    """
    assert mx.scale_nan_code is not None
    return np.where(bad, mx.scale_nan_code, exp + mx.scale_bias).astype(np.uint8)
