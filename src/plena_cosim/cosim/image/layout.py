"""The layout of one tensor in HBM: all elements, then all scales; NumPy only.

Elements lie row by row without gaps, the first in the lowest bits of byte 0. SCALE bytes above the
first element the scales begin, one byte a block, in the same order. Rows and columns are padded
with zero blocks (all bits 0) to whole tiles, rows by v_writeback - 1 more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plena_cosim.golden import FormatError, HardwareConfig, Mx
from plena_cosim.golden.codec import Codes

Bytes = npt.NDArray[np.uint8]

ALIGNMENT = 64
"""Bytes: tensors and their scales begin at multiples of it; also the width of a line of hex."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where the parts of a matrix lie, from its own first byte.

    Attributes:
        rows, cols: as padded; cols are elements.
        mx: the format.
    """

    rows: int
    cols: int
    mx: Mx

    @classmethod
    def of(cls, rows: int, cols: int, *, mx: Mx, hw: HardwareConfig, where: str) -> Layout:
        """Return the layout of a matrix whose blocks run along its rows.

        Args:
            rows, cols: true sizes.
            mx: the format.
            hw: the machine, whose tiles are MLEN x MLEN.
            where: the tensor, for messages.

        Raises:
            FormatError: the format has no such layout: scales of 8 bits, blocks of whole bytes that
                divide MLEN.
        """
        given = f"{where}: {mx.name} in blocks of {mx.block_size}"
        if mx.scale_bits != 8:
            raise FormatError(f"{given} has scales of {mx.scale_bits} bits; an image takes 8")
        if mx.element.width_bits * mx.block_size % 8:
            raise FormatError(
                f"{given} is no whole number of bytes a block; use another block size"
            )
        if hw.mlen % mx.block_size:
            raise FormatError(f"{given} does not divide MLEN = {hw.mlen} of the machine")
        if rows < 1 or cols < 1:
            raise FormatError(f"{where}: nothing in it, {rows} x {cols}")
        tiles = -(-rows // hw.mlen) * hw.mlen
        return cls(rows=tiles + hw.writeback_rows - 1, cols=-(-cols // hw.mlen) * hw.mlen, mx=mx)

    @property
    def block_bytes(self) -> int:
        """Bytes of the elements of a block."""
        return self.mx.element.width_bits * self.mx.block_size // 8

    @property
    def row_blocks(self) -> int:
        """Blocks of a row."""
        return self.cols // self.mx.block_size

    @property
    def element_bytes(self) -> int:
        """Bytes of all elements."""
        return self.rows * self.row_blocks * self.block_bytes

    @property
    def scale_offset(self) -> int:
        """SCALE: bytes from the first element to the first scale."""
        return aligned(self.element_bytes)

    @property
    def scale_bytes(self) -> int:
        """Bytes of all scales."""
        return self.rows * self.row_blocks

    @property
    def bytes(self) -> int:
        """Bytes of the matrix."""
        return self.scale_offset + self.scale_bytes

    def laid_out(self, codes: Codes, scales: Codes) -> Bytes:
        """Return a matrix as it lies in memory.

        Args:
            codes: element codes (rows, cols), true sizes.
            scales: scale codes (rows, ceil(cols / block_size)).

        Returns:
            uint8, `bytes` of them.
        """
        padded = np.zeros((self.rows, self.cols), np.uint32)
        padded[: codes.shape[0], : codes.shape[1]] = codes
        of_blocks = np.zeros((self.rows, self.row_blocks), np.uint8)
        of_blocks[: scales.shape[0], : scales.shape[1]] = scales
        data = np.zeros(self.bytes, np.uint8)
        row_bytes = self.row_blocks * self.block_bytes
        for row in range(self.rows):
            data[row * row_bytes : (row + 1) * row_bytes] = self._packed(padded[row])
        data[self.scale_offset :] = of_blocks.reshape(-1)
        return data

    def _packed(self, row: Codes) -> Bytes:
        width = self.mx.element.width_bits
        bits = (row[:, None] >> np.arange(width, dtype=np.uint32)) & 1
        return np.packbits(bits.astype(np.uint8).reshape(-1), bitorder="little")

    def block_of(self, offset: int) -> tuple[int, int, str]:
        """Return row, block of the row and part (elements, scales, gap) of a byte."""
        if offset < self.element_bytes:
            block, part = offset // self.block_bytes, "elements"
        elif offset < self.scale_offset:
            return self.rows - 1, self.row_blocks - 1, "the gap after the elements"
        else:
            block, part = offset - self.scale_offset, "scales"
        return block // self.row_blocks, block % self.row_blocks, part


def aligned(address: int) -> int:
    """Return the first multiple of ALIGNMENT that is not below an address."""
    return -(-address // ALIGNMENT) * ALIGNMENT
