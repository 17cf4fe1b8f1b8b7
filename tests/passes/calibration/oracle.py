"""GPTQ by brute force: a least-squares problem for every column, in float64, with NumPy."""

from __future__ import annotations

import numpy as np

from plena_cosim import golden
from plena_cosim.golden import Mx


def round_block(column: np.ndarray, exponent: int, mx: Mx) -> np.ndarray:
    """Round values to the elements of a block with a scale of 2^exponent, by golden's codec."""
    scale = 2.0**exponent
    return golden.decode(golden.encode(column / scale, mx.element), mx.element) * scale


def rule_exponent(block: np.ndarray, mx: Mx) -> int:
    """Return the exponent of golden's own scale for one row's block."""
    code = golden.quantize(block[None].astype(np.float32), mx).scales[0, 0]
    return int(code) - mx.scale_bias


def best_rest(
    hessian: np.ndarray, error: np.ndarray, done: list[int], rest: list[int]
) -> np.ndarray:
    """Return the change of columns `rest` that least squares asks for once `done` are off."""
    change = np.zeros(len(hessian))
    change[done] = error[done]
    if rest:
        inner = hessian[np.ix_(rest, rest)]
        change[rest] = -np.linalg.solve(inner, hessian[np.ix_(rest, done)] @ error[done])
    return change


def block_of_row(
    row: np.ndarray,
    hessian: np.ndarray,
    quantised: np.ndarray,
    done: list[int],
    block: list[int],
    later: list[int],
    mx: Mx,
    offsets: list[int],
    *,
    by_output: bool,
) -> tuple[float, int, np.ndarray]:
    """Quantise one block, column after column, with each scale; return the best.

    Columns of `done` are as they are in `quantised`; those of the block behind the one that is
    rounded, and those of `later`, make up for it.

    Returns:
        What was minimised, the offset of the scale, and all columns of the row.
    """
    now = row + best_rest(hessian, quantised - row, done, block + later)
    rule = rule_exponent(now[block], mx)
    tries = []
    for offset in offsets:
        tried, finished = quantised.copy(), list(done)
        for number, column in enumerate(block):
            moved = row + best_rest(hessian, tried - row, finished, block[number:] + later)
            tried[column] = round_block(moved[[column]], rule + offset, mx)[0]
            finished.append(column)
        change = best_rest(hessian, tried - row, finished, later)
        plain = round_block(now[block], rule + offset, mx) - now[block]
        loss = change @ hessian @ change if by_output else plain @ plain
        tries.append((loss, offsets.index(offset), tried))
    loss, best, values = min(tries, key=lambda found: found[:2])
    return loss, offsets[best], values


def blocks_of(n: int, size: int) -> list[list[int]]:
    """Return the columns of each block."""
    return [list(range(at, min(at + size, n))) for at in range(0, n, size)]


def gptq_row(
    row: np.ndarray,
    hessian: np.ndarray,
    mx: Mx,
    offsets: list[int],
    *,
    by_output: bool,
    order: list[int],
) -> tuple[np.ndarray, list[int]]:
    """Quantise one row; return its values and the offset that each block took."""
    blocks = blocks_of(len(row), mx.block_size)
    quantised, taken = row.copy(), [0] * len(order)
    done: list[int] = []
    for place, number in enumerate(order):
        later = [column for other in order[place + 1 :] for column in blocks[other]]
        _, taken[number], quantised = block_of_row(
            row, hessian, quantised, done, blocks[number], later, mx, offsets, by_output=by_output
        )
        done += blocks[number]
    return quantised, taken


def descent_row(
    row: np.ndarray,
    hessian: np.ndarray,
    values: np.ndarray,
    mx: Mx,
    offsets: list[int],
    *,
    by_output: bool,
    sweeps: int,
) -> np.ndarray:
    """Quantise each block again while the others stay, and keep what lowers the row's loss."""
    blocks = blocks_of(len(row), mx.block_size)
    for _ in range(sweeps):
        for block in blocks:
            others = [column for other in blocks if other is not block for column in other]
            *_, tried = block_of_row(
                row, hessian, values, others, block, [], mx, offsets, by_output=by_output
            )
            old, new = values - row, tried - row
            if new @ hessian @ new < old @ hessian @ old:
                values = tried
    return values
