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
    n = len(row)
    size = mx.block_size
    quantised, taken = row.copy(), [0] * len(order)
    done: list[int] = []
    for number in order:
        block = list(range(number * size, min((number + 1) * size, n)))
        rest = [
            c for b in order[order.index(number) :] for c in range(b * size, min((b + 1) * size, n))
        ]
        now = row + best_rest(hessian, quantised - row, done, rest)
        rule = rule_exponent(now[block], mx)
        tries = []
        for offset in offsets:
            tried, finished = quantised.copy(), list(done)
            for column in block:
                left = [c for c in rest if c not in finished]
                moved = row + best_rest(hessian, tried - row, finished, left)
                tried[column] = round_block(moved[[column]], rule + offset, mx)[0]
                finished.append(column)
            left = [c for c in rest if c not in finished]
            change = best_rest(hessian, tried - row, finished, left)
            plain = round_block(now[block], rule + offset, mx) - now[block]
            loss = change @ hessian @ change if by_output else plain @ plain
            tries.append((loss, offsets.index(offset), tried))
        _, best, quantised = min(tries, key=lambda found: found[:2])
        taken[number] = offsets[best]
        done += block
    return quantised, taken
