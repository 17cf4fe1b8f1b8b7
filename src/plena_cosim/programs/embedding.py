"""Rows of an embedding, and what they are multiplied by."""

from __future__ import annotations

from collections.abc import Sequence

from ..golden import FormatError
from ..golden.isa.machine import VECTOR
from .builder import ZERO, Builder
from .image import Tensor
from .rows import Block, require_transfers, store


def embedding(
    b: Builder, table: Tensor, ids: Sequence[int], y: Tensor, *, factor: float = 1.0
) -> None:
    """Fetch the rows of tokens: y[i] = table[ids[i]].

    The tokens are part of the program. Rows that only pad y are not meant to be read.

    Args:
        b: what is written to.
        table: (tokens, columns), of V.
        ids: of tokens.
        y: (len(ids), columns), of V: the result.
        factor: rounded to V; rows are multiplied by it. 1: nothing is written.

    Raises:
        FormatError: a token that the table does not have, or sizes that do not fit.
    """
    require_transfers(b)
    hw, rows = b.machine.hardware, b.machine.prefetch_rows
    wrong = [token for token in ids if not 0 <= token < table.rows]
    if wrong:
        raise FormatError(f"embedding: token {wrong[0]}; the table has 0 to {table.rows - 1}")
    if (len(ids), table.columns) != (y.rows, y.columns):
        raise FormatError(
            f"embedding: {len(ids)} rows of {table.columns} are not ({y.rows}, {y.columns})"
        )
    across = hw.vlen * hw.vector_format.width_bits // 8
    with b.lifetime(), b.f() as f, b.gp(3) as (row, place, offset):
        # A transfer with STRIDE 0 brings a vector R times: to its row, and to room behind it.
        block = Block(b, table.columns, "rows", spread=2)
        if factor != 1.0:
            b.constant(f, factor)
        b.set(offset, 0)
        for first in range(0, len(ids), rows):
            for index, token in enumerate(ids[first : first + rows]):
                b.set(row, block.base + index * hw.vlen)
                b.set(place, 0)
                with b.at(table, row=token) as address:
                    b.C_SET_STRIDE_REG(ZERO)
                    with b.loop(block.chunks):
                        b.H_PREFETCH_V(row, place, address, 1, VECTOR)
                        if factor != 1.0:
                            b.V_MUL_VF(row, row, f)
                        b.step(row, block.step)
                        b.step(place, across)
            store(b, block, y, offset)
            b.step(offset, rows * y.row_bytes)
