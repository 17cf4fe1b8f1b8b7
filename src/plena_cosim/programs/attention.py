"""Attention between projections: three passes over a row of scores, or FlashAttention's one.

Queries, keys and values are matrices of rows of heads, each head padded to whole vectors. Keys and
values come from where they are cached, a tile of MLEN keys by MLEN elements at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from math import ceil

import numpy as np

from ..golden import FormatError, encode
from ..golden.isa.machine import VECTOR
from ..golden.isa.transfer import width_bits
from .builder import F_ZERO, ZERO, Builder, Register
from .image import Array, Tensor
from .rows import Block, each_chunk, each_row, fetch, require_transfers, store

_KINDS_OF_BLOCK = 4
"""Blocks of queries that see different numbers of key tiles have loops of their own, so many."""


@dataclass(frozen=True, kw_only=True)
class Heads:
    """The heads of an attention.

    Attributes:
        query, key: how many; a key head serves query / key of the others, which are neighbours.
        size: elements of one.
    """

    query: int
    key: int
    size: int

    def padded(self, vlen: int) -> int:
        """Return the elements of one in whole vectors."""
        return -(-self.size // vlen) * vlen


@dataclass(frozen=True, kw_only=True)
class Operands:
    """Numbers of the types that meet in the two products.

    Attributes:
        scores: of queries and keys.
        outputs: of probabilities and values.
    """

    scores: int
    outputs: int


@dataclass(frozen=True, kw_only=True)
class Mask:
    """What a query does not see, as rows of V.

    Attributes:
        low: 0 where a query sees a key, else -Inf, or the lowest value where V has no Inf.
        keep: 1 and 0 where V has no Inf; else None.
        keys: of each row, the last that is seen, and one.
    """

    low: Tensor
    keep: Tensor | None
    keys: tuple[int, ...]


def mask_of(b: Builder, name: str, allowed: Array) -> Mask:
    """Put a mask into the image; rows that only pad see the first key.

    Args:
        b: what is written to.
        name: no other tensor has.
        allowed: (queries, keys) bool.

    Returns:
        The rows, and how many keys each sees.

    Raises:
        FormatError: a query that sees no key.
    """
    hw = b.machine.hardware
    v, step = hw.vector_format, b.machine.prefetch_rows
    queries, keys = allowed.shape
    if not allowed.any(axis=1).all():
        row = int(np.flatnonzero(~allowed.any(axis=1))[0])
        raise FormatError(f"attention: query {row} sees no key")
    shape = -(-queries // step) * step, -(-keys // hw.mlen) * hw.mlen
    whole = np.zeros(shape, bool)
    whole[:queries, :keys] = allowed
    whole[queries:, 0] = True
    out = -math.inf if v.has_inf else -v.max_value
    low = b.image.matrix(b.named(name), encode(np.where(whole, 0.0, out), v), shape)
    keep = None
    if not v.has_inf:
        keep = b.image.matrix(b.named(f"{name} keep"), encode(np.where(whole, 1.0, 0.0), v), shape)
    ends = tuple(int(np.flatnonzero(row)[-1]) + 1 for row in whole)
    return Mask(low=low, keep=keep, keys=ends)


def causal(queries: int, keys: int) -> Array:
    """Return where the last `queries` of `keys` tokens see those up to themselves, bool."""
    return np.tri(queries, keys, keys - queries, dtype=bool)


class _Attention:
    """What both orders share: where things are, and the two products."""

    def __init__(
        self,
        b: Builder,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        mask: Mask,
        y: Tensor,
        heads: Heads,
        types: Operands,
        *,
        tiles_at_once: bool,
    ) -> None:
        require_transfers(b, of_tiles=True)
        machine, hw = b.machine, b.machine.hardware
        self.b, self.hw, self.heads, self.types = b, hw, heads, types
        self.q, self.k, self.v, self.mask, self.y = q, k, v, mask, y
        wide = heads.padded(hw.vlen)
        needed = (heads.query * wide, heads.key * wide)
        if (q.columns, k.columns, v.columns, y.columns) != (needed[0], *2 * needed[1:], needed[0]):
            raise FormatError(
                f"attention: {heads.query} and {heads.key} heads of {wide} need {needed[0]} and "
                f"{needed[1]} columns; got q {q.columns}, k {k.columns}, v {v.columns}, "
                f"y {y.columns}"
            )
        if heads.query % heads.key:
            raise FormatError(f"attention: {heads.query} heads do not share {heads.key}")
        self.parts = wide // hw.vlen  # vectors of a head
        self.tiles = mask.low.columns // hw.mlen
        self.held = 2 * self.tiles * self.parts <= machine.memories.matrix_tiles
        self.area, self.block = hw.mlen**2, hw.blen * hw.mlen
        if k.row_bytes != v.row_bytes:
            raise FormatError("attention: keys and values of different types")
        if not self.held and self.parts > machine.memories.matrix_tiles:
            raise FormatError(
                f"attention: a head of {self.parts} tiles; the matrix memory holds "
                f"{machine.memories.matrix_tiles}"
            )
        shown = self.tiles if tiles_at_once else 1
        self.queries, self.output = Block(b, wide, "queries"), Block(b, wide, "output")
        self.scores = Block(b, shown * hw.mlen, "scores")
        self.low = Block(b, shown * hw.mlen, "mask")
        self.keep = None if mask.keep is None else Block(b, shown * hw.mlen, "mask keep")
        held = self.tiles if self.held else 1
        b.keep_tiles(0, held * self.parts, "keys")
        b.keep_tiles(held * self.parts if self.held else 0, held * self.parts, "values")

    def across(self, tensor: Tensor) -> int:
        """Return the bytes of a vector of a tensor's type."""
        return self.hw.vlen * width_bits(tensor.type) // 8

    def runs(self) -> Iterator[tuple[int, int, int]]:
        """Yield blocks of BLEN queries: the first, how many, and the key tiles that they see."""
        size, mlen, step = self.hw.blen, self.hw.mlen, -(-self.tiles // _KINDS_OF_BLOCK)
        ends = self.mask.keys
        blocks = range(self.q.stored_rows // size)
        seen = [max(ends[size * at : size * (at + 1)]) for at in blocks]
        tiles = [min(ceil(ceil(last / mlen) / step) * step, self.tiles) for last in seen]
        for count, group in groupby(blocks, key=lambda at: tiles[at]):
            members = list(group)
            yield members[0], len(members), count

    def each_block(self, body: Callable[[Register, Register, int], None]) -> None:
        """Write what happens to each block of queries of each head.

        Args:
            body: gets the bytes from a row of keys to this head's, those from the first row of
                the mask to the block's, and the number of key tiles.
        """
        b, heads = self.b, self.heads
        wide = self.parts * self.across(self.q)
        with b.gp(3) as (key, query, offset):
            b.set(key, 0, note="from a row of keys to this head")
            b.set(query, 0, note="from a row of queries to this head")
            with b.loop(heads.key, note="heads of keys"):
                if self.held:
                    self._hold(key)
                for _ in range(heads.query // heads.key):
                    for first, count, tiles in self.runs():
                        self._run(first, count, tiles, key, query, offset, body)
                    b.step(query, wide)
                b.step(key, self.parts * self.across(self.k))

    def _run(
        self,
        first: int,
        count: int,
        tiles: int,
        key: Register,
        query: Register,
        offset: Register,
        body: Callable[[Register, Register, int], None],
    ) -> None:
        b, rows = self.b, self.hw.blen
        with b.gp() as masked:
            b.S_ADDI_INT(offset, query, 0)
            b.step(offset, first * rows * self.q.row_bytes)
            b.set(masked, first * rows * self.mask.low.row_bytes)
            with b.loop(count, note=f"blocks of {rows} queries that see {tiles} tiles of keys"):
                fetch(b, self.queries, self.q, offset)
                body(key, masked, tiles)
                store(b, self.output, self.y, offset)
                b.step(offset, rows * self.q.row_bytes)
                b.step(masked, rows * self.mask.low.row_bytes)

    # Tiles: those of keys from 0 on, then those of values; or each where it is needed, in slot 0.

    def _hold(self, key: Register) -> None:
        b = self.b
        for tensor, first, operand in (
            (self.k, 0, self.types.scores),
            (self.v, self.tiles * self.parts, self.types.outputs),
        ):
            with b.gp(3) as (slot, row, place):
                b.set(slot, first * self.area)
                b.S_ADDI_INT(row, key, 0)
                with b.loop(self.tiles, note=f"tiles of {tensor.name}"):
                    b.S_ADDI_INT(place, row, 0)
                    for part in range(self.parts):
                        self._fetch(tensor, slot, place, operand)
                        b.step(slot, self.area)
                        if part + 1 < self.parts:
                            b.step(place, self.across(tensor))
                    if self.tiles > 1:
                        b.step(row, self.hw.mlen * tensor.row_bytes)

    def _fetch(self, tensor: Tensor, slot: Register, place: Register, operand: int) -> None:
        """Write the fetch of a tile: keys along rows, values down columns, in a product's type."""
        b, down = self.b, tensor is self.v
        as_stored = tensor.number == operand and not down
        with b.at(tensor, strided=True) as address:
            flags = 1 | (0 if as_stored else operand << 1)
            b.H_PREFETCH_M(slot, place, address, flags, tensor.number | down << 3)

    def _bring(self, tensor: Tensor, key: Register, part: int, slot: int, operand: int) -> None:
        b = self.b
        with b.gp(2) as (to, place):
            b.set(to, slot * self.area)
            b.S_ADDI_INT(place, key, 0)
            b.step(place, part * self.across(tensor))
            self._fetch(tensor, to, place, operand)

    @contextmanager
    def each_tile(self, tiles: int, moved: list[tuple[Register, int]]) -> Iterator[None]:
        """Repeat what is written within for each tile of keys.

        Args:
            tiles: how many.
            moved: registers, and how far each moves from a tile to the next; then back again.
        """
        b = self.b
        with b.loop(tiles, note="tiles of keys"):
            yield
            for register, step in moved if tiles > 1 else ():
                b.step(register, step)
        for register, step in moved if tiles > 1 else ():
            b.back(register, tiles * step)

    def rows_of_keys(self, key: Register) -> list[tuple[Register, int]]:
        """Return how the place of a head's keys moves where tiles are fetched one by one."""
        return [] if self.held else [(key, self.hw.mlen * self.k.row_bytes)]

    def score_tile(self, key: Register, tile: Register, target: Register) -> None:
        """Write Q K^T for one tile of keys.

        Args:
            key: bytes from the first row of keys to this tile of this head's.
            tile: address of the tile's first part, where tiles are held.
            target: address of BLEN rows of scores; it is moved behind them.
        """
        b, hw = self.b, self.hw
        if not self.held:
            for part in range(self.parts):
                self._bring(self.k, key, part, part, self.types.scores)
        with b.gp(3) as (column, place, x):
            b.S_ADDI_INT(column, tile if self.held else ZERO, 0)
            with b.loop(hw.mlen // hw.blen, note="column blocks"):
                b.S_ADDI_INT(place, column, 0)
                b.set(x, self.queries.base)
                for part in range(self.parts):
                    b.M_TMM(self.types.scores, x, place)
                    if part + 1 < self.parts:
                        b.step(x, self.queries.step)
                        b.step(place, self.area)
                b.M_MM_WO(target, ZERO, 0)
                b.step(target, hw.blen)
                b.step(column, self.block)
            b.step(target, self.scores.step - hw.mlen)

    def weigh(self, key: Register, tiles: int, target: Block, tile: Register | None = None) -> None:
        """Write P V for some tiles of keys, whose probabilities lie where scores did.

        Args:
            key: bytes from the first row of values to the first tile of this head's.
            tiles: how many.
            target: of the products.
            tile: address of the first tile's first part among those of keys, where tiles are
                held; None: 0.
        """
        b, hw = self.b, self.hw
        values = self.tiles * self.parts
        with b.gp(2) as (column, out):
            for part in range(self.parts):
                b.set(out, target.base + part * target.step)
                b.set(column, (values + part) * self.area if self.held else 0)
                if self.held and tile is not None:
                    b.S_ADD_INT(column, column, tile)
                with b.loop(hw.mlen // hw.blen, note="column blocks"):
                    with b.gp() as x:
                        b.set(x, self.scores.base)
                        if self.held:
                            self._weigh_held(tiles, column, x)
                        else:
                            moved = [(x, self.scores.step), *self.rows_of_keys(key)]
                            with self.each_tile(tiles, moved):
                                self._bring(self.v, key, part, 0, self.types.outputs)
                                b.M_MM(self.types.outputs, column, x)
                    b.M_MM_WO(out, ZERO, 0)
                    b.step(out, hw.blen)
                    b.step(column, self.block)

    def _weigh_held(self, tiles: int, column: Register, x: Register) -> None:
        b = self.b
        with b.gp() as place:
            b.S_ADDI_INT(place, column, 0)
            with b.loop(tiles, note="tiles of keys"):
                b.M_MM(self.types.outputs, place, x)
                if tiles > 1:
                    b.step(x, self.scores.step)
                    b.step(place, self.parts * self.area)

    def fetch_mask(self, masked: Register, tiles: int) -> None:
        """Write the fetch of a block's rows of the mask, for some tiles of keys."""
        b = self.b
        for tensor, block in ((self.mask.low, self.low), (self.mask.keep, self.keep)):
            if tensor is None or block is None:
                continue
            with b.at(tensor, strided=True) as address, b.gp(2) as (row, place):
                b.set(row, block.base)
                b.S_ADDI_INT(place, masked, 0)
                with b.loop(tiles):
                    b.H_PREFETCH_V(row, place, address, 1, VECTOR)
                    if tiles > 1:
                        b.step(row, block.step)
                        b.step(place, self.across(tensor))

    def chunks(self, row: Register, tiles: int, body: Callable[[list[Register]], None]) -> None:
        """Write what happens to the vectors of a row of scores, with those of its masks.

        Args:
            row: address of its first vector.
            tiles: vectors of the row.
            body: gets the addresses: score, low, and keep where there is one.
        """
        masks = [self.low, *([] if self.keep is None else [self.keep])]
        behind = [(row, self.scores.step, each.base - self.scores.base) for each in masks]
        each_chunk(self.b, [(row, self.scores.step), *behind], tiles, body)

    def scaled(self, p: list[Register], factor: Register) -> None:
        """Write x * factor of a vector of scores, with what its mask hides out of reach."""
        b = self.b
        b.V_MUL_VF(p[0], p[0], factor)
        if self.keep is not None:
            b.V_MUL_VV(p[0], p[0], p[2])
        b.V_ADD_VV(p[0], p[0], p[1])

    def exponentials(self, p: list[Register], largest: Register) -> None:
        """Write exp(x - largest) of a vector of scores, +0 where its mask hides."""
        b = self.b
        b.V_SUB_VF(p[0], p[0], largest)
        b.V_EXP_V(p[0], p[0])
        if self.keep is not None:
            b.V_MUL_VV(p[0], p[0], p[2])


def attention(
    b: Builder,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Mask,
    y: Tensor,
    *,
    heads: Heads,
    types: Operands,
    scale: float,
) -> None:
    """Attention in three passes over a row of scores: maximum, sum, quotients.

    For each block of BLEN queries: scores of all tiles of keys, each cast once to V, times
    RN_V(scale); golden.ops.softmax of each row; P, quantised along the keys, times V, all tiles
    summed before one cast to V.

    Args:
        b: what is written to.
        q: (queries, heads), of V.
        k, v: (keys, heads of keys), as cached; rows past the last key are zeros.
        mask: what queries see.
        y: (queries, heads), of V: the result.
        heads: how many, and their size.
        types: that operands are quantised to.
        scale: of scores.

    Raises:
        FormatError: sizes that do not fit.
    """
    it = _Attention(b, q, k, v, mask, y, heads, types, tiles_at_once=True)
    with b.f(4) as (factor, lowest, largest, total):
        b.constant(factor, scale)
        b.constant(lowest, -it.hw.vector_format.max_value)

        def softmax(row: Register, tiles: int) -> None:
            b.S_MAX_FP(largest, lowest, lowest, note="the lowest value")

            def first(p: list[Register]) -> None:
                it.scaled(p, factor)
                b.V_RED_MAX(largest, p[0])

            it.chunks(row, tiles, first)
            b.S_ADD_FP(total, F_ZERO, F_ZERO, note="0")

            def second(p: list[Register]) -> None:
                it.exponentials(p, largest)
                b.V_RED_SUM(total, p[0])

            it.chunks(row, tiles, second)
            b.S_RECI_FP(total, total)
            each_chunk(b, [(row, it.scores.step)], tiles, lambda p: b.V_MUL_VF(p[0], p[0], total))

        def body(key: Register, masked: Register, tiles: int) -> None:
            with b.gp(2) as (tile, target):
                b.set(tile, 0)
                b.set(target, it.scores.base)
                moved = it.rows_of_keys(key)
                if it.held:
                    moved = [(tile, it.parts * it.area)]
                with it.each_tile(tiles, moved):
                    it.score_tile(key, tile, target)
            it.fetch_mask(masked, tiles)
            each_row(b, [it.scores], lambda rows: softmax(rows[0], tiles))
            it.weigh(key, tiles, it.output)

        it.each_block(body)


def flash_attention(
    b: Builder,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Mask,
    y: Tensor,
    *,
    heads: Heads,
    types: Operands,
    scale: float,
) -> None:
    """golden.ops.attention of each head, MLEN keys at a time.

    The running maximum and sum of each query are in FP_MEM from 0 on.

    Args:
        b: what is written to.
        q: (queries, heads), of V.
        k, v: (keys, heads of keys), as cached; rows past the last key are zeros.
        mask: what queries see.
        y: (queries, heads), of V: the result.
        heads: how many, and their size.
        types: that operands are quantised to.
        scale: of scores.

    Raises:
        FormatError: sizes that do not fit.
    """
    it = _Attention(b, q, k, v, mask, y, heads, types, tiles_at_once=False)
    product, rows = Block(b, it.parts * it.hw.vlen, "product"), it.hw.blen
    if 2 * rows > b.machine.memories.fp_words:
        raise FormatError(
            f"flash attention keeps {2 * rows} numbers in FP_MEM, which has "
            f"{b.machine.memories.fp_words} ([memory] fp_words)"
        )
    vlen = it.hw.vlen
    with b.f(5) as (factor, lowest, largest, total, shrunk):
        b.constant(factor, scale)
        b.constant(lowest, -it.hw.vector_format.max_value)

        def first() -> None:
            with b.gp(2) as (at, out):
                b.set(at, 0)
                b.set(out, it.output.base)
                with b.loop(rows, note="queries"):
                    b.S_ST_FP(lowest, at, 0, note="largest so far")
                    b.S_ST_FP(F_ZERO, at, rows, note="sum so far")
                    b.step(at, 1)
                b.set(at, vlen)
                with b.gp() as any_row, b.loop(it.output.vectors, note="outputs"):
                    b.set(any_row, it.queries.base)
                    b.V_SHFT_V(out, any_row, at, 0, note="zeros")
                    b.step(out, vlen)

        def query(row: Register, at: Register, out: Register) -> None:
            it.chunks(row, 1, lambda p: it.scaled(p, factor))
            b.S_MAX_FP(total, lowest, lowest, note="the lowest value")
            b.V_RED_MAX(total, row)
            b.S_LD_FP(shrunk, at, 0)
            b.S_MAX_FP(largest, shrunk, total)
            b.S_ST_FP(largest, at, 0)
            b.S_SUB_FP(shrunk, shrunk, largest)
            b.S_EXP_FP(shrunk, shrunk)
            it.chunks(row, 1, lambda p: it.exponentials(p, largest))
            b.S_LD_FP(total, at, rows)
            b.S_MUL_FP(total, total, shrunk)
            b.S_ADD_FP(largest, F_ZERO, F_ZERO, note="0")
            b.V_RED_SUM(largest, row)
            b.S_ADD_FP(total, total, largest)
            b.S_ST_FP(total, at, rows)
            each_chunk(
                b,
                [(out, it.output.step)],
                it.parts,
                lambda p: b.V_MUL_VF(p[0], p[0], shrunk),
            )

        def tile_of_keys(key: Register, masked: Register, tile: Register) -> None:
            with b.gp() as target:
                b.set(target, it.scores.base)
                it.score_tile(key, tile, target)
            it.fetch_mask(masked, 1)
            with b.gp() as at:
                b.set(at, 0)

                def each(places: list[Register]) -> None:
                    query(places[0], at, places[1])
                    b.step(at, 1)

                each_row(b, [it.scores, it.output], each)
            it.weigh(key, 1, product, tile if it.held else None)
            starts = [(it.output.base, vlen), (product.base, vlen)]
            each_chunk(b, starts, product.vectors, lambda p: b.V_ADD_VV(p[0], p[0], p[1]))

        def last() -> None:
            with b.gp() as at:
                b.set(at, 0)

                def each(places: list[Register]) -> None:
                    b.S_LD_FP(total, at, rows)
                    b.S_RECI_FP(total, total)
                    starts = [(places[0], it.output.step)]
                    each_chunk(b, starts, it.parts, lambda p: b.V_MUL_VF(p[0], p[0], total))
                    b.step(at, 1)

                each_row(b, [it.output], each)

        def body(key: Register, masked: Register, tiles: int) -> None:
            first()
            with b.gp(1 if it.held else 0) as lent:
                tile = lent if it.held else ZERO
                moved = [(masked, it.across(it.mask.low)), *it.rows_of_keys(key)]
                if it.held:
                    b.set(tile, 0)
                    moved.append((tile, it.parts * it.area))
                with it.each_tile(tiles, moved):
                    tile_of_keys(key, masked, tile)
            last()

        it.each_block(body)
