"""Programs that go over a matrix by rows: activations, norms, softmax, Hadamard, sums.

Each is golden's sequence, an instruction a step.
"""

from __future__ import annotations

import math

import numpy as np

from ..golden import FormatError, encode
from ..golden.transcendental import reciprocal_of, reciprocal_square_root
from .builder import F_ZERO, Builder, Register
from .image import Array, Tensor
from .rows import Block, each_chunk, each_row, held_row, whole_blocks


def _edge(b: Builder, columns: int, inside: float, beyond: float) -> Array:
    """Return a row of one number, with another in the padding of the last chunk."""
    hw = b.machine.hardware
    stored = -(-columns // hw.vlen) * hw.vlen
    values = np.where(np.arange(stored) < columns, inside, beyond)
    return encode(values, hw.vector_format)


def silu(b: Builder, x: Tensor, y: Tensor, up: Tensor | None = None) -> None:
    """golden.ops.silu of every element; times `up`: golden.ops.swiglu.

    Args:
        b: what is written to.
        x: (rows, columns), of V.
        y: the result, of the same shape.
        up: of the same shape; None: silu alone.
    """
    temporary = b.rows(1, "temporary")
    with b.f() as one, b.gp() as t:
        b.S_EXP_FP(one, F_ZERO, note="1")
        b.set(t, temporary)

        def element(places: list[Register]) -> None:
            b.V_SUB_VF(t, places[0], F_ZERO, 0, 1, note="0 - x")
            b.V_EXP_V(t, t)
            b.V_ADD_VF(t, t, one)
            b.V_RECI_V(t, t)
            b.V_MUL_VV(places[0], places[0], t, note="x / (1 + exp(-x))")
            if len(places) > 1:
                b.V_MUL_VV(places[0], places[0], places[1])

        def body(blocks: list[Block]) -> None:
            vlen = b.machine.hardware.vlen
            starts = [(block.base, vlen) for block in blocks]
            each_chunk(b, starts, blocks[0].rows * blocks[0].chunks, element)

        whole_blocks(b, [x] if up is None else [x, up], y, body)


def rms_norm(
    b: Builder,
    x: Tensor,
    gamma: Array | Tensor,
    eps: float,
    y: Tensor,
    *,
    heads: int = 1,
    size: int | None = None,
) -> None:
    """golden.ops.rms_norm of every row, or of every head of each.

    Args:
        b: what is written to.
        x: (rows, columns), of V.
        gamma: codes of V, (columns,) or (size,), or a matrix of one row that has them.
        eps: added to the mean of squares, rounded to V.
        y: the result, of the same shape.
        heads: equal parts of a row, in whole vectors, each of which is normalised by itself.
        size: elements of one that count, the first; all of them when None.
    """
    gain = held_row(b, "gamma", gamma)
    temporary = b.rows(1, "temporary")
    with b.f(3) as fs, b.gp() as t:
        _norm_constants(b, size or x.columns // heads, eps, *fs[:2])
        b.set(t, temporary)

        def body(blocks: list[Block]) -> None:
            block, chunks = blocks[0], blocks[0].chunks // heads

            def row(pointers: list[Register]) -> None:
                with b.loop(heads, note="heads"):
                    _scale(b, block, pointers[0], gain, t, *fs, chunks=chunks)
                    if heads > 1:
                        b.step(pointers[0], chunks * block.step)
                if heads > 1:
                    b.back(pointers[0], heads * chunks * block.step)

            each_row(b, blocks, row)

        whole_blocks(b, [x], y, body)


def layer_norm(b: Builder, x: Tensor, gamma: Array, beta: Array, eps: float, y: Tensor) -> None:
    """golden.ops.layer_norm of every row.

    Args:
        b: what is written to.
        x: (rows, columns), of V.
        gamma, beta: codes of V, (columns,).
        eps: added to the variance, rounded to V.
        y: the result, of the same shape.
    """
    gain, shift = held_row(b, "gamma", gamma), held_row(b, "beta", beta)
    ragged = x.columns != x.stored_columns
    ones = held_row(b, "ones", _edge(b, x.columns, 1.0, 0.0)) if ragged else None
    temporary = b.rows(1, "temporary")
    with b.f(3) as (share, small, total), b.gp() as t:
        _norm_constants(b, x.columns, eps, share, small)
        b.set(t, temporary)

        def row(block: Block, first: Register) -> None:
            _sum(b, block, first, total)
            b.S_MUL_FP(total, total, share, note="mean")
            starts = [(first, block.step)] + ([] if ones is None else [ones])

            def centre(places: list[Register]) -> None:
                b.V_SUB_VF(places[0], places[0], total)
                if ones is not None:
                    b.V_MUL_VV(places[0], places[0], places[1], note="padding is 0 again")

            each_chunk(b, starts, block.chunks, centre)
            _scale(b, block, first, gain, t, share, small, total)
            each_chunk(
                b,
                [(first, block.step), shift],
                block.chunks,
                lambda places: b.V_ADD_VV(places[0], places[0], places[1]),
            )

        def body(blocks: list[Block]) -> None:
            each_row(b, blocks, lambda rows: row(blocks[0], rows[0]))

        whole_blocks(b, [x], y, body)


def _norm_constants(b: Builder, size: int, eps: float, share: Register, small: Register) -> None:
    b.constant(share, float(reciprocal_of(size, 0)))
    b.constant(small, eps)


def _sum(b: Builder, block: Block, row: Register, total: Register) -> None:
    b.S_ADD_FP(total, F_ZERO, F_ZERO, note="0")
    each_chunk(b, [(row, block.step)], block.chunks, lambda places: b.V_RED_SUM(total, places[0]))


def _scale(
    b: Builder,
    block: Block,
    row: Register,
    gain: tuple[int, int],
    t: Register,
    share: Register,
    small: Register,
    total: Register,
    *,
    chunks: int | None = None,
) -> None:
    """Write steps 1 to 6 of rms_norm for one row, or `chunks` of it."""
    chunks = chunks or block.chunks

    def square(places: list[Register]) -> None:
        b.V_MUL_VV(t, places[0], places[0])
        b.V_RED_SUM(total, t)

    b.S_ADD_FP(total, F_ZERO, F_ZERO, note="0")
    each_chunk(b, [(row, block.step)], chunks, square)
    b.S_MUL_FP(total, total, share, note="mean of squares")
    b.S_ADD_FP(total, total, small)
    b.S_SQRT_FP(total, total)
    b.S_RECI_FP(total, total)

    def scaled(places: list[Register]) -> None:
        b.V_MUL_VF(places[0], places[0], total)
        b.V_MUL_VV(places[0], places[0], places[1])

    each_chunk(b, [(row, block.step), gain], chunks, scaled)


def softmax(b: Builder, x: Tensor, y: Tensor) -> None:
    """golden.ops.softmax of every row, all elements of which take part.

    Args:
        b: what is written to.
        x: (rows, columns), of V.
        y: the result, of the same shape.

    Raises:
        FormatError: rows that need padding, and V has no Inf.
    """
    v = b.machine.hardware.vector_format
    ragged = x.columns != x.stored_columns
    if ragged and not v.has_inf:
        raise FormatError(
            f"softmax of rows of {x.columns} needs -Inf in their padding; {v.name} has none. "
            f"Rows of a multiple of {b.machine.hardware.vlen} need none"
        )
    edge = held_row(b, "edge", _edge(b, x.columns, 0.0, -math.inf)) if ragged else None
    with b.f(2) as (lowest, total):
        b.constant(lowest, -v.max_value)

        def row(block: Block, rows: list[Register]) -> None:
            if edge is not None:
                each_chunk(
                    b,
                    [(rows[0], block.step), edge],
                    block.chunks,
                    lambda places: b.V_ADD_VV(places[0], places[0], places[1]),
                )
            b.S_MAX_FP(total, lowest, lowest, note="the lowest value")
            each_chunk(b, [(rows[0], block.step)], block.chunks, lambda p: b.V_RED_MAX(total, p[0]))

            def exponential(places: list[Register]) -> None:
                b.V_SUB_VF(places[0], places[0], total)
                b.V_EXP_V(places[0], places[0])

            each_chunk(b, [(rows[0], block.step)], block.chunks, exponential)
            _sum(b, block, rows[0], total)
            b.S_RECI_FP(total, total)
            each_chunk(
                b,
                [(rows[0], block.step)],
                block.chunks,
                lambda places: b.V_MUL_VF(places[0], places[0], total),
            )

        def body(blocks: list[Block]) -> None:
            each_row(b, blocks, lambda rows: row(blocks[0], rows))

        whole_blocks(b, [x], y, body)


def add(b: Builder, x: Tensor, y: Tensor, z: Tensor) -> None:
    """golden.ops.add of every element: z = x + y.

    Args:
        b: what is written to.
        x, y: (rows, columns), of V.
        z: the result, of the same shape; it may be one of them.
    """

    def body(blocks: list[Block]) -> None:
        starts = [(block.base, b.machine.hardware.vlen) for block in blocks]
        each_chunk(b, starts, blocks[0].vectors, lambda p: b.V_ADD_VV(p[0], p[0], p[1]))

    whole_blocks(b, [x, y], z, body)


def copy(b: Builder, x: Tensor, y: Tensor, *, row: int = 0) -> None:
    """Store rows in another matrix, in its type; what pads them becomes zeros.

    Args:
        b: what is written to.
        x: (rows, columns), of V.
        y: of any type, as wide.
        row: of y, that the first row goes to.
    """
    whole_blocks(b, [x], y, lambda _: None, row=row, clear=True)


def hadamard(b: Builder, x: Tensor, y: Tensor, *, block: int) -> None:
    """golden.ops.hadamard of blocks of 2^r elements, which lie within vectors.

    Args:
        b: what is written to.
        x: (rows, columns), of V.
        y: the result, of the same shape.
        block: elements of a transform.

    Raises:
        FormatError: blocks that do not fit a vector, or the columns.
    """
    hw = b.machine.hardware
    if block > hw.vlen or block & (block - 1) or block < 2 or x.columns % block:
        raise FormatError(
            f"hadamard: blocks of {block}; need a power of two up to VLEN = {hw.vlen} that "
            f"divides the {x.columns} columns"
        )
    lanes = np.arange(hw.vlen)
    stages = block.bit_length() - 1
    rows = [
        held_row(b, f"signs {j}", encode(np.where(lanes >> j & 1, -1.0, 1.0), hw.vector_format))[0]
        for j in range(stages)
    ]
    temporary = b.rows(1, "temporary")
    with b.f() as gain, b.gp(3) as (t, by, sign):
        b.constant(gain, float(reciprocal_square_root(block, 0)))
        b.set(t, temporary)

        def element(places: list[Register]) -> None:
            for j in range(stages):
                b.set(by, 1 << j)
                b.set(sign, rows[j])
                b.V_SHFT_V(t, places[0], by, j + 1)
                b.V_MUL_VV(places[0], places[0], sign)
                b.V_ADD_VV(places[0], places[0], t)
            b.V_MUL_VF(places[0], places[0], gain)

        def body(blocks: list[Block]) -> None:
            starts = [(blocks[0].base, hw.vlen)]
            each_chunk(b, starts, blocks[0].rows * blocks[0].chunks, element)

        whole_blocks(b, [x], y, body)
