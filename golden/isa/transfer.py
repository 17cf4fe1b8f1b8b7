"""Rows between HBM and codes: elements, and scales at a place of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..codec import code_dtype
from ..formats import Mx
from ..ops.cast import cast
from ..ops.convert import fp_to_mx, mx_to_fp
from .machine import Type
from .trap import Cause, TrapError

Array = npt.NDArray[Any]


def pack(codes: Array, width_bits: int) -> Array:
    """Return codes (n,) as bytes, the first in the lowest bits; n * width_bits is a multiple of 8.

    >>> pack(np.array([0x3, 0xE]), 4).tolist()
    [227]
    """
    if width_bits in (8, 16):
        return codes.astype(f"<u{width_bits // 8}").view(np.uint8)
    if width_bits == 4:
        halves = codes.astype(np.uint8).reshape(-1, 2) & 15
        return halves[:, 0] | halves[:, 1] << 4
    places = np.arange(width_bits, dtype=np.uint32)
    bits = (codes.astype(np.uint32)[:, None] >> places) & 1
    return np.packbits(bits.astype(np.uint8), bitorder="little")


def unpack(data: Array, width_bits: int) -> Array:
    """Return the codes of bytes; the inverse of `pack`."""
    if width_bits in (8, 16):
        return np.ascontiguousarray(data).view(f"<u{width_bits // 8}")
    if width_bits == 4:
        return np.stack([data & 15, data >> 4], axis=-1).reshape(-1)
    bits = np.unpackbits(data, bitorder="little").reshape(-1, width_bits)
    codes = (bits.astype(np.uint32) << np.arange(width_bits, dtype=np.uint32)).sum(1)
    found: Array = codes.astype(code_dtype(width_bits))
    return found


def width_bits(type_: Type) -> int:
    """Return the bits of one element."""
    return type_.element.width_bits if isinstance(type_, Mx) else type_.width_bits


class Rows:
    """Where the rows of one transfer lie.

    Args:
        type_: as they are stored.
        columns: elements of a row.
        count: of rows.
        base: a[rs2].
        offset: gp[rs1], from there to row 0.
        step: from a row to the next; None: a row's own bytes.
        scale: from `base` to the scales.
        size: bytes of HBM.

    Raises:
        TrapError: an offset or step between blocks, or a byte beyond the memory.
    """

    def __init__(
        self,
        type_: Type,
        *,
        columns: int,
        count: int,
        base: int,
        offset: int,
        step: int | None,
        scale: int,
        size: int,
    ) -> None:
        self.type_, self.columns = type_, columns
        self.row_bytes = columns * width_bits(type_) // 8
        step = self.row_bytes if step is None else step
        offsets = [offset + row * step for row in range(count)]
        self.starts = [base + each for each in offsets]
        self._require(self.starts, self.row_bytes, size, "rows")
        self.scale_starts: list[int] = []
        self.scale_bytes = 0
        if isinstance(type_, Mx):
            ratio = type_.element.width_bits * type_.block_size // 8
            for what, value in (("offset", offset), ("STRIDE", step)):
                if value % ratio:
                    raise TrapError(
                        Cause.MISALIGNED,
                        f"{what} {value} is no multiple of {ratio}, the bytes of a block of "
                        f"{type_.name}",
                    )
            self.scale_bytes = columns // type_.block_size
            self.scale_starts = [base + scale + each // ratio for each in offsets]
            self._require(self.scale_starts, self.scale_bytes, size, "scales")

    @staticmethod
    def _require(starts: list[int], length: int, size: int, what: str) -> None:
        for start in starts:
            if start + length > size:
                raise TrapError(
                    Cause.RANGE,
                    f"{what} at bytes {start} to {start + length - 1} of HBM, which has {size}",
                )

    def read(self, hbm: Array) -> tuple[Array, Array | None]:
        """Return codes (count, columns) and, of an MX type, scales (count, blocks)."""
        rows = hbm[np.add.outer(self.starts, np.arange(self.row_bytes))]
        codes = unpack(rows.reshape(-1), width_bits(self.type_)).reshape(-1, self.columns)
        if not self.scale_bytes:
            return codes, None
        return codes, hbm[np.add.outer(self.scale_starts, np.arange(self.scale_bytes))]

    def written(self, codes: Array, scales: Array | None) -> list[tuple[int, Array]]:
        """Return addresses and bytes of rows, each row's elements and then its scales."""
        found = []
        for row, start in enumerate(self.starts):
            found.append((start, pack(codes[row], width_bits(self.type_))))
            if scales is not None:
                found.append((self.scale_starts[row], scales[row].astype(np.uint8)))
        return found


def quantised(values: Array, v: Any, mx: Mx) -> tuple[Array, Array]:
    """Return rows quantised along themselves.

    Args:
        values: codes of `v`, (rows, n).
        v: their format.
        mx: what they become.

    Returns:
        Codes (rows, n) and scales (rows, n / block).
    """
    rows, columns = values.shape
    codes, scales = fp_to_mx(values.reshape(-1, mx.block_size), v, mx)
    return codes.reshape(rows, columns), scales.reshape(rows, -1)


def as_vector(codes: Array, scales: Array | None, type_: Type, v: Any) -> Array:
    """Return rows of a type as codes of V.

    Args:
        codes: (rows, n).
        scales: (rows, n / block) of an MX type; else None.
        type_: their format.
        v: the vector format.

    Returns:
        Codes of `v`, (rows, n).
    """
    if not isinstance(type_, Mx):
        return cast(codes, type_, v)
    assert scales is not None
    blocks = codes.reshape(-1, type_.block_size)
    return mx_to_fp(blocks, scales.reshape(-1), type_, v).reshape(codes.shape)
