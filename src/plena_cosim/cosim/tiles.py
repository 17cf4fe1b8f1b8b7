"""Tiles: a product of MX matrices as beats of the matrix unit, K in ascending slices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from plena_cosim.fakequant import MxTensor
from plena_cosim.golden import Mx
from plena_cosim.passes.weights.element_codes import block_codes

from .codes import CodeArray
from .machine_blocks import Beats

_BYTES = 1 << 25
"""Of one call's beats."""


@dataclass(frozen=True, kw_only=True)
class Tiles:
    """One side of a product, cut into lines of so many rows and slices of so much depth.

    Attributes:
        codes: (tiles, slices, edge * depth), row-major, zeros where the matrix ends.
        scales: (tiles, slices, edge * blocks), of whole blocks.
        rows: of the matrix.
    """

    codes: CodeArray
    scales: CodeArray
    rows: int

    @classmethod
    def of(cls, values: Tensor, scales: Tensor, mx: Mx, *, edge: int, depth: int) -> Tiles:
        """Cut matrices (batch, rows, k) whose blocks run along k.

        Args:
            values: exact values of `mx`.
            scales: their scale codes, (batch, rows, blocks).
            mx: the format.
            edge: rows of a tile.
            depth: of a slice, a multiple of the block size.

        Returns:
            The tiles of all matrices, one matrix after another.
        """
        codes = block_codes(values.contiguous(), scales.contiguous(), mx, 2).numpy()
        per_slice = depth // mx.block_size
        return cls(
            codes=_cut(codes, edge, depth),
            scales=_cut(scales.contiguous().numpy(), edge, per_slice),
            rows=codes.shape[1],
        )


def _cut(matrices: CodeArray, edge: int, depth: int) -> CodeArray:
    batch, rows, length = matrices.shape
    high, slices = -(-rows // edge), -(-length // depth)
    padded = np.zeros((batch, high * edge, slices * depth), matrices.dtype)
    padded[:, :rows, :length] = matrices
    cut = padded.reshape(batch, high, edge, slices, depth).transpose(0, 1, 3, 2, 4)
    return np.ascontiguousarray(cut).reshape(batch * high, slices, edge * depth)


@dataclass(frozen=True, kw_only=True)
class Product:
    """All output tiles of a product (batch, rows, cols), one after another.

    Attributes:
        a, b: the sides; `b` by columns.
        batch: matrices; one of `b` may serve all.
        edge: rows and columns of a tile.
    """

    a: Tiles
    b: Tiles
    batch: int
    edge: int

    @property
    def grid(self) -> tuple[int, int]:
        """Tiles of one matrix, down and across."""
        return -(-self.a.rows // self.edge), -(-self.b.rows // self.edge)

    @property
    def count(self) -> int:
        """Output tiles."""
        return self.batch * self.grid[0] * self.grid[1]

    @property
    def slices(self) -> int:
        """Beats of an output tile."""
        return int(self.a.codes.shape[1])

    def beats(self, begin: int, end: int) -> Beats:
        """Return the beats of some output tiles, slices in ascending K."""
        down, across = self.grid
        tiles = np.arange(begin, end)
        left = tiles // across
        right = tiles // (down * across) * across + tiles % across
        right %= len(self.b.codes)  # one matrix for the whole batch
        count = (end - begin) * self.slices
        first = np.zeros((end - begin, self.slices), np.uint8)
        write = first.copy()
        first[:, 0], write[:, -1] = 1, 1

        def flat(codes: CodeArray, index: CodeArray) -> CodeArray:
            return codes[index].reshape(count, -1)

        return {
            "a_codes": flat(self.a.codes, left),
            "a_scale": flat(self.a.scales, left),
            "b_codes": flat(self.b.codes, right),
            "b_scale": flat(self.b.scales, right),
            "transposed": np.ones(count, np.uint8),
            "first": first.ravel(),
            "write": write.ravel(),
        }

    def chunks(self, jobs: int) -> Iterator[tuple[int, int]]:
        """Yield ranges of output tiles: at least one a job, none too large for memory."""
        bytes_each = self.slices * (
            self.a.codes[0, 0].nbytes + self.b.codes[0, 0].nbytes + 2 * self.a.scales[0, 0].nbytes
        )
        step = max(1, min(-(-self.count // jobs), _BYTES // max(1, bytes_each)))
        for begin in range(0, self.count, step):
            yield begin, min(begin + step, self.count)

    def assembled(self, tiles: CodeArray) -> CodeArray:
        """Return the results of all tiles (count, edge * edge) as (batch, rows, cols)."""
        down, across = self.grid
        whole = tiles.reshape(self.batch, down, across, self.edge, self.edge)
        whole = whole.transpose(0, 1, 3, 2, 4)
        whole = whole.reshape(self.batch, down * self.edge, across * self.edge)
        return np.ascontiguousarray(whole[:, : self.a.rows, : self.b.rows])

    def tile_of(self, batch: int, row: int, col: int) -> int:
        """Return the output tile that holds an element of the result.

        Args:
            batch, row, col: of the element.
        """
        down, across = self.grid
        return (batch * down + row // self.edge) * across + col // self.edge


def matrices(operand: MxTensor) -> tuple[Tensor, Tensor]:
    """Return values and scales of (…, rows, k) as (batch, rows, k) and (batch, rows, blocks)."""
    values, scales = operand.values, operand.scales
    return (
        values.reshape(-1, *values.shape[-2:]),
        scales.reshape(-1, *scales.shape[-2:]),
    )
