"""A linear layer: tiles of weights, rows of activations, sums over K in the matrix unit."""

from __future__ import annotations

from ..golden import FormatError
from ..golden.isa.machine import VECTOR
from ..golden.isa.transfer import width_bits
from .builder import ZERO, Builder, Register
from .image import Tensor
from .rows import Block, fetch, require_transfers, store


def linear(
    b: Builder, x: Tensor, w: Tensor, y: Tensor, *, bias: Tensor | None = None, operand: int = 0
) -> None:
    """golden.ops.matmul(x, w.T) of rows of V, quantised to a type first.

    For each MLEN outputs the tiles of all of K are fetched once, where the matrix memory holds
    them; else a tile is fetched again for each BLEN outputs of each block of rows.

    Args:
        b: what is written to.
        x: (rows, K), of V.
        w: (N, K), of a type for tiles.
        y: (rows, N), of V: the result.
        bias: (1, N), of V, added behind the cast of the sums; None: none.
        operand: number of the type that x is quantised to: 0 is the activations'.

    Raises:
        FormatError: sizes or transfers that do not fit.
    """
    machine, hw = b.machine, b.machine.hardware
    require_transfers(b, of_tiles=True)
    if (x.rows, x.columns, w.rows) != (y.rows, w.columns, y.columns):
        raise FormatError(
            f"linear: ({x.rows}, {x.columns}) by ({w.rows}, {w.columns}) is not "
            f"({y.rows}, {y.columns})"
        )
    steps = w.stored_columns // hw.mlen
    held = steps <= machine.memories.matrix_tiles
    area, block = hw.mlen**2, hw.blen * hw.mlen
    across = hw.mlen * width_bits(w.type) // 8  # bytes of a row of a tile
    inputs, outputs = Block(b, x.columns, "inputs"), Block(b, hw.mlen, "outputs")
    shift = None if bias is None else b.rows(hw.blen, "bias")
    b.keep_tiles(0, steps if held else 1, "weight")

    def fetch_tile(tile: Register, place: Register) -> None:
        with b.at(w, strided=True) as address:
            b.H_PREFETCH_M(tile, place, address, 1, w.number)

    with b.gp(7) as (first, column, place, tile, rows, offset, into):
        b.set(first, 0, note="from the first row of w to this tile's")
        b.set(column, 0, note="from a row of y to this tile's columns")
        with b.loop(w.stored_rows // hw.mlen, note="MLEN outputs"):
            if held:
                b.set(tile, 0)
                b.S_ADDI_INT(place, first, 0)
                with b.loop(steps, note="tiles of K"):
                    fetch_tile(tile, place)
                    if steps > 1:
                        b.step(tile, area)
                        b.step(place, across)
            if shift is not None and bias is not None:
                with b.at(bias) as address:
                    b.set(place, shift)
                    b.H_PREFETCH_V(place, column, address, 0, VECTOR)
            b.set(offset, 0)
            b.S_ADDI_INT(into, column, 0)
            with b.loop(x.stored_rows // hw.blen, note="blocks of BLEN rows"):
                fetch(b, inputs, x, offset)
                with b.gp(2) as (part, target):
                    b.set(part, 0, note="column block of a tile")
                    b.set(target, outputs.base)
                    with b.loop(hw.mlen // hw.blen):
                        b.set(rows, inputs.base)
                        if held:
                            b.S_ADDI_INT(tile, part, 0)
                        else:
                            b.set(tile, 0)
                            b.S_ADDI_INT(place, first, 0)
                        with b.loop(steps, note="K"):
                            if not held:
                                fetch_tile(tile, place)
                                b.step(place, across)
                            b.M_TMM(operand, rows, tile if held else part)
                            if steps > 1:
                                b.step(rows, block)
                                if held:
                                    b.step(tile, area)
                        b.M_MM_WO(target, ZERO, 0)
                        b.step(target, hw.blen)
                        b.step(part, block)
                    if shift is not None:
                        b.set(target, outputs.base)
                        b.set(place, shift)
                        with b.loop(hw.blen):
                            b.V_ADD_VV(target, target, place)
                            b.step(target, hw.vlen)
                store(b, outputs, y, into)
                b.step(offset, hw.blen * x.row_bytes)
                b.step(into, hw.blen * y.row_bytes)
            b.step(first, hw.mlen * w.row_bytes)
            b.step(column, hw.mlen * hw.vector_format.width_bits // 8)
