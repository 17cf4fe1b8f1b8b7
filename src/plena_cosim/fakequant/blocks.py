"""Blocks: one axis of a tensor cut into blocks, walked in pieces that fit the cache."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .pieces import piece_values

_WHOLE = 1 << 28  # elsewhere a kernel launch costs more than memory traffic

Index = tuple[int, slice, slice]


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """A contiguous tensor seen as (outer, length, inner) with blocks along `length`.

    A ragged tail is a second part with one short block a row: padding with zeros changes neither
    amax nor any element, so none is made.
    """

    outer: int
    length: int
    inner: int
    block: int

    @classmethod
    def of(cls, shape: torch.Size, axis: int, block: int) -> Blocks:
        """Return the blocks of a tensor along one axis.

        Args:
            shape: of the tensor.
            axis: where blocks run, as a non-negative index.
            block: elements of a block.
        """
        return cls(
            outer=shape[:axis].numel(),
            length=shape[axis],
            inner=shape[axis + 1 :].numel(),
            block=block,
        )

    @property
    def count(self) -> int:
        """Blocks in a row, the ragged one included."""
        return -(-self.length // self.block)

    @property
    def _whole(self) -> int:
        return self.length // self.block

    def values(self, tensor: Tensor) -> list[Tensor]:
        """Return one (outer, blocks, elements, inner) view a part of a contiguous tensor."""
        rows = tensor.view(self.outer, self.length, self.inner)
        cut = self._whole * self.block
        parts = []
        if self._whole:
            whole = rows[:, :cut].as_strided(
                (self.outer, self._whole, self.block, self.inner),
                (rows.stride(0), self.block * self.inner, self.inner, 1),
            )
            parts.append(whole)
        if cut < self.length:
            parts.append(rows[:, cut:].unsqueeze(1))
        return parts

    def scales(self, tensor: Tensor) -> list[Tensor]:
        """Return one (outer, blocks, 1, inner) view a part of a contiguous tensor of scales."""
        rows = tensor.view(self.outer, self.count, 1, self.inner)
        parts = []
        if self._whole:
            parts.append(rows[:, : self._whole])
        if self._whole < self.count:
            parts.append(rows[:, self._whole :])
        return parts

    def pieces(self, device: torch.device) -> Iterator[Index]:
        """Yield (part, rows, blocks) indices, each of about a cache's worth of values."""
        limit = piece_values() if device.type == "cpu" else _WHOLE
        if not self.outer * self.inner:
            return
        sizes = [(self._whole, self.block)] if self._whole else []
        if self.length > self._whole * self.block:
            sizes.append((1, self.length - self._whole * self.block))
        for part, (blocks, elements) in enumerate(sizes):
            row_values = blocks * elements * self.inner
            if row_values <= limit:
                step = max(1, limit // row_values)
                for first in range(0, self.outer, step):
                    yield part, slice(first, first + step), slice(None)
                continue
            step = max(1, limit // (elements * self.inner))
            for row in range(self.outer):
                for first in range(0, blocks, step):
                    yield part, slice(row, row + 1), slice(first, first + step)
