"""Rotary embedding of rows of heads."""

from __future__ import annotations

import numpy as np

from ..golden import FormatError, Minifloat, encode
from ..golden.ops import mul
from .builder import Builder, Register
from .image import Array, Tensor
from .rows import Block, Start, each_chunk, whole_blocks


def with_signs(sin: Array, head: int, v: Minifloat) -> Array:
    """Return a table of sines whose first halves of heads have the other sign.

    rotate(x) * sin is turn(x) times this: the sign rounds nothing.

    Args:
        sin: codes of V, (rows, columns).
        head: elements of a head; pairs are half of that apart.
        v: V.
    """
    signs = np.where(np.arange(sin.shape[-1]) % head < head // 2, -1.0, 1.0)
    return mul(sin, encode(signs, v), v)


def rope(b: Builder, x: Tensor, cos: Tensor, sin: Tensor, y: Tensor, *, head: int) -> None:
    """golden.ops.rope of every row, pairs half a head apart.

    Heads of up to VLEN elements turn within vectors; longer ones are rows of their own, which
    change places.

    Args:
        b: what is written to.
        x: (rows, columns), of V; heads beside each other, each padded to whole vectors where
            the tables are a head wide.
        cos, sin: (rows, columns), or a head for all of them; sines as `with_signs` makes them.
        y: the result, of the shape of `x`.
        head: elements of a head.

    Raises:
        FormatError: heads that do not fit vectors.
    """
    vlen = b.machine.hardware.vlen
    if head & (head - 1) or head < 2:
        raise FormatError(f"rope: heads of {head}; need a power of two")
    tables = cos.stored_columns // vlen
    heads, beyond = divmod(x.stored_columns, cos.stored_columns)
    if beyond or cos.stored_columns != sin.stored_columns or tables % max(head // vlen, 1):
        raise FormatError(
            f"rope: tables of {cos.columns} and {sin.columns} columns for {x.columns} in heads "
            f"of {head}"
        )
    step = head // 2 // vlen  # chunks from a half to the other; 0 within a vector
    temporary = b.rows(b.machine.prefetch_rows * max(2 * step, 1), "temporary")

    def in_vector(places: list[Register], t: Register, by: Register) -> None:
        row, c, s = places
        b.V_SHFT_V(t, row, by, head.bit_length() - 1)
        b.V_MUL_VV(t, t, s)
        b.V_MUL_VV(row, row, c)
        b.V_ADD_VV(row, row, t)

    def one_head(blocks: list[Block], row: Register, place: int) -> None:
        """Turn a head of several vectors, `place` chunks into the tables."""
        x, c, s = blocks
        half = x.rows * step
        low, high = (place * x.rows + part * half for part in range(2))
        with b.gp() as second:
            b.S_ADDI_INT(second, row, 0)
            b.step(second, half * vlen)

            def crossed(here: int, there: Register, table: int) -> None:
                starts: list[Start] = [
                    (temporary + here * vlen, vlen),
                    (there, vlen),
                    (s.base + table * vlen, vlen),
                ]
                each_chunk(b, starts, half, lambda p: b.V_MUL_VV(p[0], p[1], p[2]))

            crossed(0, second, low)
            crossed(half, row, high)

        def sums(p: list[Register]) -> None:
            b.V_MUL_VV(p[0], p[0], p[1])
            b.V_ADD_VV(p[0], p[0], p[2])

        starts: list[Start] = [
            (row, vlen),
            (c.base + low * vlen, vlen),
            (temporary, vlen),
        ]
        each_chunk(b, starts, 2 * half, sums)

    def body(blocks: list[Block]) -> None:
        x, c, s = blocks
        with b.gp() as row:
            b.set(row, x.base)
            with b.loop(heads, note="parts that one table turns"):
                if step:
                    for place in range(0, tables, 2 * step):
                        one_head(blocks, row, place)
                        b.step(row, 2 * step * x.rows * vlen)
                else:
                    with b.gp(2) as (t, by):
                        b.set(t, temporary)
                        b.set(by, head // 2)
                        each_chunk(
                            b,
                            [(row, vlen), (c.base, vlen), (s.base, vlen)],
                            tables * x.rows,
                            lambda p: in_vector(p, t, by),
                        )
                    if heads > 1:
                        b.step(row, tables * x.rows * vlen)

    whole_blocks(b, [x, cos, sin], y, body)
