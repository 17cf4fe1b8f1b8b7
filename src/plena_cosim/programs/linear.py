"""A linear layer: tiles of weights, rows of activations, sums over K in the matrix unit."""

from __future__ import annotations

from ..golden import FormatError
from ..golden.isa.machine import VECTOR
from .builder import ZERO, Builder, Register
from .image import Tensor


def linear(b: Builder, x: Tensor, w: Tensor, y: Tensor, *, bias: Tensor | None = None) -> None:
    """golden.ops.matmul(x, w.T) of rows of V, quantised to the activations' type.

    For each MLEN outputs the tiles of all of K are fetched once, where the matrix memory holds
    them; else a tile is fetched again for each BLEN outputs of each block of rows.

    Args:
        b: what is written to.
        x: (rows, K), of V.
        w: (N, K), of the weights' type.
        y: (rows, N), of V: the result.
        bias: (1, N), of V, added behind the cast of the sums; None: none.

    Raises:
        FormatError: sizes or transfers that do not fit.
    """
    machine, hw = b.machine, b.machine.hardware
    if machine.prefetch_rows != hw.blen or machine.store_rows != hw.blen:
        raise FormatError(
            f"linear needs v_prefetch = v_writeback = BLEN = {hw.blen}; the machine has "
            f"{machine.prefetch_rows} and {machine.store_rows}"
        )
    if (x.rows, x.columns, w.rows) != (y.rows, w.columns, y.columns):
        raise FormatError(
            f"linear: ({x.rows}, {x.columns}) by ({w.rows}, {w.columns}) is not "
            f"({y.rows}, {y.columns})"
        )
    steps, tiles = w.stored_columns // hw.mlen, machine.memories.matrix_tiles
    held = steps <= tiles
    area, block = hw.mlen**2, hw.blen * hw.mlen
    inputs = b.rows(hw.blen * steps)
    outputs = b.rows(hw.blen)
    shift = None if bias is None else b.rows(hw.blen)
    width = hw.vector_format.width_bits // 8

    def fetch_tile(place: Register, tile: Register, first: Register, step: int) -> None:
        """Write the fetch of a tile, `step` of K from `first`, an offset of rows."""
        with b.at(w, strided=True) as address:
            b.S_ADDI_INT(place, first, step * (w.row_bytes // steps))
            b.H_PREFETCH_M(tile, place, address, 1, 0)

    with b.gp(5) as (first, column, place, tile, target):
        b.set(first, 0, note="from the first row of w to this tile's")
        b.set(column, 0, note="from a row of y to this tile's columns")
        with b.loop(w.stored_rows // hw.mlen, note="MLEN outputs"):
            if held:
                for step in range(steps):
                    b.set(tile, step * area)
                    fetch_tile(place, tile, first, step)
            if shift is not None and bias is not None:
                with b.at(bias) as address:
                    b.set(place, shift)
                    b.H_PREFETCH_V(place, column, address, 0, VECTOR)
            with b.gp(2) as (offset, into):
                b.set(offset, 0, note="from the first row of x to this block's")
                b.S_ADDI_INT(into, column, 0, note="the same in y, with the column")
                with b.loop(x.stored_rows // hw.blen, note="blocks of BLEN rows"):
                    _fetch_rows(b, x, inputs, offset, steps)
                    b.set(target, outputs)
                    with b.gp() as part:
                        b.set(part, 0, note="column block of a tile")
                        with b.loop(hw.mlen // hw.blen):
                            for step in range(steps):
                                b.set(tile, step * area if held else 0)
                                if not held:
                                    fetch_tile(place, tile, first, step)
                                b.S_ADD_INT(tile, tile, part)
                                b.set(place, inputs + step * block)
                                b.M_TMM(0, place, tile)
                            b.M_MM_WO(target, ZERO, 0)
                            b.step(target, hw.blen)
                            b.step(part, block)
                    if shift is not None:
                        b.set(target, outputs)
                        b.set(place, shift)
                        with b.loop(hw.blen):
                            b.V_ADD_VV(target, target, place)
                            b.step(target, hw.vlen)
                    with b.at(y, strided=True) as address:
                        b.set(target, outputs)
                        b.H_STORE_V(target, into, address, 1, VECTOR)
                    b.step(offset, hw.blen * x.row_bytes)
                    b.step(into, hw.blen * y.row_bytes)
            b.step(first, hw.mlen * w.row_bytes)
            b.step(column, hw.mlen * width)


def _fetch_rows(b: Builder, x: Tensor, base: int, offset: Register, steps: int) -> None:
    hw = b.machine.hardware
    with b.at(x, strided=True) as address, b.gp(2) as (row, place):
        b.set(row, base)
        b.S_ADDI_INT(place, offset, 0)
        with b.loop(steps):
            b.H_PREFETCH_V(row, place, address, 1, VECTOR)
            b.step(row, hw.blen * hw.vlen)
            b.step(place, hw.vlen * hw.vector_format.width_bits // 8)
