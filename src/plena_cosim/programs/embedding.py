"""Rows of an embedding, and what they are multiplied by."""

from __future__ import annotations

from collections.abc import Sequence

from ..golden import FormatError
from ..golden.isa.machine import VECTOR
from .builder import Builder
from .image import Tensor


def embedding(
    b: Builder, table: Tensor, ids: Sequence[int], y: Tensor, *, factor: float = 1.0
) -> None:
    """Fetch the rows of tokens: y[i] = table[ids[i]].

    The tokens are part of the program. Rows that only pad y hold what lies there.

    Args:
        b: what is written to.
        table: (tokens, columns), of V.
        ids: of tokens.
        y: (len(ids), columns), of V: the result.
        factor: rounded to V; rows are multiplied by it. 1: nothing is written.

    Raises:
        FormatError: a token that the table does not have, or sizes that do not fit.
    """
    machine, hw = b.machine, b.machine.hardware
    rows, chunks = machine.prefetch_rows, table.stored_columns // hw.vlen
    wrong = [token for token in ids if not 0 <= token < table.rows]
    if wrong:
        raise FormatError(f"embedding: token {wrong[0]}; the table has 0 to {table.rows - 1}")
    if (len(ids), table.columns) != (y.rows, y.columns):
        raise FormatError(
            f"embedding: {len(ids)} rows of {table.columns} are not ({y.rows}, {y.columns})"
        )
    if rows != machine.store_rows or chunks < rows:
        raise FormatError(
            f"embedding needs v_prefetch = v_writeback <= {chunks}, the vectors of a row; the "
            f"machine has {rows} and {machine.store_rows}"
        )
    across = hw.vlen * hw.vector_format.width_bits // 8
    starts = [*range(0, chunks - rows, rows), chunks - rows]  # the last transfer may overlap
    with b.lifetime(), b.f() as f, b.gp(2) as (row, place):
        b.set(row, b.rows(rows))
        if factor != 1.0:
            b.constant(f, factor)
        for index, token in enumerate(ids):
            for start in starts:
                with b.at(table, row=token) as address:
                    b.set(place, start * across)
                    b.H_PREFETCH_V(row, place, address, 0, VECTOR)
                if factor != 1.0:
                    with b.gp() as pointer:
                        b.S_ADDI_INT(pointer, row, 0)
                        with b.loop(rows):
                            b.V_MUL_VF(pointer, pointer, f)
                            b.step(pointer, hw.vlen)
                with b.at(y, row=index) as address:
                    b.H_STORE_V(row, place, address, 0, VECTOR)
