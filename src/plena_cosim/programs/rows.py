"""Rows of matrices between HBM and vector memory, and loops over them.

Rows come into vector memory a transfer at a time, side by side: chunk c of row i (VLEN elements)
is row c * R + i of a block of R rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..golden import FormatError
from ..golden.isa.machine import VECTOR
from ..golden.isa.transfer import width_bits
from .builder import Builder, Register
from .image import Array, Tensor


class Block:
    """R rows of a matrix in vector memory.

    Attributes:
        base: address of the first row's first chunk.
        rows: of it: those of a transfer.
        chunks: of a row.
        step: from a chunk of a row to the next.
    """

    def __init__(self, b: Builder, columns: int, name: str = "", *, spread: int = 1) -> None:
        """Take room for it; `spread` times as much, with the rest of it behind each chunk."""
        hw = b.machine.hardware
        self.rows = b.machine.prefetch_rows
        self.chunks = -(-columns // hw.vlen)
        self.step = self.rows * spread * hw.vlen
        self.base = b.rows(self.rows * spread * self.chunks, name)

    @property
    def vectors(self) -> int:
        """Rows of vector memory that hold it."""
        return self.rows * self.chunks


def require_transfers(b: Builder, *, of_tiles: bool = False) -> None:
    """Raise FormatError where a machine fetches and stores different numbers of rows.

    Args:
        b: what is written to.
        of_tiles: they must be BLEN rows, which a product takes.
    """
    machine, blen = b.machine, b.machine.hardware.blen
    fetched, stored = machine.prefetch_rows, machine.store_rows
    if fetched != stored or (of_tiles and fetched != blen):
        need = f"v_prefetch = v_writeback{f' = BLEN = {blen}' if of_tiles else ''}"
        raise FormatError(f"programs need {need}; the machine has {fetched} and {stored}")


def fetch(b: Builder, block: Block, source: Tensor, offset: Register) -> None:
    """Write the fetch of R rows.

    Args:
        b: what is written to.
        block: where they go.
        source: their matrix, of any type.
        offset: bytes from its first element to theirs.
    """
    with b.at(source, strided=True) as address:
        _chunks(b, block, source, offset, address, b.H_PREFETCH_V)


def store(b: Builder, block: Block, target: Tensor, offset: Register, *, row: int = 0) -> None:
    """Write the store of R rows, in a matrix' type.

    Args:
        b: what is written to.
        block: where they are.
        target: the matrix.
        offset: bytes from the first element of `row` to theirs.
        row: of the matrix.
    """
    with b.at(target, strided=True, row=row) as address:
        _chunks(b, block, target, offset, address, b.H_STORE_V)


def _chunks(
    b: Builder,
    block: Block,
    tensor: Tensor,
    offset: Register,
    address: Register,
    move: Callable[..., None],
) -> None:
    with b.gp(2) as (row, place):
        b.set(row, block.base)
        b.S_ADDI_INT(place, offset, 0)
        with b.loop(block.chunks):
            move(row, place, address, 1, tensor.number)
            if block.chunks > 1:
                b.step(row, block.step)
                b.step(place, b.machine.hardware.vlen * width_bits(tensor.type) // 8)


def whole_blocks(
    b: Builder,
    sources: Sequence[Tensor],
    target: Tensor,
    body: Callable[[list[Block]], None],
    *,
    row: int = 0,
    clear: bool = False,
) -> None:
    """Fetch blocks of rows of every source, do something, and store the first as the result.

    Args:
        b: what is written to.
        sources: matrices of as many rows; the first as wide as the result.
        target: where the result goes.
        body: writes what happens to blocks, one of each source.
        row: of the target, that the first row goes to.
        clear: rows of the last block that the matrix does not have become zeros.

    Raises:
        FormatError: transfers of different sizes.
    """
    require_transfers(b)
    size = b.machine.prefetch_rows
    tensors = [*sources, target]
    widths = sorted({tensor.row_bytes for tensor in tensors})
    groups, over = sources[0].stored_rows // size, -sources[0].rows % size
    last = clear and over > 0
    with b.lifetime(), b.gp(len(widths)) as lent:
        offsets = dict(zip(widths, lent if isinstance(lent, list) else [lent], strict=True))
        blocks = [Block(b, source.columns, source.name) for source in sources]
        for offset in offsets.values():
            b.set(offset, 0, note="from a matrix' first row to this block's")

        def block_of_rows(cleared: int) -> None:
            for source, block in zip(sources, blocks, strict=True):
                fetch(b, block, source, offsets[source.row_bytes])
            body(blocks)
            if cleared:
                _clear(b, blocks[0], size - cleared)
            store(b, blocks[0], target, offsets[target.row_bytes], row=row)

        if groups > last:
            with b.loop(groups - last, note="blocks of rows"):
                block_of_rows(0)
                for width, offset in offsets.items():
                    b.step(offset, size * width)
        if last:
            b.note("the last block, whose padding becomes zeros")
            block_of_rows(over)


def _clear(b: Builder, block: Block, first: int) -> None:
    vlen = b.machine.hardware.vlen
    with b.gp(2) as (row, away):
        b.set(away, vlen)
        for index in range(first, block.rows):
            b.set(row, block.base + index * vlen)
            with b.loop(block.chunks):
                b.V_SHFT_V(row, row, away, 0, note="zeros")
                if block.chunks > 1:
                    b.step(row, block.step)


def each_row(b: Builder, blocks: list[Block], body: Callable[[list[Register]], None]) -> None:
    """Do something to each row; `body` gets the addresses of its first chunks.

    Args:
        b: what is written to.
        blocks: with as many rows each.
        body: writes what happens to a row.
    """
    with b.gp(len(blocks)) as lent:
        pointers = lent if isinstance(lent, list) else [lent]
        for pointer, block in zip(pointers, blocks, strict=True):
            b.set(pointer, block.base)
        with b.loop(blocks[0].rows, note="rows"):
            body(pointers)
            for pointer in pointers:
                b.step(pointer, b.machine.hardware.vlen)


Start = tuple[Register | int, int] | tuple[Register, int, int]
"""Where a row begins, in a register or known; from a chunk to the next; and how far behind the
register it begins."""


def each_chunk(
    b: Builder, starts: Sequence[Start], chunks: int, body: Callable[[list[Register]], None]
) -> None:
    """Do something to each chunk of a row.

    Args:
        b: what is written to.
        starts: of rows.
        chunks: of a row.
        body: gets the addresses.
    """
    with b.gp(len(starts)) as lent:
        pointers = lent if isinstance(lent, list) else [lent]
        for pointer, (start, _, *beyond) in zip(pointers, starts, strict=True):
            if isinstance(start, Register):
                b.beyond(pointer, start, *beyond or (0,))
            else:
                b.set(pointer, start)
        with b.loop(chunks, note="chunks of VLEN"):
            body(pointers)
            for pointer, (_, step, *_) in zip(pointers, starts, strict=True):
                if chunks > 1:
                    b.step(pointer, step)


def held_row(b: Builder, name: str, codes: Array | Tensor) -> tuple[int, int]:
    """Keep a row in vector memory for the whole program.

    Args:
        b: what is written to.
        name: of the row.
        codes: of V, (columns,); or a matrix of the image, for its first row.

    Returns:
        Address of its first chunk, and the step from a chunk to the next.
    """
    if isinstance(codes, Tensor):
        tensor = codes
    else:
        tensor = b.image.matrix(b.named(name), codes.reshape(1, -1), (1, codes.size))
    hw, rows = b.machine.hardware, b.machine.prefetch_rows
    transfers = -(-tensor.stored_columns // hw.vlen // rows)  # of chunks, one behind the other
    base = b.rows(transfers * rows, name)
    with b.at(tensor) as address, b.gp(2) as (row, place):
        b.set(row, base)
        b.set(place, 0)
        with b.loop(transfers):
            b.H_PREFETCH_V(row, place, address, 0, VECTOR)
            if transfers > 1:
                b.step(row, rows * hw.vlen)
                b.step(place, rows * hw.vlen * hw.vector_format.width_bits // 8)
    return base, hw.vlen
