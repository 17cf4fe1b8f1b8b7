"""Programs that go over a matrix by rows: activations, norms, softmax, RoPE, Hadamard.

Rows come into vector memory a transfer at a time, side by side: chunk c of row i (VLEN elements)
is row c * R + i of a block of R rows. Each program is golden's sequence, an instruction a step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from ..golden import FormatError, encode
from ..golden.isa.machine import VECTOR
from ..golden.transcendental import reciprocal_of, reciprocal_square_root
from .builder import F_ZERO, Builder, Register
from .image import Array, Tensor


class Block:
    """R rows of a matrix in vector memory.

    Attributes:
        base: address of the first row's first chunk.
        chunks: of a row.
        step: from a chunk of a row to the next.
    """

    def __init__(self, b: Builder, columns: int) -> None:
        hw = b.machine.hardware
        self.rows = b.machine.prefetch_rows
        self.chunks = -(-columns // hw.vlen)
        self.step = self.rows * hw.vlen
        self.base = b.rows(self.rows * self.chunks)


def whole_blocks(
    b: Builder,
    sources: Sequence[Tensor],
    target: Tensor,
    body: Callable[[list[Block]], None],
) -> None:
    """Fetch blocks of rows of every source, do something, and store the first as the result.

    Args:
        b: what is written to.
        sources: matrices of one shape.
        target: of the same shape.
        body: writes what happens to blocks, one of each source.

    Raises:
        FormatError: transfers of different sizes.
    """
    machine = b.machine
    if machine.prefetch_rows != machine.store_rows:
        raise FormatError(
            f"programs by rows need v_prefetch = v_writeback; the machine has "
            f"{machine.prefetch_rows} and {machine.store_rows}"
        )
    blocks = [Block(b, source.columns) for source in sources]
    groups = target.stored_rows // machine.prefetch_rows
    with b.gp() as offset:
        b.set(offset, 0, note="from a matrix's first row to this block's")
        with b.loop(groups, note="blocks of rows"):
            for source, block in zip(sources, blocks, strict=True):
                with b.at(source, strided=True) as address:
                    _chunks(b, block, offset, address, b.H_PREFETCH_V)
            body(blocks)
            with b.at(target, strided=True) as address:
                _chunks(b, blocks[0], offset, address, b.H_STORE_V)
            b.step(offset, machine.prefetch_rows * target.row_bytes)


def _chunks(
    b: Builder, block: Block, offset: Register, address: Register, move: Callable[..., None]
) -> None:
    hw = b.machine.hardware
    with b.gp(2) as (row, place):
        b.set(row, block.base)
        b.S_ADDI_INT(place, offset, 0)
        with b.loop(block.chunks):
            move(row, place, address, 1, VECTOR)
            b.step(row, block.step)
            b.step(place, hw.vlen * hw.vector_format.width_bits // 8)


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


def each_chunk(
    b: Builder,
    starts: Sequence[tuple[Register | int, int]],
    chunks: int,
    body: Callable[[list[Register]], None],
) -> None:
    """Do something to each chunk of a row.

    Args:
        b: what is written to.
        starts: addresses of first chunks, in registers or known, and the step of each.
        chunks: of a row.
        body: gets the addresses.
    """
    with b.gp(len(starts)) as lent:
        pointers = lent if isinstance(lent, list) else [lent]
        for pointer, (start, _) in zip(pointers, starts, strict=True):
            if isinstance(start, Register):
                b.S_ADDI_INT(pointer, start, 0)
            else:
                b.set(pointer, start)
        with b.loop(chunks, note="chunks of VLEN"):
            body(pointers)
            for pointer, (_, step) in zip(pointers, starts, strict=True):
                if chunks > 1:
                    b.step(pointer, step)


def held_row(b: Builder, name: str, codes: Array) -> tuple[int, int]:
    """Keep a row in vector memory for the whole program.

    Args:
        b: what is written to.
        name: of the row.
        codes: of V, (columns,).

    Returns:
        Address of its first chunk, and the step from a chunk to the next.
    """
    tensor = b.image.matrix(name, codes.reshape(1, -1), (1, codes.size))
    hw, rows = b.machine.hardware, b.machine.prefetch_rows
    transfers = -(-tensor.stored_columns // hw.vlen // rows)  # of chunks, one behind the other
    base = b.rows(transfers * rows)
    with b.at(tensor) as address, b.gp(2) as (row, place):
        b.set(row, base)
        b.set(place, 0)
        with b.loop(transfers):
            b.H_PREFETCH_V(row, place, address, 0, VECTOR)
            if transfers > 1:
                b.step(row, rows * hw.vlen)
                b.step(place, rows * hw.vlen * hw.vector_format.width_bits // 8)
    return base, hw.vlen


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
    temporary = b.rows(1)
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


def rms_norm(b: Builder, x: Tensor, gamma: Array, eps: float, y: Tensor) -> None:
    """golden.ops.rms_norm of every row.

    Args:
        b: what is written to.
        x: (rows, columns), of V.
        gamma: codes of V, (columns,).
        eps: added to the mean of squares, rounded to V.
        y: the result, of the same shape.
    """
    gain = held_row(b, "gamma", gamma)
    temporary = b.rows(1)
    with b.f(3) as (share, small, total), b.gp() as t:
        _norm_constants(b, x, eps, share, small)
        b.set(t, temporary)

        def body(blocks: list[Block]) -> None:
            each_row(b, blocks, lambda rows: _scale(b, blocks[0], rows[0], gain, t, *fs))

        fs = share, small, total
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
    temporary = b.rows(1)
    with b.f(3) as (share, small, total), b.gp() as t:
        _norm_constants(b, x, eps, share, small)
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


def _norm_constants(b: Builder, x: Tensor, eps: float, share: Register, small: Register) -> None:
    b.constant(share, float(reciprocal_of(x.columns, 0)))
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
) -> None:
    """Write steps 1 to 6 of rms_norm for one row."""

    def square(places: list[Register]) -> None:
        b.V_MUL_VV(t, places[0], places[0])
        b.V_RED_SUM(total, t)

    b.S_ADD_FP(total, F_ZERO, F_ZERO, note="0")
    each_chunk(b, [(row, block.step)], block.chunks, square)
    b.S_MUL_FP(total, total, share, note="mean of squares")
    b.S_ADD_FP(total, total, small)
    b.S_SQRT_FP(total, total)
    b.S_RECI_FP(total, total)

    def scaled(places: list[Register]) -> None:
        b.V_MUL_VF(places[0], places[0], total)
        b.V_MUL_VV(places[0], places[0], places[1])

    each_chunk(b, [(row, block.step), gain], block.chunks, scaled)


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


def rope(b: Builder, x: Tensor, cos: Tensor, sin: Tensor, y: Tensor, *, head: int) -> None:
    """golden.ops.rope of every row, a row of cos and sin each; heads of `head` elements.

    The sign of rotate(x) goes to the first half of each head of sin, which rounds nothing.

    Args:
        b: what is written to.
        x: (rows, columns), of V.
        cos, sin: of the same shape.
        y: the result, of the same shape.
        head: elements of a head; pairs are half of that apart.

    Raises:
        FormatError: heads that do not fit a vector.
    """
    hw = b.machine.hardware
    if head > hw.vlen or head & (head - 1) or head < 2:
        raise FormatError(f"rope: heads of {head}; need a power of two up to VLEN = {hw.vlen}")
    half = np.where(np.arange(hw.vlen) % head < head // 2, -1.0, 1.0)
    signs, _ = held_row(b, "signs", encode(half, hw.vector_format))
    temporary = b.rows(1)
    with b.gp(3) as (t, by, sign):
        b.set(t, temporary)
        b.set(by, head // 2)
        b.set(sign, signs)

        def element(places: list[Register]) -> None:
            row, c, s = places
            b.V_SHFT_V(t, row, by, head.bit_length() - 1)
            b.V_MUL_VV(s, s, sign)
            b.V_MUL_VV(t, t, s)
            b.V_MUL_VV(row, row, c)
            b.V_ADD_VV(row, row, t)

        def body(blocks: list[Block]) -> None:
            starts = [(block.base, hw.vlen) for block in blocks]
            each_chunk(b, starts, blocks[0].rows * blocks[0].chunks, element)

        whole_blocks(b, [x, cos, sin], y, body)


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
    temporary = b.rows(1)
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
